import type { ComparedGroup, ComparedUser, MembershipChange } from "../../src/domain/decide/comparison.ts";
import type {
  AccountState,
  Memberships,
  Observed,
  ObservedAccount,
  ObservedGroup,
  TargetSupports,
} from "../../src/domain/model/account.ts";
import type { DirectoryGroup, DirectoryUser } from "../../src/domain/model/entities.ts";
import type { HeldItem } from "../../src/domain/model/held-change.ts";
import { isUndecided } from "../../src/domain/model/held-change.ts";
import { isDirty, type Link } from "../../src/domain/model/link.ts";
import { type Change, type MemberRef, removalKeys, unreachable } from "../../src/domain/model/plan.ts";
import type { RunScope, SyncInput } from "../../src/domain/model/sync-input.ts";
import type { RunRecord, SyncStore } from "../../src/domain/ports/sync-store.ts";
import type { ObserveScope, Outcome, Target } from "../../src/domain/ports/target.ts";
import { newLink } from "../../src/reconcile/link-updates.ts";

/** A fixed time: 2027-01-15. */
export const nowMs = 1_800_000_000_000;
export const everything: TargetSupports = { invite: true, remove: true, groups: true, externalIds: true };

export const person = (id: string, more: Partial<DirectoryUser> = {}): DirectoryUser => ({
  id,
  source: "okta",
  externalId: `x-${id}`,
  email: `${id}@example.com`,
  displayName: id,
  isActive: true,
  rev: 1,
  createdAtMs: 0,
  absentSinceMs: null,
  ...more,
});

export const team = (id: string, more: Partial<DirectoryGroup> = {}): DirectoryGroup => ({
  id,
  source: "okta",
  externalId: `x-${id}`,
  displayName: id,
  rev: 1,
  definitionRev: 1,
  absentSinceMs: null,
  ...more,
});

export const linkOf = (entityId: string, more: Partial<Link> = {}): Link => ({
  ...newLink("model", "user", entityId),
  ...more,
});

export const account = (remoteId: string, more: Partial<ObservedAccount> = {}): ObservedAccount => ({
  remoteId,
  email: `${remoteId}@example.com`,
  externalId: null,
  state: "active",
  role: "user",
  hasAccount: true,
  ...more,
});

export const observed = (more: Partial<Observed> = {}): Observed => ({
  isComplete: true,
  accounts: [],
  groups: [],
  missingRemoteIds: [],
  ...more,
});

/** A user who is compared with an active account. */
export const comparedUser = (id: string): ComparedUser => ({
  ...{ user: person(id), link: null, groupIds: [], emailOwnerId: id },
  desired: { state: "active" },
  account: account(`r-${id}`),
  note: null,
  deferredUntilMs: null,
  hasManagedMemberships: true,
});

export const comparedGroup = (id: string): ComparedGroup => ({
  group: team(id),
  link: null,
  observed: { remoteId: `r-${id}`, name: id, externalId: `x-${id}` },
  note: null,
  isManaged: true,
});

export const membership = (kind: MembershipChange["kind"], groupId: string, userId: string): MembershipChange => ({
  kind,
  member: comparedUser(userId),
  group: comparedGroup(groupId),
});

