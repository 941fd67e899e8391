import {
  BitwardenSettings,
  type Collection,
  type CollectionAccess,
  type Group,
  type Member,
  type MemberStatus,
  memberStatus,
  memberType,
  type OrganizationEvent,
  type Policy,
} from "./model.ts";

/** Values for `addMember`. All except the e-mail address have defaults. */
export type NewMember = { readonly email: string } & Partial<Omit<Member, "email" | "collections">> & {
    readonly collections?: readonly (Partial<CollectionAccess> & { readonly id: string })[];
  };

const maxEvents = 20_000;
const linkedStatuses: readonly MemberStatus[] = [memberStatus.accepted, memberStatus.confirmed];
const seatStatuses: readonly MemberStatus[] = [memberStatus.invited, ...linkedStatuses];

/** An emulated Bitwarden organization. Each request may scan all members once: 50,000 members must be usable. */
export class BitwardenState {
  readonly organizationId: string;
  readonly settings: BitwardenSettings;
  readonly now: () => number;
  readonly newId: () => string;
  /** Seats bought automatically so far. */
  seatsBought = 0;
  readonly members = new Map<string, Member>();
  readonly groups = new Map<string, Group>();
  readonly collections = new Map<string, Collection>();
  /** Policies by type. */
  readonly policies = new Map<number, Policy>();
  /** All invited addresses with their number of mails, sent by POST and import. Reinvites are counted separately. */
  readonly allMails = new Map<string, number>();
  /** Newest last; at most 20,000. */
  events: OrganizationEvent[] = [];
  readonly #reinvites = new Map<string, number>();
  /** Ids of members by the id of their group. */
  readonly #memberships = new Map<string, Set<string>>();

  constructor(options: {
    readonly organizationId: string;
    readonly clock: () => number;
    readonly newId: () => string;
    readonly settings: Partial<BitwardenSettings>;
  }) {
    this.organizationId = options.organizationId;
    this.now = options.clock;
    this.newId = options.newId;
    this.settings = Object.assign(new BitwardenSettings(), options.settings);
  }

  get isEmpty(): boolean {
    return this.members.size === 0 && this.groups.size === 0;
  }

  // -- changes by hand -------------------------------------------------------------------------------------------

  /** Adds a member, by default Confirmed. Sends no mail and does not check seats. */
  addMember(given: NewMember): Member {
    const { status = memberStatus.confirmed, id = this.newId() } = given;
    const previousStatus = status === memberStatus.revoked ? (given.previousStatus ?? memberStatus.confirmed) : null;
    const isLinked = linkedStatuses.includes(previousStatus ?? status);
    const member: Member = {
      name: null,
      type: memberType.user,
      externalId: null,
      permissions: null,
      twoFactorEnabled: false,
      resetPasswordEnrolled: false,
      ssoExternalId: null,
      hasMasterPassword: isLinked,
      restoreRefusal: null,
      ...given,
      id,
      userId: given.userId === undefined && isLinked ? this.newId() : (given.userId ?? null),
      email: given.email.toLowerCase(),
      status,
      previousStatus,
      collections: (given.collections ?? []).map((access) => ({
        readOnly: false,
        hidePasswords: false,
        manage: false,
        ...access,
      })),
    };
    this.members.set(id, member);
    return member;
  }

  addGroup({ id = this.newId(), ...given }: { readonly name: string } & Partial<Group>): Group {
    const group: Group = { id, externalId: null, collections: [], ...given };
    this.groups.set(group.id, group);
    return group;
  }

  addCollection({ id = this.newId(), externalId = null }: Partial<Collection> = {}): Collection {
    const collection: Collection = { id, externalId };
    this.collections.set(collection.id, collection);
    return collection;
  }

