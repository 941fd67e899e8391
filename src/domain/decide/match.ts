import type { Observed, ObservedAccount, ObservedGroup } from "../model/account.ts";
import { normalizeEmail } from "../model/entities.ts";
import type { InputGroup, InputUser, LinkedUser } from "../model/sync-input.ts";
import type { Desired } from "./desired-state.ts";

/** The accounts and groups of a target, indexed, with the users who are linked to them. */
export interface Observation {
  readonly observed: Observed;
  /** By remote id of an account that may be matched by address: the present user who is linked to it. */
  readonly linkedTo: ReadonlyMap<string, string>;
  /** By remote id: all users, present or deleted, who are linked to it. Also for accounts of deleted users. */
  readonly linkedUsers: ReadonlyMap<string, readonly LinkedUser[]>;
  readonly accountById: ReadonlyMap<string, ObservedAccount>;
  readonly accountsByExternalId: ReadonlyMap<string | null, readonly ObservedAccount[]>;
  readonly accountsByEmail: ReadonlyMap<string, readonly ObservedAccount[]>;
  readonly groupById: ReadonlyMap<string, ObservedGroup>;
  readonly groupsByExternalId: ReadonlyMap<string | null, readonly ObservedGroup[]>;
  readonly groupsByName: ReadonlyMap<string, readonly ObservedGroup[]>;
}

export const indexObserved = (
  observed: Observed,
  linkedTo: ReadonlyMap<string, string> = new Map(),
  linkedUsers: ReadonlyMap<string, readonly LinkedUser[]> = new Map(),
): Observation => ({
  observed,
  linkedTo,
  linkedUsers,
  accountById: new Map(observed.accounts.map((account) => [account.remoteId, account])),
  accountsByExternalId: Map.groupBy(observed.accounts, ({ externalId }) => externalId),
  accountsByEmail: Map.groupBy(observed.accounts, ({ email }) => normalizeEmail(email)),
  groupById: new Map(observed.groups.map((group) => [group.remoteId, group])),
  groupsByExternalId: Map.groupBy(observed.groups, ({ externalId }) => externalId),
  groupsByName: Map.groupBy(observed.groups, ({ name }) => name),
});

/** The counterpart of a user or group in the target. `ambiguous`: several fit, and nothing is done. */
export type Match<T> =
  | { readonly kind: "one"; readonly item: T; readonly by: "link" | "externalId" | "email" | "name" }
  | { readonly kind: "none" }
  | { readonly kind: "ambiguous" };

/**
 * Finds a user's account: by link, then by externalId, then by e-mail address. An address alone gives no right to take
 * access from an account that Rollcall never managed, so `desired` decides whether the address counts.
 */
export function matchAccount(
  { user, link }: InputUser,
  desired: Desired,
  observation: Observation,
): Match<ObservedAccount> {
  const linked = observation.accountById.get(link?.remoteId ?? "");
  if (linked !== undefined) return { kind: "one", item: linked, by: "link" };
  const byExternalId = single(observation.accountsByExternalId.get(user.externalId), "externalId");
  if (byExternalId.kind !== "none") return byExternalId;
  const mayClaim = desired.state === "active" || (desired.state !== "untouched" && desired.claim === "by-email");
  if (!mayClaim || user.email === null) return { kind: "none" };
  const byEmail = single(observation.accountsByEmail.get(user.email), "email");
  // The linked user keeps the account until its address changes in the target.
  const isLinkedToOther =
    byEmail.kind === "one" && (observation.linkedTo.get(byEmail.item.remoteId) ?? user.id) !== user.id;
  return isLinkedToOther ? { kind: "ambiguous" } : byEmail;
}

/** The remote groups that groups of the sources claim, so that none belongs to two of them. */
export interface GroupClaims {
  /** Remote ids that links name. */
  readonly linked: ReadonlySet<string>;
  /** Number of groups that would be matched by a name, by that name. */
  readonly namesakes: ReadonlyMap<string, number>;
  /** The externalIds of all groups of the sources. A remote group that carries one belongs to that group. */
  readonly keys: ReadonlySet<string>;
  /** By remote id: the id of the present group that owns a remote group, or takes it over from a deleted one. */
  readonly heirs: ReadonlyMap<string, string>;
  /** Names of the present groups of configured sources. */
  readonly names: ReadonlySet<string>;
}