/** Returns the items in an order that depends only on the seed. */
export function shuffled<T>(items: Iterable<T>, seed: number): T[] {
  const keyed = [...items].map((item, index) => ({
    item,
    key: Math.imul((index + 1) * 2_654_435_761, seed * 2 + 1) >>> 0,
  }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

/** A source in memory. `memberships` has user ids by group id. Every change increases the `rev` as in the store. */
export class ModelDirectory {
  readonly users = new Map<string, DirectoryUser>();
  readonly groups = new Map<string, DirectoryGroup>();
  readonly memberships = new Map<string, Set<string>>();

  user(id: string, more: Partial<DirectoryUser> = {}): void {
    const before = this.users.get(id) ?? { ...person(id), rev: 0 };
    const after = { ...before, ...more, rev: before.rev + 1 };
    this.users.set(id, after);
    const isClaimChanged =
      before.rev === 0 || before.email !== after.email || before.absentSinceMs !== after.absentSinceMs;
    const isRival = ({ id: other, email }: DirectoryUser) =>
      other !== id && email !== null && (email === before.email || email === after.email);
    if (isClaimChanged)
      for (const rival of [...this.users.values()].filter(isRival))
        this.users.set(rival.id, { ...rival, rev: rival.rev + 1 });
  }

  group(id: string, more: Partial<DirectoryGroup> = {}): void {
    const before = this.groups.get(id) ?? { ...team(id), rev: 0 };
    this.groups.set(id, { ...before, ...more, rev: before.rev + 1, definitionRev: before.rev + 1 });
    if (!this.memberships.has(id)) this.memberships.set(id, new Set());
    for (const userId of this.memberships.get(id) ?? []) this.user(userId);
  }

  toggle(groupId: string, userId: string): void {
    const members = this.memberships.get(groupId);
    const isPossible =
      this.users.get(userId)?.absentSinceMs === null && this.groups.get(groupId)?.absentSinceMs === null;
    if (members === undefined || !isPossible) return;
    if (!members.delete(userId)) members.add(userId);
    this.user(userId);
  }

  fire(id: string): void {
    if (this.users.get(id)?.absentSinceMs !== null) return;
    for (const members of this.memberships.values()) members.delete(id);
    this.user(id, { absentSinceMs: nowMs });
  }

  disband(id: string): void {
    if (this.groups.get(id)?.absentSinceMs !== null) return;
    this.group(id, { absentSinceMs: nowMs });
    this.memberships.get(id)?.clear();
  }

  emailOwner({ id, email }: DirectoryUser): string | null {
    if (email === null) return null;
    return [...this.users.values()].find((user) => user.email === email && user.absentSinceMs === null)?.id ?? id;
  }
}

/** The part of a store that a reconciler uses, in memory. `seed` shuffles every list that it returns. */
export function modelStore(
  directory: ModelDirectory,
  seed = 0,
): SyncStore & {
  readonly links: Map<string, Link>;
  readonly charged: Map<string, number>;
  readonly writes: RunRecord[];
} {
  const links = new Map<string, Link>();
  const charged = new Map<string, number>();
  const held = new Map<string, HeldItem>();
  const writes: RunRecord[] = [];
  const notModelled = (): never => {
    throw new TypeError("not part of the model");
  };
  const inputOf = (scope: RunScope): SyncInput => {
    const isAll = scope.kind === "all";
    const users = shuffled(directory.users.values(), seed).map((user) => ({
      user,
      link: links.get(user.id) ?? null,
      groupIds: shuffled(directory.memberships, seed).flatMap(([groupId, members]) =>
        members.has(user.id) ? [groupId] : [],
      ),
      emailOwnerId: directory.emailOwner(user),
    }));
    const groups = shuffled(directory.groups.values(), seed).map((group) => ({
      group,
      link: links.get(group.id) ?? null,
    }));
    return {
      isComplete: isAll,
      users: users.filter(({ user, link }) => isAll || isDirty(user.rev, link)),
      groups,
      dirtyGroupIds: new Set(
        groups.filter(({ group, link }) => isAll || isDirty(group.definitionRev, link)).map(({ group }) => group.id),
      ),
      owners: new Map(users.map((each) => [each.user.id, each])),
      reinvites: new Map(),
    };
  };
  return {
    links,
    charged,
    writes,
    readInput: async (_target, scope) => inputOf(scope),
    linkedTo: async (_target, remoteIds) =>
      new Map(
        [...links.values()].flatMap(({ entityId, remoteId }) =>
          remoteId !== null && remoteIds.includes(remoteId) && directory.users.get(entityId)?.absentSinceMs === null
            ? [[remoteId, entityId] as const]
            : [],
        ),
      ),
    linkedUsers: async (_target, remoteIds) =>
      Map.groupBy(
        [...links.values()].flatMap(({ entityId, remoteId }) => {
          const user = directory.users.get(entityId);
          return user !== undefined && remoteId !== null && remoteIds.includes(remoteId) ? [{ ...user, remoteId }] : [];
        }),
        ({ remoteId }) => remoteId,
      ),
    noticeRestore: notModelled,
    markRestored: notModelled,
    removedSources: async () => [],
    accountOf: async () => null,
    returned: async () => new Map(),
    restored: async () => null,
    nextRetryAtMs: async () => null,
    peopleWithAccess: async () => [...links.values()].filter((link) => link.hasAccess).length,
    charges: async (_target, sinceMs) => new Map([...charged].filter(([, atMs]) => atMs > sinceMs)),
    held: async () => [...held.values()],
    causes: async () => new Map(),
    async commit(_target, record, atMs) {
      writes.push(record);
      for (const link of record.links ?? []) links.set(link.entityId, link);
      for (const id of record.charge ?? []) charged.set(id, atMs);
      for (const id of record.refund ?? []) charged.delete(id);
      if (record.held !== undefined) {
        const { considered, items, keep } = record.held;
        const present = new Set(items.map(({ key }) => key));
        for (const [key, item] of held)
          if ((considered === null || considered.has(item.entityId)) && !keep.has(key) && !present.has(key))
            held.delete(key);
        for (const item of items) held.set(item.key, { ...item, ...decisionOn(held.get(item.key)) });
      }
      for (const key of record.done ?? []) held.delete(key);
    },
    approve: async () => {
      for (const [key, item] of held) held.set(key, { ...item, approvedAtMs: nowMs, dismissedAtMs: null });
      return held.size;
    },
    approveItems: notModelled,
    dismiss: async (_target, _digest, { actor }) => {
      for (const [key, item] of held)
        if (isUndecided(item)) held.set(key, { ...item, dismissedAtMs: nowMs, dismissedBy: actor });
      return held.size;
    },
    dismissItems: notModelled,
    putConnection: notModelled,
    connections: notModelled,
    sourceCounts: notModelled,
    targetCounts: notModelled,
  };
}

const decisionOn = (before: HeldItem | undefined): Partial<HeldItem> =>
  before === undefined
    ? {}
    : {
        approvedAtMs: before.approvedAtMs,
        dismissedAtMs: before.dismissedAtMs,
        dismissedBy: before.dismissedBy,
      };

interface ModelAccount {
  email: string;
  externalId: string | null;
  state: AccountState;
  role: string;
  hasAccount: boolean;
}

/** One loss in the target. A user who was removed and invited again has another remote id and the same address. */
export interface Loss {
  readonly remoteId: string;
  readonly email: string;
  readonly what: string;
}

/** A target in memory that applies each change at once and records every loss. */
export class ModelTarget implements Target {
  readonly name = "model";
  readonly type = "model";
  readonly account = "model-account";
  readonly supports: TargetSupports;
  readonly accounts = new Map<string, ModelAccount>();
  readonly groups = new Map<string, { name: string; externalId: string | null }>();
  readonly memberships = new Map<string, Set<string>>();
  readonly losses: Loss[] = [];
  readonly changes: Change[] = [];
  seed = 0;
  #ids = 0;

  constructor(supports: TargetSupports = everything) {
    this.supports = supports;
  }

  addAccount(remoteId: string, more: Partial<ModelAccount> = {}): void {
    this.accounts.set(remoteId, {
      email: `${remoteId}@example.com`,
      externalId: null,
      state: "active",
      role: "user",
      hasAccount: true,
      ...more,
    });
  }

  addGroup(remoteId: string, name: string, accountIds: readonly string[] = [], externalId: string | null = null): void {
    this.groups.set(remoteId, { name, externalId });
    this.memberships.set(remoteId, new Set(accountIds));
  }

  /** The content without remote ids, so that two targets can be compared. */
  portrait(): unknown {
    const names = [...this.groups].map(([id, group]) => ({
      ...group,
      members: [...(this.memberships.get(id) ?? [])].map((each) => this.accounts.get(each)?.email ?? each).sort(),
    }));
    const key = (value: unknown): string => JSON.stringify(value);
    return {
      members: [...this.accounts.values()].map((each) => ({ ...each })).sort((a, b) => (key(a) < key(b) ? -1 : 1)),
      groups: names.sort((a, b) => (key(a) < key(b) ? -1 : 1)),
    };
  }

  async observe(scope: ObserveScope): Promise<Observed> {
    const accounts = shuffled(this.accounts, this.seed).map(
      ([remoteId, each]): ObservedAccount => ({ remoteId, ...each }),
    );
    const groups = shuffled(this.groups, this.seed).map(([remoteId, each]): ObservedGroup => ({ remoteId, ...each }));
    if (scope.kind === "all") return { isComplete: true, accounts, groups, missingRemoteIds: [] };
    const asked = new Set([...scope.accountIds, ...scope.groupIds]);
    return {
      isComplete: false,
      accounts: accounts.filter((each) => asked.has(each.remoteId)),
      groups: groups.filter((each) => asked.has(each.remoteId)),
      missingRemoteIds: [...asked].filter((id) => !this.accounts.has(id) && !this.groups.has(id)),
    };
  }

  async observeMemberships(query: Parameters<Target["observeMemberships"]>[0]): Promise<Memberships> {
    if (query.by === "group")
      return new Map(
        query.groupIds.flatMap((id) =>
          this.groups.has(id) ? [[id, shuffled(this.memberships.get(id) ?? [], this.seed)] as const] : [],
        ),
      );
    const groupsOf = (accountId: string) =>
      [...this.memberships].flatMap(([groupId, members]) => (members.has(accountId) ? [groupId] : []));
    return new Map(query.accountIds.flatMap((id) => (this.accounts.has(id) ? [[id, groupsOf(id)] as const] : [])));
  }

  async *apply(changes: readonly Change[]): AsyncGenerator<Outcome> {
    const people = new Map<string, string>();
    const groups = new Map<string, string>();
    for (const change of changes) {
      this.changes.push(change);
      const remoteId = this.#carryOut(change, people, groups);
      yield remoteId === null ? { status: "applied", change } : { status: "applied", change, remoteId };
    }
  }

  async check(): Promise<readonly []> {
    return [];
  }

  async close(): Promise<void> {}

  #carryOut(change: Change, people: Map<string, string>, groups: Map<string, string>): string | null {
    const lose = (remoteId: string, what: string): void => this.#lose(remoteId, what);
    const existing = (remoteId: string): ModelAccount => {
      const found = this.accounts.get(remoteId);
      if (found === undefined) throw new TypeError(`no account ${remoteId}`);
      return found;
    };
    switch (change.op) {
      case "invite": {
        if ([...this.accounts.values()].some((each) => each.email === change.email))
          throw new TypeError(`${change.email} has an account already`);
        const id = this.#newId();
        this.accounts.set(id, {
          email: change.email,
          externalId: change.externalId,
          state: "invited",
          role: "user",
          hasAccount: false,
        });
        people.set(change.userId, id);
        return id;
      }
      case "adopt":
        existing(change.remoteId).externalId = change.externalId;
        return null;
      case "restore":
        existing(change.remoteId).state = existing(change.remoteId).hasAccount ? "active" : "invited";
        return null;
      case "reinvite":
        existing(change.remoteId);
        return null;
      case "suspend":
        existing(change.remoteId).state = "suspended";
        lose(change.remoteId, "access");
        return null;
      case "remove":
        lose(change.remoteId, "access");
        this.accounts.delete(change.remoteId);
        for (const members of this.memberships.values()) members.delete(change.remoteId);
        return null;
      case "createGroup": {
        const id = this.#newId();
        this.addGroup(id, change.name, [], change.externalId);
        groups.set(change.groupId, id);
        return id;
      }
      case "adoptGroup":
      case "renameGroup":
        if (!this.groups.has(change.remoteId)) throw new TypeError(`no group ${change.remoteId}`);
        this.groups.set(change.remoteId, { name: change.name, externalId: change.externalId });
        return null;
      case "removeGroup":
        for (const each of this.memberships.get(change.remoteId) ?? []) lose(each, `group ${change.remoteId}`);
        this.groups.delete(change.remoteId);
        this.memberships.delete(change.remoteId);
        return null;
      case "setMembers":
        for (const each of change.add)
          this.#membership(change.remoteId ?? groups.get(change.groupId), accountIdOf(each, people))?.add(
            accountIdOf(each, people),
          );
        for (const each of change.remove) this.#leave(change.remoteId, accountIdOf(each, people));
        return null;
      case "setGroups":
        for (const each of change.add)
          this.#membership(each.remoteId ?? groups.get(each.groupId), accountIdOf(change, people))?.add(
            accountIdOf(change, people),
          );
        for (const each of change.remove) this.#leave(each.remoteId, accountIdOf(change, people));
        return null;
      default:
        return unreachable(change);
    }
  }

  #newId(): string {
    this.#ids += 1;
    return `new-${this.#ids}`;
  }

  #membership(groupId: string | undefined, accountId: string): Set<string> {
    const found = this.memberships.get(groupId ?? "");
    if (found === undefined || !this.accounts.has(accountId))
      throw new TypeError(`no group ${groupId} or no account ${accountId}`);
    return found;
  }

  #leave(groupId: string | null, accountId: string): void {
    if (this.#membership(groupId ?? "", accountId).delete(accountId)) this.#lose(accountId, `group ${groupId}`);
  }

  #lose(remoteId: string, what: string): void {
    const email = this.accounts.get(remoteId)?.email;
    if (email === undefined) throw new TypeError(`no account ${remoteId}`);
    this.losses.push({ remoteId, email, what });
  }
}

const accountIdOf = (ref: Pick<MemberRef, "userId" | "remoteId">, people: ReadonlyMap<string, string>): string =>
  ref.remoteId ?? people.get(ref.userId) ?? "";

/** Returns the sorted keys of everything that the changes take away. */
export const keysOf = (changes: readonly Change[]): readonly string[] =>
  changes.flatMap((change) => [...removalKeys(change)]).sort();
