import type { Observed } from "../../domain/model/account.ts";
import { hasCode, messageOf, RollcallError } from "../../domain/model/errors.ts";
import { type Change, unreachable } from "../../domain/model/plan.ts";
import type { CheckFinding, ObserveScope, Outcome, Target } from "../../domain/ports/target.ts";
import { OnePasswordApi, type OnePasswordOptions, type Written } from "./api.ts";
import { stateOf, toObservedMember, type VendorUser } from "./convert.ts";
import { refusalOf } from "./refusals.ts";

export type { ApiVersion, OnePasswordOptions } from "./api.ts";

/** Above so many named people the whole list costs less than one call for each. */
const namedLimit = 50;
/** After so many changes in a row without an answer the target counts as out of reach. */
const lostInARowLimit = 3;
/** After so many unexplained 403 in a row the permission is missing, not the person special (contract sheet §6). */
const refusedInARowLimit = 5;

export const abilities = { invite: false, remove: false, groups: false, externalIds: false } as const;

/** A 1Password account, over the Users API: it lists people, suspends and reactivates them, and can do nothing else. */
export function createOnePasswordTarget(options: OnePasswordOptions): Target {
  const api = new OnePasswordApi(options);
  return {
    name: options.name,
    type: "onepassword",
    account: options.accountId,
    supports: abilities,
    observe: (scope, signal) => observe(api, scope, signal),
    observeMemberships: async () => {
      throw api.http.error("UNEXPECTED_RESPONSE", "1Password's Users API knows no groups");
    },
    apply: (changes, _observed, signal) => apply(api, changes, signal),
    check: (signal) => check(api, options, signal),
    missingPermissions: (signal) => missingPermissions(api, signal),
    close: (signal) => api.close(signal),
  };
}

async function observe(api: OnePasswordApi, scope: ObserveScope, signal: AbortSignal): Promise<Observed> {
  if (scope.kind === "all" || scope.accountIds.length > namedLimit) {
    const users = await api.listUsers(signal);
    return { isComplete: true, accounts: users.map(toObservedMember), groups: [], missingRemoteIds: [] };
  }
  const found: VendorUser[] = [];
  const missing: string[] = [...scope.groupIds];
  for (const id of new Set(scope.accountIds)) {
    const user = await api.getUser(id, signal);
    if (user === null) missing.push(id);
    else found.push(user);
  }
  return { isComplete: false, accounts: found.map(toObservedMember), groups: [], missingRemoteIds: missing };
}

/** One result, and how it speaks for or against the target as a whole. */
interface Settled {
  readonly outcome: Outcome;
  readonly lostTo?: RollcallError;
  readonly refusedBy?: RollcallError;
}

/**
 * One call after the other, suspensions first.
 * @throws the last error when three in a row got no answer; `TARGET_REFUSED_CREDENTIALS` after five unexplained 403 in a row
 */
async function* apply(api: OnePasswordApi, changes: readonly Change[], signal: AbortSignal): AsyncGenerator<Outcome> {
  let lostInARow = 0;
  let refusedInARow = 0;
  for (const change of changes.toSorted(
    (one, other) => Number(other.op === "suspend") - Number(one.op === "suspend"),
  )) {
    const { outcome, lostTo, refusedBy } = await attempt(api, change, signal);
    yield outcome;
    lostInARow = lostTo === undefined ? 0 : lostInARow + 1;
    refusedInARow = refusedBy === undefined ? 0 : refusedInARow + 1;
    if (lostTo !== undefined && lostInARow >= lostInARowLimit) throw lostTo;
    if (refusedBy !== undefined && refusedInARow >= refusedInARowLimit) {
      const message = `${refusedInARow} people in a row were refused with 403; check the OAuth application's permissions`;
      throw api.http.error("TARGET_REFUSED_CREDENTIALS", message, { cause: refusedBy, isPermanent: true });
    }
  }
}

/** An error about one change is its outcome; one about the target as a whole is thrown. */
async function attempt(api: OnePasswordApi, change: Change, signal: AbortSignal): Promise<Settled> {
  try {
    return await settle(api, change, signal);
  } catch (error) {
    if (!(error instanceof RollcallError)) throw error;
    const outcome = { status: "failed", change, error } as const;
    if (error.code === "UNEXPECTED_RESPONSE") return { outcome };
    if (error.code === "TARGET_UNREACHABLE") return { outcome, lostTo: error };
    throw error;
  }
}

