import { afterEach, beforeEach } from "vitest";
import { auditFilter } from "../../src/app/queries.ts";
import type { AuditEntry } from "../../src/domain/model/audit.ts";
import type { Cause } from "../../src/domain/model/entities.ts";
import type { HeldItem } from "../../src/domain/model/held-change.ts";
import type { Link } from "../../src/domain/model/link.ts";
import type { RunScope } from "../../src/domain/model/sync-input.ts";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import type {
  Criterion,
  GroupEdit,
  GroupOptions,
  ListQuery,
  MemberEdit,
  StoredToken,
  UserWrite,
} from "../../src/domain/ports/scim-store.ts";
import type { StoreOptions } from "../../src/store/index.ts";
import { sourceUser, userWrite } from "../support/entities.ts";

/** One database, for one test. */
export interface StoreHarness {
  /** Opens a new, empty database. */
  open(): Promise<DirectoryStore>;
  /** Closes the database and opens it again, as a restart does. */
  reopen(): Promise<DirectoryStore>;
  /** Opens the same database once more, as another process does. The harness closes it. */
  beside(): Promise<DirectoryStore>;
  close(): Promise<void>;
  /** The time that the store sees. */
  readonly clock: { nowMs: number };
}

/** A harness over one way to open a database. */
export function harnessOver(
  openStore: (options: StoreOptions) => Promise<DirectoryStore>,
  cleanUp: () => void = () => undefined,
): StoreHarness {
  const clock = { nowMs: 1_800_000_000_000 };
  const opened: DirectoryStore[] = [];
  const open = async (): Promise<DirectoryStore> => {
    const store = await openStore({ now: () => clock.nowMs });
    opened.push(store);
    return store;
  };
  const close = async (): Promise<void> => {
    for (const store of opened.splice(0)) await store.close();
  };
  return {
    clock,
    open,
    beside: open,
    reopen: async () => {
      await close();
      return await open();
    },
    close: async () => {
      await close();
      cleanUp();
    },
  };
}

export const cause: Cause = { actor: "scim:okta", requestId: "r-1" };
export const source = "okta";
export const skip: GroupOptions = { isNameUnique: true, unknownMembers: "skip" };
export const dirty: RunScope = { kind: "dirty", hints: null, limit: 1000 };
export const everyone: ListQuery = { where: { op: "all" }, sort: null, offset: 0, limit: 1000 };

export const groupWrite = (displayName: string, externalId: string | null = null) => ({
  resource: { displayName },
  displayName,
  externalId,
});

export const link = (entityId: string, more: Partial<Link> = {}): Link => ({
  target: "bw",
  kind: "user",
  entityId,
  remoteId: `remote-${entityId}`,
  ownership: "created",
  appliedRev: 1,
  hasAccess: true,
  observedState: "active",
  observedSinceMs: 4,
  isSuspendedByUs: false,
  note: null,
  attempts: 0,
  attemptedRev: 1,
  retryAtMs: null,
  errorCode: null,
  errorMessage: null,
  lastSuccessAtMs: 5,
  ...more,
});

export const heldItem = (entityId: string, more: Partial<HeldItem> = {}): HeldItem => ({
  key: `access:${entityId}`,
  kind: "user",
  entityId,
  reason: "budget",
  change: { op: "suspend", userId: entityId, email: `${entityId}@example.com`, remoteId: `remote-${entityId}` },
  sinceMs: 10,
  approvedAtMs: null,
  dismissedAtMs: null,
  dismissedBy: null,
  ...more,
});

/** The entry of a call to the target. */
export const call = (entityId: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
  actor: "reconcile",
  requestId: null,
  action: "invite",
  kind: "user",
  entityId,
  name: "ada@example.com",
  target: "bw",
  rev: 1,
  detail: { outcome: "applied" },
  ...more,
});

export const storedToken = (id: string, more: Partial<StoredToken> = {}): StoredToken => ({
  id,
  source,
  hash: "ab",
  label: "laptop",
  createdAtMs: 5,
  revokedAtMs: null,
  expiresAtMs: null,
  lastUsedAtMs: null,
  ...more,
});

export type StoreWorld = ReturnType<typeof useStore>;

/** A store for each test of the surrounding `describe`, with short names for what most tests do. */
export function useStore(makeHarness: () => Promise<StoreHarness>) {
  let harness: StoreHarness;
  let store: DirectoryStore;
  beforeEach(async () => {
    harness = await makeHarness();
    store = await harness.open();
  });
  afterEach(() => harness.close());

  const auditRows = () => store.newestAuditRows(auditFilter(), 10_000);
  const edit = (id: string, change: GroupEdit | null, options = skip) =>
    store.updateGroup(source, id, null, () => change, options, cause);
  return {
    get store() {
      return store;
    },
    get clock() {
      return harness.clock;
    },
    beside: () => harness.beside(),
    async reopen() {
      store = await harness.reopen();
      return store;
    },
    hire: async (userName: string, more: Partial<UserWrite> = {}, from = source): Promise<string> =>
      (await store.createUser(from, userWrite(userName, more), cause)).id,
    /** Adds users as one poll of the source "corp". */
    async importUsers(names: readonly string[]): Promise<void> {
      const snapshot = await store.beginSnapshot("corp");
      for (let at = 0; at < names.length; at += 1000)
        await snapshot.addUsers(names.slice(at, at + 1000).map((name) => sourceUser(name)));
      const { nowMs } = harness.clock;
      await snapshot.commit({ nowMs, minKeptPercent: 80, acceptShrink: false, cursor: null }, cause);
    },
    found: async (displayName: string, memberIds: readonly string[] = [], from = source): Promise<string> =>
      (await store.createGroup(from, groupWrite(displayName), memberIds, skip, cause)).record.id,
    edit,
    members: (id: string, ...edits: MemberEdit[]) => edit(id, { write: null, members: edits }),
    memberIds: async (id: string) =>
      ((await store.membersOfGroups(source, [id])).get(id) ?? []).map((member) => member.id),
    rev: async (id: string) => (await store.getUser(source, id))?.rev,
    auditRows,
    auditCount: async () => (await auditRows()).length,
    names: async (where: Criterion) =>
      (await store.listUsers(source, { ...everyone, where })).records
        .map((record) => String(record.resource["userName"]))
        .sort(),
    /** Ids of the users that a run reads. */
    inputIds: async (scope = dirty, target = "bw") =>
      (await store.readInput(target, scope, harness.clock.nowMs)).users.map(({ user }) => user.id),
    /** What a run at `nowMs` writes when it holds these items. */
    hold: (
      items: readonly HeldItem[],
      nowMs = 10,
      considered: ReadonlySet<string> | null = null,
      keep: ReadonlySet<string> = new Set(),
    ) => store.commit("bw", { held: { considered, items, keep } }, nowMs),
    /** Writes links to the target of the first one. */
    put: (...links: readonly Link[]) => store.commit(links[0]?.target ?? "bw", { links }, 1),
  };
}
