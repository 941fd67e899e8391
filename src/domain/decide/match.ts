import type { Observed, ObservedAccount, ObservedGroup } from "../model/account.ts";
import { normalizeEmail } from "../model/entities.ts";
import type { InputGroup, InputUser, LinkedUser } from "../model/sync-input.ts";
import type { Wanted } from "./desired-state.ts";

/** What a target showed, indexed. */
export interface World {
  readonly observed: Observed;
  /** Who of the people present is linked to a member, by remote id; of members that somebody not linked might match by address. */
  readonly linkedTo: ReadonlyMap<string, string>;
  /** Everybody who is linked to a member, by remote id; of the same members, and of those of people who are gone. */
  readonly holders: ReadonlyMap<string, readonly LinkedUser[]>;
  readonly memberById: ReadonlyMap<string, ObservedAccount>;
  readonly membersByExternalId: ReadonlyMap<string, readonly ObservedAccount[]>;
  readonly membersByEmail: ReadonlyMap<string, readonly ObservedAccount[]>;
  readonly groupById: ReadonlyMap<string, ObservedGroup>;
  readonly groupsByExternalId: ReadonlyMap<string, readonly ObservedGroup[]>;
  readonly groupsByName: ReadonlyMap<string, readonly ObservedGroup[]>;
}

/** Indexes an observation. */
export function worldOf(
  observed: Observed,
  linkedTo: ReadonlyMap<string, string> = new Map(),
  holders: ReadonlyMap<string, readonly LinkedUser[]> = new Map(),
): World {
  return {
    observed,
    linkedTo,
    holders,
    memberById: new Map(observed.accounts.map((member) => [member.remoteId, member])),
    membersByExternalId: grouped(observed.accounts, (member) => member.externalId),
    membersByEmail: grouped(observed.accounts, (member) => normalizeEmail(member.email)),
    groupById: new Map(observed.groups.map((group) => [group.remoteId, group])),
    groupsByExternalId: grouped(observed.groups, (group) => group.externalId),
    groupsByName: grouped(observed.groups, (group) => group.name),
  };
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string | null): ReadonlyMap<string, readonly T[]> {
  const found = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === null) continue;
    const list = found.get(key);
    if (list === undefined) found.set(key, [item]);
    else list.push(item);
  }
  return found;
}

/** A remote entity found for one of ours; `ambiguous` when several claim to be it: then nothing is done. */
export type Match<T> =
  | { readonly kind: "one"; readonly item: T; readonly by: "link" | "externalId" | "email" | "name" }
  | { readonly kind: "none" }
  | { readonly kind: "ambiguous" };

/**
 * The member that is this person: the linked one, else by externalId, else by e-mail address. A person whom we want
 * gone, or out of scope, and never linked, is matched by our own externalId only: an e-mail address alone gives no right
 * to take something away from somebody whom Rollcall never managed.
 */
export function matchMember(person: InputUser, wanted: Wanted, world: World): Match<ObservedAccount> {
  const linked = person.link?.remoteId == null ? undefined : world.memberById.get(person.link.remoteId);
  if (linked !== undefined) return { kind: "one", item: linked, by: "link" };
  const byExternalId = single(world.membersByExternalId.get(person.user.externalId), "externalId");
  if (byExternalId.kind !== "none") return byExternalId;
  const mayClaim = wanted.state === "active" || (wanted.state !== "untouched" && wanted.claim === "by-email");
  if (!mayClaim || person.user.email === null) return { kind: "none" };
  const byEmail = single(world.membersByEmail.get(person.user.email), "email");
  // An address handed on: the member still belongs to who had it before, and keeps it until they change it there.
  const isSomebodyElses =
    byEmail.kind === "one" && (world.linkedTo.get(byEmail.item.remoteId) ?? person.user.id) !== person.user.id;
  return isSomebodyElses ? { kind: "ambiguous" } : byEmail;
}

/** What the groups of the directory claim in the target, so that a remote group is never two groups at once. */
export interface GroupClaims {
  /** Remote ids that links name. */
  readonly linked: ReadonlySet<string>;
  /** How many groups would go by each name: those found neither by link nor by externalId. */
  readonly namesakes: ReadonlyMap<string, number>;
  /** The externalIds of all groups of the directory: who carries one is that group's. */
  readonly keys: ReadonlySet<string>;
  /** Whose a remote group is, by remote id: of a group that is there, or is about to take over what its namesake had. */
  readonly heirs: ReadonlyMap<string, string>;
  /** Names of the groups that somebody speaks for. */
  readonly names: ReadonlySet<string>;
}