async function settle(api: OnePasswordApi, change: Change, signal: AbortSignal): Promise<Settled> {
  switch (change.op) {
    case "suspend":
      return settleWritten(api, change, await api.suspendUser(change.remoteId, signal));
    case "restore":
      return settleWritten(api, change, await api.reactivateUser(change.remoteId, signal));
    case "adopt":
      return { outcome: { status: "applied", change, remoteId: change.remoteId } }; // there is nothing to write an id into
    case "invite":
    case "reinvite":
    case "remove":
    case "createGroup":
    case "adoptGroup":
    case "renameGroup":
    case "removeGroup":
    case "setMembers":
    case "setGroups": {
      const message = `1Password's Users API has no ${change.op}; it lists, suspends and reactivates people`;
      return {
        outcome: { status: "failed", change, error: api.http.error("TARGET_REFUSED", message, { isPermanent: true }) },
      };
    }
    default:
      return unreachable(change);
  }
}

type StateChange = Extract<Change, { readonly op: "suspend" | "restore" }>;

function settleWritten(api: OnePasswordApi, change: StateChange, written: Written): Settled {
  const done = { outcome: { status: "applied", change, remoteId: change.remoteId } } as const;
  const unknown = { outcome: { status: "unconfirmed", change } } as const;
  switch (written.kind) {
    case "done": {
      const wanted = change.op === "suspend" ? "suspended" : "active";
      return written.user !== null && stateOf(written.user.state) === wanted ? done : unknown;
    }
    case "absent":
      return change.op === "suspend" ? done : unknown;
    case "refused":
      return settleRefused(api, change, written.slug);
    case "lost":
      api.http.log("warn", "no answer to a change; the next observation will tell", {
        op: change.op,
        error: written.error,
      });
      return written.error.code === "TARGET_UNREACHABLE" ? { ...unknown, lostTo: written.error } : unknown;
    default:
      return unreachable(written);
  }
}

function settleRefused(api: OnePasswordApi, change: StateChange, slug: string | null): Settled {
  const refusal = refusalOf(slug);
  const message = `1Password refuses to ${change.op === "suspend" ? "suspend" : "reactivate"} ${change.email}: "${refusal.words}"; ${refusal.advice}`;
  const error = api.http.error("TARGET_REFUSED", message, { isPermanent: true });
  const outcome = { status: "failed", change, error } as const;
  return refusal.isKnown ? { outcome } : { outcome, refusedBy: error };
}

async function check(
  api: OnePasswordApi,
  options: OnePasswordOptions,
  signal: AbortSignal,
): Promise<readonly CheckFinding[]> {
  const findings: CheckFinding[] = [
    {
      level: "warning",
      message: `${options.name}: 1Password does not support the Users API on accounts with automated provisioning (SCIM); use one or the other`,
    },
  ];
  // Every id on record is 26 upper-case letters and digits (§1); the vendor's own examples are looser, so this only warns.
  if (!/^[A-Z0-9]{26}$/.test(options.accountId)) {
    const message = `${options.name}: accountId isn't 26 capital letters and digits; it stands in the web app's address between /app#/ and /AllItems`;
    findings.push({ level: "warning", message });
  }
  try {
    const users = await api.listUsers(signal);
    return [
      { level: "ok", message: `${options.name}: signed in, ${users.length.toLocaleString("en")} people` },
      ...findings,
    ];
  } catch (error) {
    return [{ level: "error", message: messageOf(error) }, ...findings];
  }
}

/** An id of the vendor's form (§1) that nobody has. */
const nobody = "ROLLCALLPERMISSIONPROBE000";

/**
 * Asks for, suspends and reactivates nobody: 404 says that it would be allowed, 403 (an absent scope, §1) that it would not.
 * Listing has been allowed already, or nothing of the account would be known.
 */
async function missingPermissions(api: OnePasswordApi, signal: AbortSignal): Promise<readonly string[]> {
  const missing: string[] = [];
  try {
    await api.getUser(nobody, signal);
  } catch (error) {
    if (!hasCode(error, "TARGET_REFUSED_CREDENTIALS")) throw error;
    missing.push("Get a user");
  }
  if ((await api.suspendUser(nobody, signal)).kind === "refused") missing.push("Suspend a user");
  if ((await api.reactivateUser(nobody, signal)).kind === "refused") missing.push("Reactivate a user");
  return missing;
}
