import type { Memberships, Observed } from "../../domain/model/account.ts";
import { hasCode, messageOf } from "../../domain/model/errors.ts";
import type { Change } from "../../domain/model/plan.ts";
import type { CheckFinding, MembershipQuery, ObserveScope, Outcome, Target } from "../../domain/ports/target.ts";
import { maxNamed, readEach } from "../kit/run-changes.ts";
import { BitwardenApi, type BitwardenOptions } from "./api.ts";
import { applyChanges } from "./apply.ts";
import { toObservedGroup, toObservedMember } from "./convert.ts";
import { type Memory, ObservedIndex } from "./run.ts";

export type { BitwardenOptions } from "./api.ts";

export const abilities = { invite: true, remove: true, groups: true, externalIds: true } as const;

/** A Bitwarden organization (or Vaultwarden), over its Public API with the organization's key. */
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
    check: (signal) => check(api, options, signal),
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
  // Who has an address or an externalId already can only be seen in everything.
  const whole = observed.isComplete || !changes.some(needsWhole) ? observed : await observeAll(api, signal);
  yield* applyChanges({ api, signal, memory, importThreshold, index: new ObservedIndex(whole) }, changes);
}

function needsWhole(change: Change): boolean {
  if (change.op === "setMembers") return change.add.some((ref) => ref.remoteId === null);
  if (change.op === "setGroups") return change.remoteId === null;
  return ["invite", "adopt", "createGroup", "adoptGroup", "renameGroup"].includes(change.op);
}

async function check(
  api: BitwardenApi,
  options: BitwardenOptions,
  signal: AbortSignal,
): Promise<readonly CheckFinding[]> {
  const always: CheckFinding = {
    level: "warning",
    message: `${options.name}: Bitwarden's organization key acts as an owner and cannot be narrowed; keep it as safe as an owner's password`,
  };
  try {
    const members = await api.listMembers(signal);
    return [
      { level: "ok", message: `${options.name}: signed in, ${members.length.toLocaleString("en")} members` },
      always,
    ];
  } catch (error) {
    const regions = [regionOf(options.apiUrl), regionOf(options.identityUrl)];
    const isMixed = regions[0] !== regions[1] && regions.every((region) => region !== null);
    const hint = isMixed ? `; apiUrl is ${regions[0]} and identityUrl is ${regions[1]}: use one region` : "";
    const wait = hasCode(error, "TARGET_RATE_LIMITED") ? "; wait a minute" : "";
    return [{ level: "error", message: `${messageOf(error)}${hint}${wait}` }, always];
  }
}

/** Null: self-hosted. */
function regionOf(url: string): "US" | "EU" | null {
  const { hostname } = new URL(url);
  if (hostname.endsWith("bitwarden.com")) return "US";
  return hostname.endsWith("bitwarden.eu") ? "EU" : null;
}