  /** Replaces all members of a group. Throws when a name is unknown or ambiguous. */
  setMembership(groupName: string, emails: Iterable<string>): void {
    const memberIds = [...emails].map((email) => this.#onlyMember(email).id);
    this.setGroupMembers(this.#onlyGroup(groupName).id, memberIds);
  }

  /** The person accepts the invitation: Invited becomes Accepted, linked to an account. */
  accept(email: string, name: string | null = null): Member {
    const { id } = this.#onlyMember(email);
    return this.updateMember(id, {
      status: memberStatus.accepted,
      userId: this.newId(),
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
    return atMostOne(this.membersByEmail(email), `members have the address ${email}`);
  }

  membersByEmail(email: string): readonly Member[] {
    const wanted = email.toLowerCase();
    return [...this.members.values().filter((member) => member.email === wanted)];
  }

  /** The group of this name. Throws when there are two (see `groupsByName`). */
  groupByName(name: string): Group | undefined {
    return atMostOne(this.groupsByName(name), `groups have the name ${name}`);
  }

  groupsByName(name: string): readonly Group[] {
    return [...this.groups.values()].filter((group) => group.name === name);
  }

  /** Sorted e-mail addresses of a group's members. */
  membersOfGroup(name: string): readonly string[] {
    return [...this.memberIdsOf(this.#onlyGroup(name).id)].map((id) => this.member(id).email).sort();
  }

  /** Sorted names of a member's groups. */
  groupsOfMember(email: string): readonly string[] {
    return this.groupIdsOf(this.#onlyMember(email).id)
      .map((id) => this.groups.get(id)?.name ?? id)
      .sort();
  }

  mails(email: string): number {
    return this.allMails.get(email.toLowerCase()) ?? 0;
  }

  reinvites(email: string): number {
    return this.#reinvites.get(email.toLowerCase()) ?? 0;
  }

  /** Throws when there is no such member. */
  member(id: string): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  memberIdsOf(groupId: string): ReadonlySet<string> {
    return this.#memberships.get(groupId) ?? new Set();
  }

  groupIdsOf(memberId: string): readonly string[] {
    return [...this.#memberships].filter(([, memberIds]) => memberIds.has(memberId)).map(([groupId]) => groupId);
  }

  /** Invited, Accepted and Confirmed take a seat (Organization_ReadOccupiedSeatCountByOrganizationId.sql). */
  get occupiedSeats(): number {
    return [...this.members.values()].filter(({ status }) => seatStatuses.includes(status)).length;
  }

  isLastConfirmedOwner(member: Member): boolean {
    if (this.settings.hasProvider || !isConfirmedOwner(member)) return false;
    return [...this.members.values().filter(isConfirmedOwner)].length === 1;
  }

  // -- what the API does -----------------------------------------------------------------------------------------

  updateMember(id: string, patch: Partial<Member>): Member {
    const member: Member = { ...this.member(id), ...patch, id };
    this.members.set(id, member);
    return member;
  }

  removeMember(id: string): void {
    this.members.delete(this.member(id).id);
    this.setMemberGroups(id, []);
  }

  removeGroup(id: string): void {
    this.groups.delete(id);
    this.#memberships.delete(id);
  }

  removeCollection(id: string): void {
    this.collections.delete(id);
    dropAccess(this.members, id);
    dropAccess(this.groups, id);
  }

  setGroupMembers(groupId: string, memberIds: Iterable<string>): void {
    this.#memberships.set(groupId, new Set(memberIds));
  }

  setMemberGroups(memberId: string, groupIds: Iterable<string>): void {
    const wanted = new Set(groupIds);
    for (const groupId of this.groups.keys()) {
      const memberIds = this.#memberships.get(groupId) ?? new Set();
      if (wanted.has(groupId)) memberIds.add(memberId);
      else memberIds.delete(memberId);
      this.#memberships.set(groupId, memberIds);
    }
  }

  buySeats(count: number): void {
    this.settings.seats = (this.settings.seats ?? 0) + count;
    this.seatsBought += count;
  }

  countMail(email: string): void {
    this.allMails.set(email, this.mails(email) + 1);
  }

  countReinvite(email: string): void {
    this.#reinvites.set(email, this.reinvites(email) + 1);
  }

  recordEvent(type: number, about: Omit<OrganizationEvent, "type" | "atMs">): void {
    this.events.push({ type, atMs: this.now(), ...about });
    if (this.events.length > maxEvents) this.events = this.events.slice(maxEvents / 10);
  }

  // -- persistence -----------------------------------------------------------------------------------------------

  snapshot() {
    return {
      seats: this.settings.seats,
      seatsBought: this.seatsBought,
      members: [...this.members.values()],
      groups: [...this.groups.values()],
      collections: [...this.collections.values()],
      policies: [...this.policies.values()],
      memberships: Array.from(this.#memberships, ([id, memberIds]) => [id, [...memberIds]] as const),
      mails: [...this.allMails],
      reinvites: [...this.#reinvites],
      events: this.events,
    };
  }

  load(snapshot: ReturnType<BitwardenState["snapshot"]>): void {
    this.settings.seats = snapshot.seats;
    this.seatsBought = snapshot.seatsBought;
    this.events = snapshot.events;
    for (const member of snapshot.members) this.members.set(member.id, member);
    for (const group of snapshot.groups) this.groups.set(group.id, group);
    for (const collection of snapshot.collections) this.collections.set(collection.id, collection);
    for (const policy of snapshot.policies) this.policies.set(policy.type, policy);
    for (const [groupId, memberIds] of snapshot.memberships) this.setGroupMembers(groupId, memberIds);
    for (const [email, count] of snapshot.mails) this.allMails.set(email, count);
    for (const [email, count] of snapshot.reinvites) this.#reinvites.set(email, count);
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

function atMostOne<Entity>(found: readonly Entity[], what: string): Entity | undefined {
  if (found.length > 1) throw new Error(`${found.length} ${what}`);
  return found[0];
}

function isConfirmedOwner({ type, status }: Member): boolean {
  return type === memberType.owner && status === memberStatus.confirmed;
}

function dropAccess<Holder extends Pick<Group, "collections">>(holders: Map<string, Holder>, id: string): void {
  for (const [key, holder] of holders)
    holders.set(key, { ...holder, collections: holder.collections.filter((access) => access.id !== id) });
}
