import type { TargetConfig } from "../config/index.ts";
import type { AccountState } from "../domain/model/account.ts";
import { type ErrorCode, messageOf, RollcallError } from "../domain/model/errors.ts";
import type { CheckFinding, Target } from "../domain/ports/target.ts";
import type { ConnectionDraft, Survey, Verification } from "./connection-types.ts";
import { withoutName } from "./open-targets.ts";

/** How long a vendor may take to show its people. */
const verifyWithinMs = 60_000;
const closeWithinMs = 3000;

/** Signs in to a target, reads everybody and all groups once, and tells what is there. Closes the target. */
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
    accountId: accountOf(config),
    host: new URL(config.apiUrl).host,
    members: members.length,
    groups: target.supports.groups ? groups.length : null,
    states,
    findings: [
      ...findings.map(({ level, message }) => ({ level, message: withoutName(config.name, message) })),
      ...missing.map(
        (permission): CheckFinding => ({
          level: "warning",
          message: `the OAuth application seems to lack the permission "${permission}"; an application can't be edited: make a new one with all four`,
        }),
      ),
    ],
  };
}

/** The organization or account that credentials lead to. */
export const accountOf = (config: TargetConfig): string =>
  config.type === "bitwarden" ? config.clientId.slice("organization.".length).toLowerCase() : config.accountId;

/** Which field of the form an error is about, as far as its code tells. */
function fieldOf(code: ErrorCode, config: TargetConfig): keyof ConnectionDraft | "" {
  switch (code) {
    case "TARGET_REFUSED_CREDENTIALS":
      return "clientSecret";
    case "TARGET_UNREACHABLE":
    case "UNEXPECTED_RESPONSE":
    case "CONFIG_INVALID":
      return config.apiUrl.match(/^https:\/\/api\.(bitwarden|1password)\./) ? "region" : "apiUrl";
    default:
      return "";
  }
}

const describe = (error: RollcallError, signal: AbortSignal): string =>
  error.code === "ABORTED" && signal.reason instanceof DOMException && signal.reason.name === "TimeoutError"
    ? `no end after ${verifyWithinMs / 1000} s: the API answers too slowly, or something in between holds it up`
    : messageOf(error);

/** States as the vendors call them, in the order of a life. */
export const stateWords: Readonly<Record<AccountState, string>> = {
  staged: "staged",
  invited: "invited",
  accepted: "accepted, to be confirmed",
  active: "active",
  suspended: "suspended",
  unknown: "in a state that Rollcall does not know",
};
