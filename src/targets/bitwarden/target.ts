import type { Memberships, Observed } from "../../domain/model/account.ts";
import type { Change } from "../../domain/model/plan.ts";
import type { MembershipQuery, ObserveScope, Outcome, Target } from "../../domain/ports/target.ts";
import { checkSignIn } from "../kit/check.ts";
import { maxNamed, readEach } from "../kit/run-changes.ts";
import { BitwardenApi, type BitwardenOptions } from "./api.ts";
import { applyChanges } from "./apply.ts";
import { limits } from "./config.ts";
import { toObservedGroup, toObservedMember } from "./convert.ts";
import { type Memory, ObservedIndex } from "./run.ts";

export type { BitwardenOptions } from "./api.ts";

export const abilities = { invite: true, remove: true, groups: true, externalIds: true } as const;

/** Opens a Bitwarden organization (or Vaultwarden) by its Public API, with the organization's key. */
export function createBitwardenTarget(options: BitwardenOptions): Target {
  const api = new BitwardenApi(options);
  const memory: Memory = { noImportUntilMs: 0 };
  return {
    name: options.name,
    type: "bitwarden",
    account: options.clientId.replace(/^organization\./, "").toLowerCase(),
    supports: abilities,
    observe: (scope, signal) => observe(api, scope, signal),
    observeMemberships: (query, signal) => observeMemberships(api, query, signal),
    apply: (changes, observed, signal) => apply(api, memory, options.importThreshold ?? 20, changes, observed, signal),
    check: (signal) => checkSignIn(options.name, limits, () => api.listMembers(signal)),
    close: () => api.http.close(),
  };
}

async function observe(api: BitwardenApi, scope: ObserveScope, signal: AbortSignal): Promise<Observed> {
  if (scope.kind === "all" || scope.accountIds.length + scope.groupIds.length > maxNamed)
    return observeAll(api, signal);
  const members = await readEach(scope.accountIds, (id) => api.getMember(id, signal));
  const groups = await readEach(scope.groupIds, (id) => api.getGroup(id, signal));
  return {
    isComplete: false,
    accounts: members.found.map(([, member]) => toObservedMember(member)),
    groups: groups.found.map(([, group]) => toObservedGroup(group)),
    missingRemoteIds: [...members.missing, ...groups.missing],
  };
}

async function observeAll(api: BitwardenApi, signal: AbortSignal): Promise<Observed> {
  const [members, groups] = [await api.listMembers(signal), await api.listGroups(signal)];
  return {
    isComplete: true,
    accounts: members.map(toObservedMember),
    groups: groups.map(toObservedGroup),
    missingRemoteIds: [],
  };
}

async function observeMemberships(
  api: BitwardenApi,
  query: MembershipQuery,
  signal: AbortSignal,
): Promise<Memberships> {
  const read =
    query.by === "group"
      ? await readEach(query.groupIds, (id) => api.memberIds(id, signal))
      : await readEach(query.accountIds, (id) => api.groupIds(id, signal));
  return new Map(read.found);
}

async function* apply(
  api: BitwardenApi,
  memory: Memory,
  importThreshold: number,
  changes: readonly Change[],
  observed: Observed,
  signal: AbortSignal,
): AsyncGenerator<Outcome> {
  // Only the full lists show who already has an address or an externalId.
  const whole = observed.isComplete || !changes.some(needsWhole) ? observed : await observeAll(api, signal);
  yield* applyChanges({ api, signal, memory, importThreshold, index: new ObservedIndex(whole) }, changes);
}

function needsWhole(change: Change): boolean {
  if (change.op === "setMembers") return change.add.some((ref) => ref.remoteId === null);
  if (change.op === "setGroups") return change.remoteId === null;
  return ["invite", "adopt", "createGroup", "adoptGroup", "renameGroup"].includes(change.op);
}
