import { Relation } from "../kit/relation.ts";
import type {
  BitwardenSettings,
  Collection,
  CollectionAccess,
  Group,
  Member,
  MemberStatus,
  OrganizationEvent,
  Permissions,
  Policy,
} from "./model.ts";
import { defaultBitwardenSettings, memberStatus, memberType } from "./model.ts";

/** Values for `addMember`. All except the e-mail address have defaults. */
export type NewMember = { readonly email: string } & Partial<Omit<Member, "email" | "collections" | "permissions">> & {
    readonly collections?: readonly (Partial<CollectionAccess> & { readonly id: string })[];
    readonly permissions?: Permissions | null;
  };

interface Snapshot {
  readonly seats: number | null;
  readonly seatsBought: number;
  readonly members: readonly Member[];
  readonly groups: readonly Group[];
  readonly collections: readonly Collection[];
  readonly policies: readonly Policy[];
  readonly memberships: readonly (readonly [string, readonly string[]])[];
  readonly mails: readonly (readonly [string, number])[];
  readonly reinvites: readonly (readonly [string, number])[];
  readonly events: readonly OrganizationEvent[];
}

const eventLimit = 20_000;

/** An emulated Bitwarden organization. Indexes keep it fast with 50,000 members. */
export class BitwardenState {
  readonly organizationId: string;
  readonly settings: BitwardenSettings;
  /** Seats bought automatically so far. */
  seatsBought = 0;
  /** Grows with every change. */
  version = 0;
  readonly #clock: () => number;
  readonly #newId: () => string;
  readonly #members = new Map<string, Member>();
  readonly #groups = new Map<string, Group>();
  readonly #collections = new Map<string, Collection>();
  readonly #policies = new Map<number, Policy>();
  readonly #byEmail = new Map<string, Set<string>>();
  readonly #memberships = new Relation();
  readonly #confirmedOwners = new Set<string>();
  readonly #mails = new Map<string, number>();
  readonly #reinvites = new Map<string, number>();
  #events: OrganizationEvent[] = [];
  #occupiedSeats = 0;

  constructor(options: {
    readonly organizationId: string;
    readonly clock: () => number;
    readonly newId: () => string;
    readonly settings: Partial<BitwardenSettings>;
  }) {
    this.organizationId = options.organizationId;
    this.#clock = options.clock;
    this.#newId = options.newId;
    this.settings = { ...defaultBitwardenSettings, ...options.settings };
  }

  get members(): ReadonlyMap<string, Member> {
    return this.#members;
  }
  get groups(): ReadonlyMap<string, Group> {
    return this.#groups;
  }
  get collections(): ReadonlyMap<string, Collection> {
    return this.#collections;
  }
  get policies(): ReadonlyMap<number, Policy> {
    return this.#policies;
  }
  /** Newest last; at most 20,000. */
  get events(): readonly OrganizationEvent[] {
    return this.#events;
  }
  /** Invited, Accepted and Confirmed take a seat (Organization_ReadOccupiedSeatCountByOrganizationId.sql). */
  get occupiedSeats(): number {
    return this.#occupiedSeats;
  }
  get isEmpty(): boolean {
    return this.#members.size === 0 && this.#groups.size === 0;
  }

  // -- changes by hand -------------------------------------------------------------------------------------------

  /** Adds a member, by default Confirmed. Sends no mail and does not check seats. */
  addMember(given: NewMember): Member {
    const status = given.status ?? memberStatus.confirmed;
    const previousStatus = status === memberStatus.revoked ? (given.previousStatus ?? memberStatus.confirmed) : null;
    const isLinked =
      (previousStatus ?? status) === memberStatus.accepted || (previousStatus ?? status) === memberStatus.confirmed;
    const member: Member = {
      id: given.id ?? this.#newId(),
      userId: given.userId !== undefined ? given.userId : isLinked ? this.#newId() : null,
      name: given.name ?? null,
      email: given.email.toLowerCase(),
      type: given.type ?? memberType.user,
      externalId: given.externalId ?? null,
      permissions: given.permissions ?? null,
      status,
      previousStatus,
      twoFactorEnabled: given.twoFactorEnabled ?? false,
      resetPasswordEnrolled: given.resetPasswordEnrolled ?? false,
      ssoExternalId: given.ssoExternalId ?? null,
      collections: (given.collections ?? []).map((access) => ({
        readOnly: false,
        hidePasswords: false,
        manage: false,
        ...access,
      })),
      hasMasterPassword: given.hasMasterPassword ?? isLinked,
      restoreRefusal: given.restoreRefusal ?? null,
    };
    this.#put(member);
    return member;
  }

