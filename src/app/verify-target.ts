import type { TargetConfig } from "../config/index.ts";
import { type ErrorCode, messageOf, RollcallError } from "../domain/model/errors.ts";
import type { CheckFinding, Target } from "../domain/ports/target.ts";
import { cloudOf } from "../targets/definition.ts";
import { definitionOf } from "../targets/registry.ts";
import { withoutName } from "./open-targets.ts";

/** Messages by key of the draft, as plain text without secrets. The key `""` is for the whole form. */
export type FieldErrors = Readonly<Record<string, string>>;

/** Facts about an organization or account, from the vendor's API. */
export interface Survey {
  readonly name: string;
  readonly type: string;
  /** The vendor's id of the organization or account. */
  readonly accountId: string;
  /** Host of the API. */
  readonly host: string;
  readonly members: number;
  /** Null if the API has no groups. */
  readonly groups: number | null;
  /** Number of accounts by state. Only states that occur. */
  readonly states: Readonly<Record<string, number>>;
  /** Warnings: a key that acts as an owner, a permission that seems missing. */
  readonly findings: readonly CheckFinding[];
}

export type Verification =
  | { readonly ok: true; readonly survey: Survey }
  | { readonly ok: false; readonly errors: FieldErrors };

/** Maximum time to sign in and read all accounts. */
const verifyWithinMs = 60_000;
const closeWithinMs = 3000;

/** Signs in to a target, reads all its accounts and groups once, and returns what is there. Closes the target. */
export async function verifyTarget(target: Target, config: TargetConfig, caller: AbortSignal): Promise<Verification> {
  const signal = AbortSignal.any([caller, AbortSignal.timeout(verifyWithinMs)]);
  try {
    return { ok: true, survey: await survey(target, config, signal) };
  } catch (error) {
    if (!(error instanceof RollcallError)) throw error;
    return { ok: false, errors: { [fieldOf(error.code, config)]: withoutName(target.name, describe(error, signal)) } };
  } finally {
    await target.close(AbortSignal.timeout(closeWithinMs));
  }
}

async function survey(target: Target, config: TargetConfig, signal: AbortSignal): Promise<Survey> {
  const { accounts: members, groups } = await target.observe({ kind: "all" }, signal);
  const counts = Map.groupBy(members, ({ state }) => state);
  const states = Object.fromEntries([...counts].map(([state, list]) => [state, list.length]));
  const findings = (await target.check(signal)).filter(({ level }) => level !== "ok");
  const missing = (await target.missingPermissions?.(signal)) ?? [];
  return {
    name: config.name,
    type: config.type,
    accountId: config.account,
    host: new URL(config.apiUrl).host,
    members: members.length,
    groups: target.supports.groups ? groups.length : null,
    states,
    findings: [
      ...findings.map(({ level, message }) => ({ level, message: withoutName(config.name, message) })),
      ...missing.map(
        (permission): CheckFinding => ({
          level: "warning",
          message: `the credentials seem to lack the permission "${permission}"; make new ones with every permission`,
        }),
      ),
    ],
  };
}

/** Returns the field of the form that an error is probably about; "" if the code does not tell. */
function fieldOf(code: ErrorCode, config: TargetConfig): string {
  switch (code) {
    case "TARGET_REFUSED_CREDENTIALS":
      return "clientSecret";
    case "TARGET_UNREACHABLE":
    case "UNEXPECTED_RESPONSE":
    case "CONFIG_INVALID":
      return cloudOf(definitionOf(config.type)?.regions ?? [], config.apiUrl) === null ? "apiUrl" : "region";
    default:
      return "";
  }
}

const describe = (error: RollcallError, signal: AbortSignal): string =>
  error.code === "ABORTED" && signal.reason instanceof DOMException && signal.reason.name === "TimeoutError"
    ? `no complete answer after ${verifyWithinMs / 1000} s: the API, or a proxy before it, is too slow`
    : messageOf(error);