/**
 * The claims of `groups`: all that the directory knows; `isPushed` tells which of them are looked for. Deleted and made
 * again, or moved from one source to another, a group is another one under the same name: it takes over what the one
 * before had in the target, with the collections that were given to it there.
 */
export function claimsOf(
  groups: readonly InputGroup[],
  isPushed: (group: InputGroup["group"]) => boolean,
  world: World,
  removedSources: ReadonlySet<string> = new Set(),
): GroupClaims {
  const isGone = ({ group }: InputGroup): boolean => group.absentSinceMs !== null || removedSources.has(group.source);
  const namesakes = new Map<string, number>();
  const seekers = new Map<string, string>();
  const heirs = new Map<string, string>();
  for (const item of groups) {
    if (isGone(item)) continue;
    const own = matchByKey(item, world);
    if (own.kind === "one") heirs.set(own.item.remoteId, item.group.id);
    if (own.kind !== "none" || !isPushed(item.group)) continue;
    namesakes.set(item.group.displayName, (namesakes.get(item.group.displayName) ?? 0) + 1);
    // Linked and not shown among a few that were asked for by id says nothing: it has its own.
    if (item.link?.remoteId == null || world.observed.isComplete) seekers.set(item.group.displayName, item.group.id);
  }
  for (const item of groups.filter(isGone)) {
    const { displayName } = item.group;
    const [heir, had] = [seekers.get(displayName), matchByKey(item, world)];
    const isOnly = namesakes.get(displayName) === 1 && world.groupsByName.get(displayName)?.length === 1;
    if (heir !== undefined && isOnly && had.kind === "one" && had.item.name === displayName)
      heirs.set(had.item.remoteId, heir);
  }
  return {
    heirs,
    names: new Set(groups.filter((item) => !isGone(item)).map(({ group }) => group.displayName)),
    linked: new Set(groups.flatMap(({ link }) => link?.remoteId ?? [])),
    namesakes,
    keys: new Set(groups.map(({ group }) => group.externalId)),
  };
}

/** Does another group take over what this one had in the target? */
export function isHandedOver(item: InputGroup, world: World, { heirs }: GroupClaims): boolean {
  const match = matchByKey(item, world);
  const heir = match.kind === "one" ? heirs.get(match.item.remoteId) : undefined;
  return heir !== undefined && heir !== item.group.id;
}

/**
 * The group that is this one: the linked one, else by externalId, else by its name where no other group of the directory
 * has or claims it, and where the target's group carries no externalId of another system's, or `mayTakeOver` allows that
 * (Directory Connector writes DNs, Bitwarden's SCIM what the identity provider sends: never what we would).
 */
export function matchGroup(
  item: InputGroup,
  world: World,
  claims: GroupClaims,
  mayTakeOver: (group: InputGroup["group"]) => boolean = () => false,
): Match<ObservedGroup> {
  const byKey = matchByKey(item, world);
  const { displayName, absentSinceMs } = item.group;
  if (byKey.kind !== "none" || absentSinceMs !== null) return byKey;
  const isFree = (each: ObservedGroup): boolean =>
    claims.heirs.get(each.remoteId) === item.group.id ||
    (!claims.linked.has(each.remoteId) &&
      (each.externalId === null || (!claims.keys.has(each.externalId) && mayTakeOver(item.group))));
  const free = world.groupsByName.get(displayName)?.filter(isFree);
  const byName = single(free, "name");
  return byName.kind === "one" && (claims.namesakes.get(displayName) ?? 0) > 1 ? { kind: "ambiguous" } : byName;
}

function matchByKey({ group, link }: InputGroup, world: World): Match<ObservedGroup> {
  const linked = link?.remoteId == null ? undefined : world.groupById.get(link.remoteId);
  return linked === undefined
    ? single(world.groupsByExternalId.get(group.externalId), "externalId")
    : { kind: "one", item: linked, by: "link" };
}

function single<T>(found: readonly T[] | undefined, by: "externalId" | "email" | "name"): Match<T> {
  const [first, second] = found ?? [];
  if (first === undefined) return { kind: "none" };
  return second === undefined ? { kind: "one", item: first, by } : { kind: "ambiguous" };
}