  addGroup(given: { readonly name: string } & Partial<Group>): Group {
    const group: Group = {
      id: given.id ?? this.#newId(),
      name: given.name,
      externalId: given.externalId ?? null,
      collections: given.collections ?? [],
    };
    this.putGroup(group);
    return group;
  }

  addCollection(given: Partial<Collection> = {}): Collection {
    const collection: Collection = { id: given.id ?? this.#newId(), externalId: given.externalId ?? null };
    this.putCollection(collection);
    return collection;
  }

  /** Replaces all members of a group. Throws when a name is unknown or ambiguous. */
  setMembership(groupName: string, emails: Iterable<string>): void {
    const group = this.#onlyGroup(groupName);
    this.setGroupMembers(
      group.id,
      [...emails].map((email) => this.#onlyMember(email).id),
    );
  }

  /** The person accepts the invitation: Invited becomes Accepted, linked to an account. */
  accept(email: string, name: string | null = null): Member {
    const member = this.#onlyMember(email);
    return this.updateMember(member.id, {
      status: memberStatus.accepted,
      userId: this.#newId(),
      name,
      hasMasterPassword: true,
    });
  }

  /** An administrator confirms: Accepted becomes Confirmed. The Public API cannot do this. */
  confirm(email: string): Member {
    return this.updateMember(this.#onlyMember(email).id, { status: memberStatus.confirmed });
  }

  // -- reads ----------------------------------------------------------------------------------------------------

  /** The member with this address in any letter case. Throws when there are two (see `membersByEmail`). */
  memberByEmail(email: string): Member | undefined {
    const found = this.membersByEmail(email);
    if (found.length > 1) throw new Error(`${found.length} members have the address ${email}`);
    return found[0];
  }

  membersByEmail(email: string): readonly Member[] {
    const ids = this.#byEmail.get(email.toLowerCase());
    return ids === undefined ? [] : [...ids].map((id) => this.member(id));
  }

  /** The group of this name. Throws when there are two (see `groupsByName`). */
  groupByName(name: string): Group | undefined {
    const found = this.groupsByName(name);
    if (found.length > 1) throw new Error(`${found.length} groups have the name ${name}`);
    return found[0];
  }

  groupsByName(name: string): readonly Group[] {
    return [...this.#groups.values()].filter((group) => group.name === name);
  }

  /** Sorted e-mail addresses of a group's members. */
  membersOfGroup(name: string): readonly string[] {
    return [...this.memberIdsOf(this.#onlyGroup(name).id)].map((id) => this.member(id).email).sort();
  }

  /** Sorted names of a member's groups. */
  groupsOfMember(email: string): readonly string[] {
    return [...this.groupIdsOf(this.#onlyMember(email).id)].map((id) => this.#groups.get(id)?.name ?? id).sort();
  }

  /** Invitation mails sent to an address by POST and import. Reinvites are counted separately. */
  mails(email: string): number {
    return this.#mails.get(email.toLowerCase()) ?? 0;
  }

  reinvites(email: string): number {
    return this.#reinvites.get(email.toLowerCase()) ?? 0;
  }

  /** All invited addresses with their number of mails. */
  get allMails(): ReadonlyMap<string, number> {
    return this.#mails;
  }

  // -- what the API does -----------------------------------------------------------------------------------------

  /** Throws when there is no such member. */
  member(id: string): Member {
    const member = this.#members.get(id);
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  updateMember(id: string, patch: Partial<Member>): Member {
    const before = this.member(id);
    const after: Member = { ...before, ...patch, id };
    this.#unindex(before);
    this.#put(after);
    return after;
  }

  removeMember(id: string): void {
    this.#unindex(this.member(id));
    this.#members.delete(id);
    this.#memberships.dropRight(id);
    this.version += 1;
  }

  putGroup(group: Group): void {
    this.#groups.set(group.id, group);
    this.version += 1;
  }

  removeGroup(id: string): void {
    this.#groups.delete(id);
    this.#memberships.dropLeft(id);
    this.version += 1;
  }

  putCollection(collection: Collection): void {
    this.#collections.set(collection.id, collection);
    this.version += 1;
  }

  removeCollection(id: string): void {
    this.#collections.delete(id);
    for (const member of this.#members.values()) {
      if (member.collections.some((access) => access.id === id)) {
        this.updateMember(member.id, { collections: member.collections.filter((access) => access.id !== id) });
      }
    }
    for (const group of this.#groups.values()) {
      this.#groups.set(group.id, { ...group, collections: group.collections.filter((access) => access.id !== id) });
    }
    this.version += 1;
  }

  putPolicy(type: number, enabled: boolean, data: Policy["data"]): Policy {
    const policy: Policy = { id: this.#policies.get(type)?.id ?? this.#newId(), type, enabled, data };
    this.#policies.set(type, policy);
    this.version += 1;
    return policy;
  }

  memberIdsOf(groupId: string): ReadonlySet<string> {
    return this.#memberships.rightsOf(groupId);
  }

  groupIdsOf(memberId: string): ReadonlySet<string> {
    return this.#memberships.leftsOf(memberId);
  }

  setGroupMembers(groupId: string, memberIds: Iterable<string>): void {
    this.#memberships.setRights(groupId, new Set(memberIds));
    this.version += 1;
  }

  setMemberGroups(memberId: string, groupIds: Iterable<string>): void {
    this.#memberships.setLefts(memberId, new Set(groupIds));
    this.version += 1;
  }

  isLastConfirmedOwner(member: Member): boolean {
    return !this.settings.hasProvider && this.#confirmedOwners.has(member.id) && this.#confirmedOwners.size === 1;
  }

  buySeats(count: number): void {
    this.settings.seats = (this.settings.seats ?? 0) + count;
    this.seatsBought += count;
    this.version += 1;
  }

  setSeats(seats: number | null, maxAutoscaleSeats: number | null): void {
    this.settings.seats = seats;
    this.settings.maxAutoscaleSeats = maxAutoscaleSeats;
    this.version += 1;
  }

  now(): number {
    return this.#clock();
  }

  countMail(email: string): void {
    this.#mails.set(email, this.mails(email) + 1);
    this.version += 1;
  }

  countReinvite(email: string): void {
    this.#reinvites.set(email, this.reinvites(email) + 1);
    this.version += 1;
  }

  recordEvent(
    type: number,
    about: Partial<Pick<OrganizationEvent, "memberId" | "groupId" | "collectionId" | "policyId">>,
  ): void {
    this.#events.push({
      type,
      atMs: this.#clock(),
      memberId: null,
      groupId: null,
      collectionId: null,
      policyId: null,
      ...about,
    });
    if (this.#events.length > eventLimit) this.#events = this.#events.slice(eventLimit / 10);
    this.version += 1;
  }

  // -- persistence -----------------------------------------------------------------------------------------------

  snapshot(): Snapshot {
    return {
      seats: this.settings.seats,
      seatsBought: this.seatsBought,
      members: [...this.#members.values()],
      groups: [...this.#groups.values()],
      collections: [...this.#collections.values()],
      policies: [...this.#policies.values()],
      memberships: this.#memberships.entries(),
      mails: [...this.#mails],
      reinvites: [...this.#reinvites],
      events: this.#events,
    };
  }

  load(value: unknown): void {
    const snapshot = value as Snapshot;
    this.settings.seats = snapshot.seats;
    this.seatsBought = snapshot.seatsBought;
    for (const member of snapshot.members) this.#put(member);
    for (const group of snapshot.groups) this.#groups.set(group.id, group);
    for (const collection of snapshot.collections) this.#collections.set(collection.id, collection);
    for (const policy of snapshot.policies) this.#policies.set(policy.type, policy);
    for (const [groupId, memberIds] of snapshot.memberships) this.#memberships.setRights(groupId, new Set(memberIds));
    for (const [email, count] of snapshot.mails) this.#mails.set(email, count);
    for (const [email, count] of snapshot.reinvites) this.#reinvites.set(email, count);
    this.#events = [...snapshot.events];
  }

  // -- indexes ---------------------------------------------------------------------------------------------------

  #put(member: Member): void {
    this.#members.set(member.id, member);
    const ids = this.#byEmail.get(member.email);
    if (ids === undefined) this.#byEmail.set(member.email, new Set([member.id]));
    else ids.add(member.id);
    if (takesSeat(member.status)) this.#occupiedSeats += 1;
    if (isConfirmedOwner(member)) this.#confirmedOwners.add(member.id);
    this.version += 1;
  }

  #unindex(member: Member): void {
    const ids = this.#byEmail.get(member.email);
    ids?.delete(member.id);
    if (ids?.size === 0) this.#byEmail.delete(member.email);
    if (takesSeat(member.status)) this.#occupiedSeats -= 1;
    this.#confirmedOwners.delete(member.id);
  }

  #onlyMember(email: string): Member {
    const member = this.memberByEmail(email);
    if (member === undefined) throw new Error(`no member has the address ${email}`);
    return member;
  }

  #onlyGroup(name: string): Group {
    const group = this.groupByName(name);
    if (group === undefined) throw new Error(`no group has the name ${name}`);
    return group;
  }
}

/** Revoked and Staged members need no seat. */
function takesSeat(status: MemberStatus): boolean {
  return status === memberStatus.invited || status === memberStatus.accepted || status === memberStatus.confirmed;
}

function isConfirmedOwner(member: Member): boolean {
  return member.type === memberType.owner && member.status === memberStatus.confirmed;
}
