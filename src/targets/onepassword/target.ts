import type { Observed } from "../../domain/model/account.ts";
import { hasCode, type RollcallError } from "../../domain/model/errors.ts";
import { type Change, unreachable } from "../../domain/model/plan.ts";
import type { ObserveScope, Outcome, Target } from "../../domain/ports/target.ts";
import { checkSignIn } from "../kit/check.ts";
import {
  applied,
  attempt,
  type ChangeOf,
  failed,
  lost,
  maxNamed,
  readEach,
  type Settled,
  unconfirmed,
  whileAnswering,
} from "../kit/run-changes.ts";
import { OnePasswordApi, type OnePasswordOptions, type Written } from "./api.ts";
import { limits } from "./config.ts";
import { stateOf, toObservedMember } from "./convert.ts";
import { refusalOf } from "./refusals.ts";

export type { ApiVersion, OnePasswordOptions } from "./api.ts";

/** After this number of unexplained 403 in a row, the cause is a missing permission and not the users. */
const maxRefusedInARow = 5;

export const abilities = { invite: false, remove: false, groups: false, externalIds: false } as const;

/** Opens a 1Password account by the Users API, which lists, suspends and reactivates users and can do nothing else. */
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
    check: (signal) => checkSignIn(options.name, limitsOf(options), () => api.listUsers(signal)),
    missingPermissions: (signal) => missingPermissions(api, signal),
    close: (signal) => api.close(signal),
  };
}

async function observe(api: OnePasswordApi, scope: ObserveScope, signal: AbortSignal): Promise<Observed> {
  if (scope.kind === "all" || scope.accountIds.length > maxNamed) {
    const users = await api.listUsers(signal);
    return { isComplete: true, accounts: users.map(toObservedMember), groups: [], missingRemoteIds: [] };
  }
  // One at a time: a 404 may switch the path layout, which must not happen twice at once.
  const users = await readEach(scope.accountIds, (id) => api.getUser(id, signal), 1);
  return {
    isComplete: false,
    accounts: users.found.map(([, user]) => toObservedMember(user)),
    groups: [],
    missingRemoteIds: [...scope.groupIds, ...users.missing],
  };
}

/** `refusedBy` is an unexplained refusal. */
interface UserSettled extends Settled {
  readonly refusedBy?: RollcallError;
}

/**
 * Applies one change after the other, suspensions first.
 * @throws the last error when three in a row got no answer; `TARGET_REFUSED_CREDENTIALS` after five unexplained 403 in a row
 */
async function* apply(api: OnePasswordApi, changes: readonly Change[], caller: AbortSignal): AsyncGenerator<Outcome> {
  const isLater = ({ op }: Change): number => Number(op !== "suspend");
  const inOrder = changes.toSorted((one, other) => isLater(one) - isLater(other));
  let refusedInARow = 0;
  const results = whileAnswering<UserSettled>(caller, async function* (signal) {
    for (const change of inOrder) yield await attempt(api.http, change, () => settle(api, change, signal));
  });
  for await (const { outcome, refusedBy } of results) {
    yield outcome;
    refusedInARow = refusedBy === undefined ? 0 : refusedInARow + 1;
    if (refusedInARow < maxRefusedInARow) continue;
    const message = `${refusedInARow} users in a row were refused with 403; check the OAuth application's permissions`;
    throw api.http.error("TARGET_REFUSED_CREDENTIALS", message, { cause: refusedBy, isPermanent: true });
  }
}

async function settle(api: OnePasswordApi, change: Change, signal: AbortSignal): Promise<UserSettled> {
  switch (change.op) {
    case "suspend":
      return settleWritten(api, change, await api.suspendUser(change.remoteId, signal));
    case "restore":
      return settleWritten(api, change, await api.reactivateUser(change.remoteId, signal));
    case "adopt":
      return applied(change, change.remoteId); // the API has no field for an external id
    default: {
      const message = `1Password's Users API has no ${change.op}; it lists, suspends and reactivates users`;
      return failed(change, api.http.error("TARGET_REFUSED", message, { isPermanent: true }));
    }
  }
}

function settleWritten(api: OnePasswordApi, change: ChangeOf<"suspend" | "restore">, written: Written): UserSettled {
  const isSuspension = change.op === "suspend";
  switch (written.kind) {
    case "done":
      return stateOf(written.body?.state) === (isSuspension ? "suspended" : "active")
        ? applied(change, change.remoteId)
        : unconfirmed(change);
    case "absent":
      return isSuspension ? applied(change, change.remoteId) : unconfirmed(change);
    case "refused": {
      const { words, advice, isKnown } = refusalOf(written.refusal);
      const message = `1Password refuses to ${isSuspension ? "suspend" : "reactivate"} ${change.email}: "${words}"; ${advice}`;
      const error = api.http.error("TARGET_REFUSED", message, { isPermanent: true });
      return { ...failed(change, error), ...(!isKnown && { refusedBy: error }) };
    }
    case "lost":
      return lost(api.http, change, written.error);
    default:
      return unreachable(written);
  }
}

/** All known account ids have 26 capital letters and digits. The vendor's own examples differ, so this is only a warning. */
const limitsOf = ({ accountId }: OnePasswordOptions): readonly string[] =>
  /^[A-Z0-9]{26}$/.test(accountId)
    ? limits
    : [
        ...limits,
        "accountId isn't 26 capital letters and digits; it is in the web app's address, between /app#/ and /AllItems",
      ];

/** An account id in the vendor's form that no user has. */
const nobody = "ROLLCALLPERMISSIONPROBE000";

/**
 * Returns the permissions that the OAuth application seems to lack. It reads, suspends and reactivates a user who does
 * not exist: 404 means that the permission is there, 403 that it is missing. Listing has worked before.
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