/**
 * Returns the claims of `groups`: all groups of the sources. `isPushed` says which of them belong in the target. A group that
 * was deleted and created again, or moved to another source, has a new id under the same name. It takes over the remote
 * group of its predecessor, with the collections that were assigned to it in the target.
 */
export function claimsOf(
  groups: readonly InputGroup[],
  isPushed: (group: InputGroup["group"]) => boolean,
  observation: Observation,
  removedSources: ReadonlySet<string> = new Set(),
): GroupClaims {
  const isGone = ({ group }: InputGroup): boolean => group.absentSinceMs !== null || removedSources.has(group.source);
  const namesakes = new Map<string, number>();
  const successors = new Map<string, string>();
  const heirs = new Map<string, string>();
  for (const item of groups) {
    if (isGone(item)) continue;
    const own = matchByKey(item, observation);
    if (own.kind === "one") heirs.set(own.item.remoteId, item.group.id);
    if (own.kind !== "none" || !isPushed(item.group)) continue;
    namesakes.set(item.group.displayName, (namesakes.get(item.group.displayName) ?? 0) + 1);
    // A linked group that an incomplete observation lacks still has its own counterpart.
    if (item.link?.remoteId == null || observation.observed.isComplete)
      successors.set(item.group.displayName, item.group.id);
  }
  for (const item of groups.filter(isGone)) {
    const { displayName } = item.group;
    const [heir, own] = [successors.get(displayName), matchByKey(item, observation)];
    const isOnly = namesakes.get(displayName) === 1 && observation.groupsByName.get(displayName)?.length === 1;
    if (heir !== undefined && isOnly && own.kind === "one" && own.item.name === displayName)
      heirs.set(own.item.remoteId, heir);
  }
  return {
    heirs,
    names: new Set(groups.filter((item) => !isGone(item)).map(({ group }) => group.displayName)),
    linked: new Set(groups.flatMap(({ link }) => link?.remoteId ?? [])),
    namesakes,
    keys: new Set(groups.map(({ group }) => group.externalId)),
  };
}

/** True if another group takes over this group's counterpart in the target. */
export function hasHeir(item: InputGroup, observation: Observation, { heirs }: GroupClaims): boolean {
  const match = matchByKey(item, observation);
  const heir = match.kind === "one" ? heirs.get(match.item.remoteId) : undefined;
  return heir !== undefined && heir !== item.group.id;
}

/**
 * Finds a group's counterpart: by link, then by externalId, then by name if no other group has or claims it. A counterpart
 * that carries another system's externalId is matched by name only if `mayTakeOver` allows it. Directory Connector writes
 * DNs there, Bitwarden's SCIM the identity provider's id.
 */
export function matchGroup(
  item: InputGroup,
  observation: Observation,
  claims: GroupClaims,
  mayTakeOver: (group: InputGroup["group"]) => boolean = () => false,
): Match<ObservedGroup> {
  const byKey = matchByKey(item, observation);
  const { displayName, absentSinceMs } = item.group;
  if (byKey.kind !== "none" || absentSinceMs !== null) return byKey;
  const isFree = (each: ObservedGroup): boolean =>
    claims.heirs.get(each.remoteId) === item.group.id ||
    (!claims.linked.has(each.remoteId) &&
      (each.externalId === null || (!claims.keys.has(each.externalId) && mayTakeOver(item.group))));
  const byName = single(observation.groupsByName.get(displayName)?.filter(isFree), "name");
  return byName.kind === "one" && (claims.namesakes.get(displayName) ?? 0) > 1 ? { kind: "ambiguous" } : byName;
}

function matchByKey({ group, link }: InputGroup, observation: Observation): Match<ObservedGroup> {
  const linked = observation.groupById.get(link?.remoteId ?? "");
  return linked === undefined
    ? single(observation.groupsByExternalId.get(group.externalId), "externalId")
    : { kind: "one", item: linked, by: "link" };
}

function single<T>(found: readonly T[] | undefined, by: "externalId" | "email" | "name"): Match<T> {
  const [first, second] = found ?? [];
  if (first === undefined) return { kind: "none" };
  return second === undefined ? { kind: "one", item: first, by } : { kind: "ambiguous" };
}
