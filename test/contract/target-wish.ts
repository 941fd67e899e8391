import type { Observed, ObservedAccount } from "../../src/domain/model/account.ts";
import type { Change, MemberRef } from "../../src/domain/model/plan.ts";
import type { Target } from "../../src/domain/ports/target.ts";
import { patient } from "../targets/virtual-time.ts";

/** What a case wants of one person. */
export interface WishedPerson {
  readonly email: string;
  readonly externalId: string;
  readonly access: "granted" | "suspended" | "none";
}

export interface WishedGroup {
  readonly name: string;
  readonly externalId: string;
  /** E-mail addresses of wished people. */
  readonly members: readonly string[];
}

export interface Wish {
  readonly people: readonly WishedPerson[];
  readonly groups?: readonly WishedGroup[];
}

/** The smallest planner that the contract needs: what lies between the wish and the target. */
export async function changesFor(wish: Wish, target: Target, observed: Observed): Promise<readonly Change[]> {
  const people = wish.people.flatMap((person) => changesOfPerson(person, observed, target.supports.externalIds));
  const groups: Change[] = [];
  for (const group of wish.groups ?? []) groups.push(...(await changesOfGroup(group, wish, target, observed)));
  return [...people, ...groups];
}

const find = (person: WishedPerson, observed: Observed): ObservedAccount | undefined =>
  observed.accounts.find((member) => member.externalId === person.externalId) ??
  observed.accounts.find((member) => member.email === person.email);

function changesOfPerson(person: WishedPerson, observed: Observed, keepsExternalIds: boolean): readonly Change[] {
  const { email, externalId, access } = person;
  const member = find(person, observed);
  if (member === undefined)
    return access === "granted" ? [{ op: "invite", userId: externalId, email, externalId }] : [];
  const on = { userId: externalId, email, remoteId: member.remoteId };
  const changes: Change[] = [];
  if (access !== "none" && keepsExternalIds && member.externalId !== externalId)
    changes.push({ op: "adopt", externalId, ...on });
  if (access === "granted" && member.state === "suspended") changes.push({ op: "restore", ...on });
  if (access === "suspended" && member.state !== "suspended") changes.push({ op: "suspend", ...on });
  if (access === "none") changes.push({ op: "remove", ...on });
  return changes;
}

async function changesOfGroup(
  group: WishedGroup,
  wish: Wish,
  target: Target,
  observed: Observed,
): Promise<readonly Change[]> {
  const { name, externalId } = group;
  const there =
    observed.groups.find((other) => other.externalId === externalId) ??
    observed.groups.find((other) => other.name === name);
  const ref = (person: WishedPerson): MemberRef => ({
    userId: person.externalId,
    email: person.email,
    remoteId: find(person, observed)?.remoteId ?? null,
  });
  const wanted = wish.people.filter((person) => group.members.includes(person.email));
  const managed = wish.people.filter((person) => find(person, observed) !== undefined);
  if (there === undefined) {
    const on = { groupId: externalId, name };
    return [
      { op: "createGroup", externalId, ...on },
      { op: "setMembers", remoteId: null, add: wanted.map(ref), remove: [], ...on },
    ];
  }
  const on = { groupId: externalId, name, remoteId: there.remoteId };
  const changes: Change[] = [];
  if (there.externalId === null) changes.push({ op: "adoptGroup", externalId, ...on });
  else if (there.name !== name) changes.push({ op: "renameGroup", externalId, ...on });
  const memberships = await target.observeMemberships({ by: "group", groupIds: [there.remoteId] }, patient);
  const present = new Set(memberships.get(there.remoteId));
  const add = wanted.map(ref).filter(({ remoteId }) => remoteId === null || !present.has(remoteId));
  const remove = managed
    .filter((person) => !wanted.includes(person))
    .map(ref)
    .filter(({ remoteId }) => present.has(remoteId ?? ""));
  if (add.length + remove.length > 0) changes.push({ op: "setMembers", add, remove, ...on });
  return changes;
}
