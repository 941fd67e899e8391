import { normalizeEmail } from "./directory.ts";
import type { Wanted } from "./desire.ts";
import type { SliceGroup, SliceUser } from "./sync.ts";
import type { Observed, ObservedGroup, ObservedMember } from "./target.ts";

/** What a target showed, indexed. */
export interface World {
  readonly observed: Observed;
  readonly memberById: ReadonlyMap<string, ObservedMember>;
  readonly membersByExternalId: ReadonlyMap<string, readonly ObservedMember[]>;
  readonly membersByEmail: ReadonlyMap<string, readonly ObservedMember[]>;
  readonly groupById: ReadonlyMap<string, ObservedGroup>;
  readonly groupsByExternalId: ReadonlyMap<string, readonly ObservedGroup[]>;
  readonly groupsByName: ReadonlyMap<string, readonly ObservedGroup[]>;
}

/** Indexes an observation. */
export function worldOf(observed: Observed): World {
  return {
    observed,
    memberById: new Map(observed.members.map((member) => [member.remoteId, member])),
    membersByExternalId: grouped(observed.members, (member) => member.externalId),
    membersByEmail: grouped(observed.members, (member) => normalizeEmail(member.email)),
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
export type Match<T> = { readonly kind: "one"; readonly item: T; readonly by: "link" | "externalId" | "email" | "name" } | { readonly kind: "none" } | { readonly kind: "ambiguous" };

/**
 * The member that is this person: the linked one, else by externalId, else by e-mail address. A person whom we want
 * gone, or out of scope, and never linked, is matched by our own externalId only: an e-mail address alone gives no right
 * to take something away from somebody whom Rollcall never managed.
 */
export function matchMember(person: SliceUser, wanted: Wanted, world: World): Match<ObservedMember> {
  const linked = person.link?.remoteId == null ? undefined : world.memberById.get(person.link.remoteId);
  if (linked !== undefined) return { kind: "one", item: linked, by: "link" };
  const byExternalId = single(world.membersByExternalId.get(person.user.externalId), "externalId");
  if (byExternalId.kind !== "none") return byExternalId;
  const mayClaim = wanted.state === "active" || (wanted.state !== "untouched" && wanted.claim === "by-email");
  if (!mayClaim || person.user.email === null) return { kind: "none" };
  return single(world.membersByEmail.get(person.user.email), "email");
}

/**
 * The group that is this one: the linked one, else by externalId, else by its name where the target's group carries no
 * externalId of somebody else's.
 */
export function matchGroup({ group, link }: SliceGroup, world: World): Match<ObservedGroup> {
  const linked = link?.remoteId == null ? undefined : world.groupById.get(link.remoteId);
  if (linked !== undefined) return { kind: "one", item: linked, by: "link" };
  const byExternalId = single(world.groupsByExternalId.get(group.externalId), "externalId");
  if (byExternalId.kind !== "none") return byExternalId;
  if (group.absentSinceMs !== null) return { kind: "none" };
  return single(world.groupsByName.get(group.displayName)?.filter((each) => each.externalId === null), "name");
}

function single<T>(found: readonly T[] | undefined, by: "externalId" | "email" | "name"): Match<T> {
  const [first, second] = found ?? [];
  if (first === undefined) return { kind: "none" };
  return second === undefined ? { kind: "one", item: first, by } : { kind: "ambiguous" };
}
