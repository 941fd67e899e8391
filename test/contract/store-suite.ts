import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Cause, EntityRef } from "../../src/domain/model/entities.ts";
import { RollcallError } from "../../src/domain/model/errors.ts";
import type { HeldItem } from "../../src/domain/model/held-change.ts";
import type { Link } from "../../src/domain/model/link.ts";
import { type Change, digestOf } from "../../src/domain/model/plan.ts";
import type { RunScope } from "../../src/domain/model/sync-input.ts";
import type { StoredCredential } from "../../src/domain/ports/credential-store.ts";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import type {
  Criterion,
  GroupEdit,
  GroupOptions,
  ListQuery,
  MemberEdit,
  TextField,
  UserWrite,
} from "../../src/domain/ports/scim-store.ts";

/** One database, for one test. */
export interface StoreHarness {
  /** Opens a new, empty one. */
  open(): Promise<DirectoryStore>;
  /** Closes it and opens it again: what a restart sees. */
  reopen(): Promise<DirectoryStore>;
  /** Opens the same one once more, as another process would. The harness closes it. */
  beside(): Promise<DirectoryStore>;
  close(): Promise<void>;
  /** What the store takes for the time. */
  readonly clock: { nowMs: number };
}

const cause: Cause = { actor: "scim:okta", requestId: "r-1" };
const source = "okta";
const skip: GroupOptions = { isNameUnique: true, unknownMembers: "skip" };
const dirty: RunScope = { kind: "dirty", hints: null, limit: 1000 };
const everyone: ListQuery = { where: { op: "all" }, sort: null, offset: 0, limit: 1000 };

const userWrite = (name: string, more: Partial<UserWrite> = {}): UserWrite => ({
  resource: { userName: name, active: more.isActive ?? true, emails: [...(more.emails ?? [])] },
  userName: name,
  externalId: null,
  email: null,
  emails: [],
  displayName: name,
  isActive: true,
  ...more,
});
const groupWrite = (displayName: string, externalId: string | null = null) => ({
  resource: { displayName },
  displayName,
  externalId,
});

const link = (entityId: string, more: Partial<Link> = {}): Link => ({
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

const suspend = (userId: string): Change => ({
  op: "suspend",
  userId,
  email: `${userId}@example.com`,
  remoteId: `remote-${userId}`,
});
const heldItem = (entityId: string, more: Partial<HeldItem> = {}): HeldItem => ({
  key: `access:${entityId}`,
  kind: "user",
  entityId,
  reason: "budget",
  change: suspend(entityId),
  sinceMs: 10,
  approvedAtMs: null,
  dismissedAtMs: null,
  dismissedBy: null,
  ...more,
});

/** What every `DirectoryStore` must do, whatever database it is made of. */
export function storeContract(name: string, makeHarness: () => Promise<StoreHarness>): void {
  describe(name, () => {
    let harness: StoreHarness;
    let store: DirectoryStore;
    beforeEach(async () => {
      harness = await makeHarness();
      store = await harness.open();
    });
    afterEach(() => harness.close());

    const hire = async (userName: string, more: Partial<UserWrite> = {}, from = source): Promise<string> =>
      (await store.createUser(from, userWrite(userName, more), cause)).id;
    const found = async (displayName: string, memberIds: readonly string[] = [], from = source): Promise<string> =>
      (await store.createGroup(from, groupWrite(displayName), memberIds, skip, cause)).record.id;
    const edit = (id: string, change: GroupEdit | null, options = skip) =>
      store.updateGroup(source, id, null, () => change, options, cause);
    const members = (id: string, ...edits: MemberEdit[]) => edit(id, { write: null, members: edits });
    const memberIds = async (id: string) =>
      ((await store.membersOfGroups(source, [id])).get(id) ?? []).map((each) => each.id);
    const rev = async (id: string) => (await store.getUser(source, id))?.rev;
    const auditCount = async () => (await store.audit(0, 10_000)).length;
    const names = async (where: Criterion) =>
      (await store.listUsers(source, { ...everyone, where })).records
        .map((record) => String(record.resource["userName"]))
        .sort();
    const looked = async (scope = dirty, target = "bw") =>
      (await store.readInput(target, scope, harness.clock.nowMs)).users.map(({ user }) => user.id);

    describe("people", () => {
      it("are kept as they were put, with times and version", async () => {
        const resource = { userName: "Ada", name: { givenName: "Ada 🦉" }, "urn:x": [1, null, true, { deep: [] }] };
        const made = await store.createUser(source, userWrite("Ada", { resource, externalId: "E1" }), cause);
        expect(made).toEqual({
          id: made.id,
          rev: 1,
          createdAtMs: harness.clock.nowMs,
          modifiedAtMs: harness.clock.nowMs,
          resource,
        });
        expect(await store.getUser(source, made.id)).toEqual(made);
        store = await harness.reopen();
        expect(await store.getUser(source, made.id)).toEqual(made);
      });

      it("change with a new version, told to who edits them", async () => {
        const id = await hire("ada");
        harness.clock.nowMs += 1000;
        const after = await store.updateUser(
          source,
          id,
          1,
          (present) => {
            expect(present).toMatchObject({ id, rev: 1 });
            return userWrite("ada.l", { isActive: false });
          },
          cause,
        );
        expect(after).toMatchObject({
          id,
          rev: 2,
          createdAtMs: harness.clock.nowMs - 1000,
          modifiedAtMs: harness.clock.nowMs,
          resource: { userName: "ada.l", active: false },
        });
        expect(await store.getUser(source, id)).toEqual(after);
      });

      it("stay as they are when the edit says so", async () => {
        const id = await hire("ada");
        harness.clock.nowMs += 1000;
        const rows = await auditCount();
        const before = await store.getUser(source, id);
        expect(await store.updateUser(source, id, null, () => null, cause)).toEqual(before);
        expect(await store.getUser(source, id)).toEqual(before);
        expect(await auditCount()).toBe(rows);
      });

      it("stay as they are when the edit throws, and the error arrives", async () => {
        const id = await hire("ada");
        const rows = await auditCount();
        const mine = new Error("mine");
        await expect(
          store.updateUser(
            source,
            id,
            null,
            () => {
              throw mine;
            },
            cause,
          ),
        ).rejects.toBe(mine);
        expect(await rev(id)).toBe(1);
        expect(await auditCount()).toBe(rows);
      });

      it("are not changed by who saw another version", async () => {
        const id = await hire("ada");
        await store.updateUser(source, id, 1, () => userWrite("ada"), cause);
        for (const attempt of [
          store.updateUser(source, id, 1, () => userWrite("x"), cause),
          store.deleteUser(source, id, 1, cause),
        ]) {
          await expect(attempt).rejects.toMatchObject({ code: "REV_MISMATCH" });
        }
        expect(await store.getUser(source, id)).toMatchObject({ rev: 2, resource: { userName: "ada" } });
      });

      it("have a userName of their own in their source, in any case, until they are deleted", async () => {
        const ada = await hire("Ada@Example.com");
        const bob = await hire("bob");
        await expect(hire("ADA@example.COM")).rejects.toMatchObject({ code: "UNIQUENESS" });
        await expect(
          store.updateUser(source, bob, null, () => userWrite("aDA@example.com"), cause),
        ).rejects.toMatchObject({ code: "UNIQUENESS" });
        expect(await store.updateUser(source, ada, null, () => userWrite("ada@EXAMPLE.com"), cause)).toMatchObject({
          rev: 2,
        });
        await hire("ada@example.com", {}, "entra");
        await store.deleteUser(source, ada, null, cause);
        const again = await hire("ada@example.com");
        expect(again).not.toBe(ada);
        expect((await store.listUsers(source, everyone)).total).toBe(2);
      });

      it("are gone when deleted, with their memberships, and stay known to targets", async () => {
        const ada = await hire("ada", { email: "ada@example.com", emails: ["ada@example.com"] });
        const eng = await found("eng", [ada]);
        const before = await store.getGroup(source, eng);
        harness.clock.nowMs += 1000;
        await store.deleteUser(source, ada, null, cause);
        expect(await store.getUser(source, ada)).toBeNull();
        expect(await memberIds(eng)).toEqual([]);
        expect(await names({ op: "co", field: "emails", value: "ada" })).toEqual([]);
        expect((await store.getGroup(source, eng))?.rev).toBe((before?.rev ?? 0) + 1);
        for (const attempt of [
          store.updateUser(source, ada, null, () => null, cause),
          store.deleteUser(source, ada, null, cause),
        ]) {
          await expect(attempt).rejects.toMatchObject({ code: "NOT_FOUND" });
        }
        const slice = await store.readInput("bw", { kind: "all" }, harness.clock.nowMs);
        expect(slice.users).toMatchObject([
          { user: { id: ada, absentSinceMs: harness.clock.nowMs, email: "ada@example.com" }, groupIds: [] },
        ]);
      });

      it("exist in their own source only", async () => {
        const ada = await hire("ada");
        const eng = await found("eng", [ada]);
        expect(await store.getUser("entra", ada)).toBeNull();
        expect(await store.getGroup("entra", eng)).toBeNull();
        expect((await store.listUsers("entra", everyone)).total).toBe(0);
        expect((await store.groupsOfUsers("entra", [ada])).size).toBe(0);
        expect((await store.membersOfGroups("entra", [eng])).size).toBe(0);
        await expect(store.updateUser("entra", ada, null, () => null, cause)).rejects.toMatchObject({
          code: "NOT_FOUND",
        });
        await expect(store.deleteUser("entra", ada, null, cause)).rejects.toMatchObject({ code: "NOT_FOUND" });
        await expect(store.updateGroup("entra", eng, null, () => null, skip, cause)).rejects.toMatchObject({
          code: "NOT_FOUND",
        });
        await expect(store.deleteGroup("entra", eng, null, cause)).rejects.toMatchObject({ code: "NOT_FOUND" });
        expect((await store.createGroup("entra", groupWrite("eng"), [ada], skip, cause)).unknownMembers).toEqual([ada]);
        expect(await rev(ada)).toBe(2);
      });
    });

    describe("groups", () => {
      it("are kept as they were put; their members are rows", async () => {
        const [ada, bob] = [await hire("ada"), await hire("bob")];
        const made = await store.createGroup(source, groupWrite("Eng", "X"), [bob, ada, bob], skip, cause);
        expect(made.unknownMembers).toEqual([]);
        expect(made.record).toEqual({
          id: made.record.id,
          rev: 1,
          createdAtMs: harness.clock.nowMs,
          modifiedAtMs: harness.clock.nowMs,
          resource: { displayName: "Eng" },
        });
        store = await harness.reopen();
        expect(await store.getGroup(source, made.record.id)).toEqual(made.record);
        expect((await store.membersOfGroups(source, [made.record.id])).get(made.record.id)).toEqual([
          { id: ada, displayName: "ada" },
          { id: bob, displayName: "bob" },
        ]);
        expect((await store.groupsOfUsers(source, [ada, bob])).get(bob)).toEqual([
          { id: made.record.id, displayName: "Eng" },
        ]);
      });

      it("without members, and people without groups, are left out of answers about many", async () => {
        const [ada, eng] = [await hire("ada"), await found("eng")];
        expect(await store.membersOfGroups(source, [eng, "nobody"])).toEqual(new Map());
        expect(await store.groupsOfUsers(source, [ada])).toEqual(new Map());
        expect(await store.membersOfGroups(source, [])).toEqual(new Map());
        expect(await store.groupsOfUsers(source, [])).toEqual(new Map());
      });

      it("have a name of their own where that is asked for", async () => {
        const eng = await found("Eng");
        const ops = await found("ops");
        await expect(found("eNG")).rejects.toMatchObject({ code: "UNIQUENESS" });
        await expect(edit(ops, { write: groupWrite("ENG"), members: [] })).rejects.toMatchObject({
          code: "UNIQUENESS",
        });
        await edit(ops, { write: groupWrite("ENG"), members: [] }, { ...skip, isNameUnique: false });
        await edit(eng, { write: groupWrite("Eng", "same name, new key"), members: [] });
        await store.deleteGroup(source, eng, null, cause);
        await store.deleteGroup(source, ops, null, cause);
        await found("eng");
      });

      it("are not changed by who saw another version", async () => {
        const eng = await found("eng");
        await expect(
          store.updateGroup(source, eng, 2, () => ({ write: groupWrite("x"), members: [] }), skip, cause),
        ).rejects.toMatchObject({ code: "REV_MISMATCH" });
        await expect(store.deleteGroup(source, eng, 2, cause)).rejects.toMatchObject({ code: "REV_MISMATCH" });
        expect(
          (await store.updateGroup(source, eng, 1, () => ({ write: groupWrite("x"), members: [] }), skip, cause)).record
            .rev,
        ).toBe(2);
      });

      it("stay as they are when the edit throws, also after it has looked", async () => {
        const ada = await hire("ada");
        const eng = await found("eng", [ada]);
        const rows = await auditCount();
        await expect(
          store.updateGroup(
            source,
            eng,
            null,
            async (_present, read) => {
              expect((await read()).map((each) => each.id)).toEqual([ada]);
              throw new Error("mine");
            },
            skip,
            cause,
          ),
        ).rejects.toThrow("mine");
        expect(await store.getGroup(source, eng)).toMatchObject({ rev: 1 });
        expect(await auditCount()).toBe(rows);
      });

      it("keep rev and times when nothing comes of an edit: present ones added, absent ones removed, the same replaced", async () => {
        const [ada, bob] = [await hire("ada"), await hire("bob")];
        const eng = await found("eng", [ada]);
        const before = await store.getGroup(source, eng);
        const rows = await auditCount();
        harness.clock.nowMs += 1000;
        for (const each of [null, { write: null, members: [] }] as const)
          expect((await edit(eng, each)).record).toEqual(before);
        for (const each of [
          { op: "add", userIds: [ada] },
          { op: "remove", userIds: [bob] },
          { op: "replace", userIds: [ada, ada] },
          { op: "add", userIds: [] },
          { op: "remove", userIds: [] },
        ] as const) {
          expect((await members(eng, each)).record).toEqual(before);
        }
        expect(await store.getGroup(source, eng)).toEqual(before);
        expect([await rev(ada), await rev(bob), await auditCount()]).toEqual([2, 1, rows]);
      });

      it("change by row, and make exactly who came or went dirty", async () => {
        const [ada, bob, eve] = [await hire("ada"), await hire("bob"), await hire("eve")];
        const eng = await found("eng", [ada]);
        harness.clock.nowMs += 1000;
        expect((await members(eng, { op: "add", userIds: [ada, bob] })).record).toMatchObject({
          rev: 2,
          modifiedAtMs: harness.clock.nowMs,
        });
        expect([await rev(ada), await rev(bob), await rev(eve)]).toEqual([2, 2, 1]);
        await members(eng, { op: "replace", userIds: [bob, eve] });
        expect(await memberIds(eng)).toEqual([bob, eve]);
        expect([await rev(ada), await rev(bob), await rev(eve)]).toEqual([3, 2, 2]);
        await members(eng, { op: "remove", userIds: [bob] });
        expect(await memberIds(eng)).toEqual([eve]);
        await members(eng, { op: "replace", userIds: [] });
        expect(await memberIds(eng)).toEqual([]);
        expect((await store.getUser(source, bob))?.modifiedAtMs).toBe(harness.clock.nowMs - 1000);
      });

      it("take several steps in order", async () => {
        const [ada, bob] = [await hire("ada"), await hire("bob")];
        const eng = await found("eng", [ada]);
        await members(
          eng,
          { op: "remove", userIds: [ada] },
          { op: "add", userIds: [bob] },
          { op: "replace", userIds: [ada] },
          { op: "add", userIds: [bob] },
          { op: "remove", userIds: [ada] },
        );
        expect(await memberIds(eng)).toEqual([bob]);
        const rows = await auditCount();
        const before = await store.getGroup(source, eng);
        expect((await members(eng, { op: "remove", userIds: [bob] }, { op: "add", userIds: [bob] })).record).toEqual(
          before,
        );
        expect(await auditCount()).toBe(rows);
      });

      it("leave unknown members out and name them, or refuse them whole", async () => {
        const [ada, bob] = [await hire("ada"), await hire("bob")];
        await store.deleteUser(source, bob, null, cause);
        const eng = await found("eng");
        expect(await members(eng, { op: "add", userIds: [ada, bob, "nobody", "nobody"] })).toMatchObject({
          unknownMembers: [bob, "nobody"],
        });
        expect(await memberIds(eng)).toEqual([ada]);
        expect((await members(eng, { op: "remove", userIds: ["nobody"] })).unknownMembers).toEqual([]);
        const reject: GroupOptions = { ...skip, unknownMembers: "reject" };
        const before = await store.getGroup(source, eng);
        await expect(
          edit(eng, { write: groupWrite("renamed"), members: [{ op: "replace", userIds: ["nobody"] }] }, reject),
        ).rejects.toMatchObject({ code: "UNKNOWN_MEMBER" });
        await expect(store.createGroup(source, groupWrite("new"), ["nobody"], reject, cause)).rejects.toMatchObject({
          code: "UNKNOWN_MEMBER",
        });
        expect(await store.getGroup(source, eng)).toEqual(before);
        expect(await memberIds(eng)).toEqual([ada]);
        expect((await store.listGroups(source, everyone)).total).toBe(1);
      });

      it("make their members dirty when they are renamed or deleted, not when another attribute changes", async () => {
        const ada = await hire("ada");
        const eng = await found("eng", [ada]);
        await edit(eng, { write: groupWrite("eng", "new key"), members: [] });
        expect(await rev(ada)).toBe(2);
        await edit(eng, { write: groupWrite("platform"), members: [] });
        expect(await rev(ada)).toBe(3);
        await store.deleteGroup(source, eng, null, cause);
        expect(await rev(ada)).toBe(4);
        expect(await store.getGroup(source, eng)).toBeNull();
        expect(await store.groupsOfUsers(source, [ada])).toEqual(new Map());
        const slice = await store.readInput("bw", dirty, harness.clock.nowMs);
        expect(slice.groups).toMatchObject([
          { group: { id: eng, displayName: "platform", absentSinceMs: harness.clock.nowMs } },
        ]);
      });

      it("are dirty themselves by name and presence, not by members", async () => {
        const ada = await hire("ada");
        const eng = await found("eng");
        await store.commit("bw", { links: [link(eng, { kind: "group" }), link(ada)] }, 1);
        await members(eng, { op: "add", userIds: [ada] });
        const slice = await store.readInput("bw", dirty, harness.clock.nowMs);
        expect(slice.dirtyGroupIds.size).toBe(0);
        expect(slice.users.map(({ user, groupIds }) => [user.id, groupIds])).toEqual([[ada, [eng]]]);
        await edit(eng, { write: groupWrite("renamed"), members: [] });
        expect((await store.readInput("bw", dirty, harness.clock.nowMs)).dirtyGroupIds).toEqual(new Set([eng]));
      });
    });

    describe("lists", () => {
      beforeEach(async () => {
        harness.clock.nowMs = 1000;
        const ada = await hire("Ada", {
          externalId: "A-1",
          displayName: "Countess",
          emails: ["ada@example.com", "Ada@Work.example"],
        });
        harness.clock.nowMs = 2000;
        await hire("bob%_\\", { externalId: "a-1", displayName: "bob", isActive: false, emails: ["b%b@example.com"] });
        harness.clock.nowMs = 3000;
        await hire("cyd", { displayName: "Zoë" });
        await hire("bobXX", { externalId: "x", emails: ["bxb@example.com"] });
        await found("eng", [ada]);
        await found("empty");
      });

      const text = (
        op: "eq" | "co" | "sw" | "ew" | "gt" | "ge" | "lt" | "le",
        field: TextField,
        value: string,
      ): Criterion => ({ op, field, value });
      const not = (of: Criterion): Criterion => ({ op: "not", of });
      const cases: readonly (readonly [string, Criterion, readonly string[]])[] = [
        ["all", { op: "all" }, ["Ada", "bob%_\\", "bobXX", "cyd"]],
        ["none", { op: "none" }, []],
        ["and of nothing", { op: "and", of: [] }, ["Ada", "bob%_\\", "bobXX", "cyd"]],
        ["or of nothing", { op: "or", of: [] }, []],
        ["userName eq, any case", text("eq", "userName", "ADA"), ["Ada"]],
        ["userName co", text("co", "userName", "BOB"), ["bob%_\\", "bobXX"]],
        ["userName sw", text("sw", "userName", "b"), ["bob%_\\", "bobXX"]],
        ["userName ew", text("ew", "userName", "D"), ["cyd"]],
        ["% is no wildcard", text("co", "userName", "b%"), ["bob%_\\"]],
        ["_ is no wildcard", text("co", "userName", "%_"), ["bob%_\\"]],
        ["\\ is no escape", text("ew", "userName", "_\\"), ["bob%_\\"]],
        ["a lone % finds itself", text("sw", "userName", "%"), []],
        ["gt", text("gt", "userName", "BOBXX"), ["cyd"]],
        ["ge", text("ge", "userName", "bobxx"), ["bobXX", "cyd"]],
        ["lt", text("lt", "userName", "BOB"), ["Ada"]],
        ["le", text("le", "userName", "ada"), ["Ada"]],
        ["externalId exactly", text("eq", "externalId", "a-1"), ["bob%_\\"]],
        ["externalId co exactly", text("co", "externalId", "A"), ["Ada"]],
        ["externalId pr", { op: "pr", field: "externalId" }, ["Ada", "bob%_\\", "bobXX"]],
        ["not of a missing value holds", not(text("eq", "externalId", "x")), ["Ada", "bob%_\\", "cyd"]],
        ["not of not", not(not(text("eq", "externalId", "x"))), ["bobXX"]],
        [
          "not of and with a missing value",
          not({ op: "and", of: [text("eq", "externalId", "x"), text("eq", "userName", "cyd")] }),
          ["Ada", "bob%_\\", "bobXX", "cyd"],
        ],
        [
          "not of or with a missing value",
          not({ op: "or", of: [text("eq", "externalId", "x"), text("eq", "userName", "ada")] }),
          ["bob%_\\", "cyd"],
        ],
        ["displayName beyond ASCII", text("eq", "displayName", "zoË"), ["cyd"]],
        ["emails eq, any of them, any case", text("eq", "emails", "ADA@work.EXAMPLE"), ["Ada"]],
        ["emails co with a wildcard in it", text("co", "emails", "B%B"), ["bob%_\\"]],
        ["emails ew", text("ew", "emails", "@Example.com"), ["Ada", "bob%_\\", "bobXX"]],
        ["emails pr", { op: "pr", field: "emails" }, ["Ada", "bob%_\\", "bobXX"]],
        ["not emails", not(text("co", "emails", "example")), ["cyd"]],
        ["active", { op: "eq", field: "isActive", value: true }, ["Ada", "bobXX", "cyd"]],
        ["inactive", { op: "eq", field: "isActive", value: false }, ["bob%_\\"]],
        ["created eq", { op: "eq", field: "createdAtMs", value: 2000 }, ["bob%_\\"]],
        ["created gt", { op: "gt", field: "createdAtMs", value: 2000 }, ["bobXX", "cyd"]],
        [
          "created ge and le",
          {
            op: "and",
            of: [
              { op: "ge", field: "createdAtMs", value: 1000 },
              { op: "le", field: "createdAtMs", value: 2000 },
            ],
          },
          ["Ada", "bob%_\\"],
        ],
        ["modified lt", { op: "lt", field: "modifiedAtMs", value: 2000 }, ["Ada"]],
        ["groups pr", { op: "pr", field: "groups" }, ["Ada"]],
        [
          "or",
          { op: "or", of: [text("eq", "userName", "ada"), { op: "eq", field: "isActive", value: false }] },
          ["Ada", "bob%_\\"],
        ],
      ];
      it.each(cases)("of people: %s", async (_name, where, expected) => {
        expect(await names(where)).toEqual(expected);
        expect((await store.listUsers(source, { ...everyone, where, limit: 0 })).total).toBe(expected.length);
        const scanned: string[] = [];
        for await (const page of store.scanUsers(source, where, 1))
          scanned.push(...page.map((record) => String(record.resource["userName"])));
        expect(scanned.sort()).toEqual(expected);
      });

      it("of people and groups, by each other", async () => {
        const [eng] = (await store.listGroups(source, { ...everyone, where: text("eq", "displayName", "ENG") }))
          .records;
        const ada = await memberIds(eng?.id ?? "");
        const groups = async (where: Criterion) =>
          (await store.listGroups(source, { ...everyone, where })).records.map(
            (record) => record.resource["displayName"],
          );
        expect(await names({ op: "eq", field: "groups", value: eng?.id ?? "" })).toEqual(["Ada"]);
        expect(await names({ op: "eq", field: "id", value: ada[0] ?? "" })).toEqual(["Ada"]);
        expect(await groups({ op: "eq", field: "members", value: ada[0] ?? "" })).toEqual(["eng"]);
        expect(await groups({ op: "pr", field: "members" })).toEqual(["eng"]);
        expect(await groups(not({ op: "pr", field: "members" }))).toEqual(["empty"]);
        expect(await groups(text("sw", "displayName", "E"))).toEqual(["eng", "empty"]);
        expect(await groups({ op: "pr", field: "emails" })).toEqual([]);
      });

      it("take what callers say for text, never for SQL", async () => {
        for (const value of ["' OR 1=1 --", '"; DROP TABLE users; --', "?", "\u0000"])
          expect(await names(text("co", "userName", value))).toEqual([]);
        expect((await store.listUsers(source, everyone)).total).toBe(4);
      });

      it("sort by any field, without a value last, and the other way round", async () => {
        const sorted = async (field: NonNullable<ListQuery["sort"]>["field"], isDescending: boolean) =>
          (await store.listUsers(source, { ...everyone, sort: { field, isDescending } })).records.map(
            (record) => record.resource["userName"],
          );
        expect(await sorted("userName", false)).toEqual(["Ada", "bob%_\\", "bobXX", "cyd"]);
        expect(await sorted("userName", true)).toEqual(["cyd", "bobXX", "bob%_\\", "Ada"]);
        expect(await sorted("externalId", false)).toEqual(["Ada", "bob%_\\", "bobXX", "cyd"]);
        expect((await sorted("externalId", true))[0]).toBe("cyd");
        expect(await sorted("createdAtMs", true)).toEqual(["cyd", "bobXX", "bob%_\\", "Ada"]);
        const ids = (
          await store.listUsers(source, { ...everyone, sort: { field: "id", isDescending: false } })
        ).records.map((record) => record.id);
        expect(ids).toEqual([...ids].sort());
      });

      it("page without gap or overlap, with the exact total on every page", async () => {
        for (let index = 0; index < 20; index += 1) await hire(`same${index}`, { displayName: "same" });
        const orders = [
          null,
          { field: "displayName", isDescending: false },
          { field: "displayName", isDescending: true },
          { field: "modifiedAtMs", isDescending: false },
        ] as const;
        for (const sort of orders) {
          const seen: string[] = [];
          for (let offset = 0; offset < 24; offset += 5) {
            const page = await store.listUsers(source, { ...everyone, sort, offset, limit: 5 });
            expect(page.total).toBe(24);
            seen.push(...page.records.map((record) => record.id));
          }
          expect(new Set(seen).size).toBe(24);
          expect(seen).toHaveLength(24);
        }
        expect(await store.listUsers(source, { ...everyone, offset: 24, limit: 5 })).toEqual({
          total: 24,
          records: [],
        });
        expect(await store.listUsers(source, { ...everyone, limit: 0 })).toEqual({ total: 24, records: [] });
        expect((await store.listUsers(source, { ...everyone, limit: 24 })).total).toBe(24);
      });

      it("scan in pages that fit, and see nobody twice while others write", async () => {
        for (let index = 0; index < 10; index += 1) await hire(`n${index}`);
        const seen: string[] = [];
        for await (const page of store.scanUsers(source, { op: "all" }, 4)) {
          expect(page.length).toBeLessThanOrEqual(4);
          seen.push(...page.map((record) => record.id));
          if (seen.length === 4) await store.deleteUser(source, seen[0] ?? "", null, cause);
        }
        expect(new Set(seen).size).toBe(14);
        const groups: number[] = [];
        for await (const page of store.scanGroups(source, { op: "all" }, 2)) groups.push(page.length);
        expect(groups).toEqual([2]);
      });

      it("follow a change of addresses, and of the userName", async () => {
        const [{ id } = { id: "" }] = (
          await store.listUsers(source, { ...everyone, where: text("eq", "userName", "ada") })
        ).records;
        await store.updateUser(source, id, null, () => userWrite("Lovelace", { emails: ["new@example.com"] }), cause);
        expect(await names(text("eq", "emails", "ada@example.com"))).toEqual([]);
        expect(await names(text("eq", "emails", "NEW@example.com"))).toEqual(["Lovelace"]);
        expect(await names(text("eq", "userName", "ada"))).toEqual([]);
      });
    });

    describe("what a target looks at", () => {
      it("is everybody when it is new, without anything being queued for it", async () => {
        const ids = [await hire("ada"), await hire("bob")];
        const eng = await found("eng");
        const slice = await store.readInput("brand-new", dirty, harness.clock.nowMs);
        expect(slice.isComplete).toBe(false);
        expect(slice.users.map(({ user, link: known }) => [user.id, known])).toEqual(ids.map((id) => [id, null]));
        expect(slice.dirtyGroupIds).toEqual(new Set([eng]));
        await store.commit("bw", { links: ids.map((id) => link(id)) }, 1);
        expect(await looked()).toEqual([]);
        expect(await looked(dirty, "another")).toEqual(ids);
      });

      it("is who changed since it was applied, and everybody when asked for all", async () => {
        const [ada, bob] = [await hire("ada"), await hire("bob")];
        await store.commit("bw", { links: [link(ada), link(bob)] }, 1);
        await store.updateUser(source, bob, null, () => userWrite("bob", { isActive: false }), cause);
        const slice = await store.readInput("bw", dirty, harness.clock.nowMs);
        expect(slice.users).toMatchObject([
          { user: { id: bob, rev: 2, isActive: false }, link: link(bob), groupIds: [] },
        ]);
        expect(await store.readInput("bw", { kind: "all" }, harness.clock.nowMs)).toMatchObject({
          isComplete: true,
          users: [{ user: { id: ada } }, { user: { id: bob } }],
        });
        store = await harness.reopen();
        expect(await looked()).toEqual([bob]);
      });

      it("is nobody who waits for a retry, until the time comes or the person changes", async () => {
        const ada = await hire("ada");
        await store.commit(
          "bw",
          {
            links: [
              link(ada, {
                appliedRev: 0,
                attemptedRev: 1,
                attempts: 1,
                retryAtMs: harness.clock.nowMs + 100,
                errorCode: "TARGET_REFUSED",
              }),
            ],
          },
          1,
        );
        expect(await looked()).toEqual([]);
        expect(await store.nextRetryAtMs("bw")).toBe(harness.clock.nowMs + 100);
        expect(await store.nextRetryAtMs("another")).toBeNull();
        await store.updateUser(source, ada, null, () => userWrite("ada", { isActive: false }), cause);
        expect(await looked()).toEqual([ada]);
        await store.commit(
          "bw",
          { links: [link(ada, { appliedRev: 0, attemptedRev: 2, retryAtMs: harness.clock.nowMs + 100 })] },
          1,
        );
        expect(await looked()).toEqual([]);
        harness.clock.nowMs += 100;
        expect(await looked()).toEqual([ada]);
      });

      it("is also who is not dirty but due: drift that waits", async () => {
        const ada = await hire("ada");
        const eng = await found("eng");
        await store.commit(
          "bw",
          {
            links: [
              link(ada, { retryAtMs: harness.clock.nowMs }),
              link(eng, { kind: "group", retryAtMs: harness.clock.nowMs }),
            ],
          },
          1,
        );
        expect(await looked()).toEqual([ada]);
        expect((await store.readInput("bw", dirty, harness.clock.nowMs)).dirtyGroupIds).toEqual(new Set([eng]));
        expect((await store.readInput("bw", dirty, harness.clock.nowMs - 1)).dirtyGroupIds.size).toBe(0);
      });

      it("is with hints only those of them that are dirty, and retries that are due", async () => {
        const [ada, bob, eve, due] = [await hire("ada"), await hire("bob"), await hire("eve"), await hire("due")];
        await store.commit(
          "bw",
          { links: [link(bob), link(due, { appliedRev: 0, retryAtMs: harness.clock.nowMs })] },
          1,
        );
        expect(await looked({ kind: "dirty", hints: [ada, bob, "nobody"], limit: 10 })).toEqual([ada, due]);
        expect(await looked({ kind: "dirty", hints: [], limit: 10 })).toEqual([due]);
        expect(await looked({ kind: "dirty", hints: null, limit: 10 })).toEqual([ada, eve, due]);
        expect(await looked({ kind: "dirty", hints: null, limit: 1 })).toEqual([ada]);
      });

      it("knows who keeps an address: the first who is present; who is gone is only in the way of nobody", async () => {
        const address = { email: "ada@example.com" };
        const first = await hire("ada", address);
        const second = await hire("ada", address, "entra");
        const owners = async () =>
          new Map(
            (await store.readInput("bw", { kind: "all" }, harness.clock.nowMs)).users.map((each) => [
              each.user.id,
              each.emailOwnerId,
            ]),
          );
        expect(await owners()).toEqual(
          new Map([
            [first, first],
            [second, first],
          ]),
        );
        await store.commit("bw", { links: [link(first), link(second)] }, 1);
        await store.deleteUser(source, first, null, cause);
        expect(await owners()).toEqual(
          new Map([
            [first, second],
            [second, second],
          ]),
        );
        expect(await looked()).toEqual([first, second]);
        await store.deleteUser("entra", second, null, cause);
        // Nobody is left to keep it: each of them answers for what is linked to them.
        expect(await owners()).toEqual(
          new Map([
            [first, first],
            [second, second],
          ]),
        );
        await hire("no address");
        expect([...(await owners()).values()].at(-1)).toBeNull();
      });

      it("makes rivals for an address dirty whenever the claim of one changes, and tells listeners", async () => {
        const ada = await hire("ada", { email: "ada@example.com" });
        await store.commit("bw", { links: [link(ada)] }, 1);
        const heard: string[] = [];
        store.onChange((refs) => heard.push(...refs.map(({ id }) => id)));
        const rival = await hire("bob", { email: "ada@example.com" });
        expect(heard.splice(0)).toEqual([rival, ada]);
        await store.updateUser(source, rival, null, () => userWrite("bob", { email: "bob@example.com" }), cause);
        expect(heard.splice(0)).toEqual([rival, ada]);
        await store.updateUser(
          source,
          rival,
          null,
          () => userWrite("bob", { email: "bob@example.com", isActive: false }),
          cause,
        );
        expect(heard.splice(0)).toEqual([rival]);
        expect(await rev(ada)).toBe(3);
      });

      it("forgets who is gone once the target is known not to have them", async () => {
        const [ada, bob] = [await hire("ada"), await hire("bob")];
        for (const id of [ada, bob]) await store.deleteUser(source, id, null, cause);
        await store.commit(
          "bw",
          { links: [link(ada, { appliedRev: 2, remoteId: null }), link(bob, { appliedRev: 2 })] },
          1,
        );
        expect(await looked({ kind: "all" })).toEqual([bob]);
      });

      it("finds everybody and every membership of a directory of several pages", async () => {
        const ids = await Promise.all(Array.from({ length: 2100 }, (_, index) => hire(`p${index}`)));
        const groups = [
          await found(
            "odd",
            ids.filter((_, index) => index % 2 === 1),
          ),
          await found("everyone", ids),
        ];
        const slice = await store.readInput("bw", { kind: "all" }, harness.clock.nowMs);
        expect(slice.users.map(({ user }) => user.id)).toEqual(ids);
        expect(slice.users.map(({ groupIds }) => groupIds)).toEqual(
          ids.map((_, index) => (index % 2 === 1 ? groups : groups.slice(1))),
        );
      });
    });

    describe("what a run leaves behind", () => {
      it("is links as they were written, in one transaction with all the rest", async () => {
        const ada = await hire("ada");
        const full = link(ada, {
          isSuspendedByUs: true,
          note: "staged",
          attempts: 3,
          errorCode: "TARGET_REFUSED",
          errorMessage: "no",
          retryAtMs: 99,
          ownership: "adopted",
          hasAccess: true,
        });
        await store.commit("bw", { links: [full], charge: [ada] }, 7);
        store = await harness.reopen();
        expect((await store.readInput("bw", { kind: "all" }, 0)).users[0]?.link).toEqual(full);
        const broken = { ...link(ada), appliedRev: undefined as unknown as number };
        await expect(
          store.commit("bw", { charge: ["x"], links: [link(ada, { remoteId: "new" }), broken] }, 8),
        ).rejects.toThrow();
        expect((await store.readInput("bw", { kind: "all" }, 0)).users[0]?.link).toEqual(full);
        expect([...(await store.charges("bw", 0)).keys()]).toEqual([ada]);
      });

      it("tells everybody who is linked to a member, present or gone, in this target", async () => {
        const ada = (await store.createUser(source, userWrite("ada"), cause)).id;
        const zed = (await store.createUser(source, userWrite("zed", { displayName: "Zed", email: "z@x.com" }), cause))
          .id;
        await store.commit("bw", { links: [link(ada, { remoteId: "m" }), link(zed, { remoteId: "m" })] }, 1);
        await store.commit("op", { links: [{ ...link(ada, { remoteId: "n" }), target: "op" }] }, 1);
        await store.deleteUser(source, ada, null, cause);
        const holders = await store.linkedUsers("bw", ["m", "n", "other"]);
        expect([...holders.keys()]).toEqual(["m"]);
        const [gone, here] = [...(holders.get("m") ?? [])].sort((a, b) => (a.id === ada ? -1 : b.id === ada ? 1 : 0));
        expect(gone).toMatchObject({ id: ada, source, absentSinceMs: expect.any(Number) });
        expect(here).toMatchObject({ id: zed, displayName: "Zed", email: "z@x.com", absentSinceMs: null });
      });

      it("is people with access, each target for itself", async () => {
        await store.commit(
          "bw",
          { links: [link("a"), link("b", { hasAccess: false }), link("c"), link("g", { kind: "group" })] },
          1,
        );
        expect(await store.peopleWithAccess("bw")).toBe(2);
        expect(await store.peopleWithAccess("op")).toBe(0);
      });

      it("is the budget spent, each person once, and given back", async () => {
        await store.commit("bw", { charge: ["a", "b"] }, 100);
        await store.commit("bw", { charge: ["b", "c"] }, 200);
        await store.commit("op", { charge: ["z"] }, 200);
        expect(await store.charges("bw", 0)).toEqual(
          new Map([
            ["a", 100],
            ["b", 200],
            ["c", 200],
          ]),
        );
        expect(await store.charges("bw", 99)).toEqual(
          new Map([
            ["a", 100],
            ["b", 200],
            ["c", 200],
          ]),
        );
        expect([...(await store.charges("bw", 100)).keys()].sort()).toEqual(["b", "c"]);
        await store.commit("bw", { refund: ["b", "z", "nobody"] }, 300);
        expect([...(await store.charges("bw", 0)).keys()].sort()).toEqual(["a", "c"]);
        expect([...(await store.charges("op", 0)).keys()]).toEqual(["z"]);
      });

      it("is what is held: replaced among those looked at, with since and approval kept", async () => {
        const held = async () =>
          (await store.held("bw")).map((each) => [each.entityId, each.sinceMs, each.approvedAtMs]);
        const keep = new Set<string>();
        await store.commit(
          "bw",
          { held: { considered: null, items: [heldItem("a"), heldItem("b"), heldItem("c")], keep } },
          10,
        );
        expect(await store.held("bw")).toEqual([heldItem("a"), heldItem("b"), heldItem("c")]);
        expect(await store.held("op")).toEqual([]);
        await store.commit(
          "bw",
          { held: { considered: new Set(["a", "b"]), items: [heldItem("a", { sinceMs: 20 })], keep } },
          20,
        );
        expect(await held()).toEqual([
          ["a", 10, null],
          ["c", 10, null],
        ]);
        await store.commit("bw", { held: { considered: null, items: [heldItem("d", { sinceMs: 30 })], keep } }, 30);
        expect(await held()).toEqual([["d", 30, null]]);
        await store.commit("bw", { done: ["access:d"] }, 40);
        expect(await held()).toEqual([]);
      });

      it("keeps an approval while it is carried out, and drops it when it is done or not wanted any more", async () => {
        const nobody = new Set<string>();
        await store.commit(
          "bw",
          { held: { considered: null, items: [heldItem("a"), heldItem("b")], keep: nobody } },
          10,
        );
        await store.approve("bw", digestOf(["access:a", "access:b"]) ?? "", cause, 20);
        await store.commit("bw", { held: { considered: null, items: [], keep: new Set(["access:a"]) } }, 30);
        expect((await store.held("bw")).map((each) => [each.key, each.approvedAtMs])).toEqual([["access:a", 20]]);
        await store.commit("bw", { done: ["access:a"] }, 40);
        expect(await store.held("bw")).toEqual([]);
      });

      it("keeps nothing that was not approved, even under a key that is being carried out", async () => {
        await store.commit("bw", { held: { considered: null, items: [heldItem("a")], keep: new Set() } }, 10);
        await store.commit("bw", { held: { considered: null, items: [], keep: new Set(["access:a"]) } }, 20);
        expect(await store.held("bw")).toEqual([]);
      });
    });

    describe("an approval", () => {
      const seat = heldItem("s", {
        key: "seat:s",
        reason: "seats",
        change: { op: "invite", userId: "s", email: "s@example.com", externalId: "s" },
      });
      beforeEach(() =>
        store.commit(
          "bw",
          {
            links: [link("a", { retryAtMs: 9999 }), link("b"), link("z", { retryAtMs: 8888 })],
            held: { considered: null, items: [heldItem("a"), heldItem("b"), seat], keep: new Set() },
          },
          10,
        ),
      );

      it("takes exactly the digest of what is held by the budget, and makes it due at once", async () => {
        const digest = digestOf(["access:b", "access:a"]) ?? "";
        expect(await store.approve("bw", "0".repeat(16), cause, 20)).toBe(0);
        expect(await store.approve("op", digest, cause, 20)).toBe(0);
        expect(await store.approve("bw", digestOf(["access:a"]) ?? "", cause, 20)).toBe(0);
        expect(await store.nextRetryAtMs("bw")).toBe(8888);
        expect(await store.approve("bw", digest, cause, 20)).toBe(2);
        expect((await store.held("bw")).map((each) => [each.key, each.approvedAtMs]).sort()).toEqual([
          ["access:a", 20],
          ["access:b", 20],
          ["seat:s", null],
        ]);
        expect(await store.nextRetryAtMs("bw")).toBe(20);
        // Once: nothing is left under it.
        expect(await store.approve("bw", digest, cause, 30)).toBe(0);
        expect((await store.audit(0, 100)).at(-1)).toMatchObject({
          action: "approve",
          actor: "scim:okta",
          target: "bw",
          detail: { digest, removals: 2 },
        });
      });

      it("never lets pass what came to be held after it", async () => {
        const digest = digestOf(["access:a", "access:b"]) ?? "";
        await store.commit("bw", { held: { considered: new Set(["c"]), items: [heldItem("c")], keep: new Set() } }, 15);
        expect(await store.approve("bw", digest, cause, 20)).toBe(0);
        await store.approve("bw", digestOf(["access:a", "access:b", "access:c"]) ?? "", cause, 20);
        await store.commit("bw", { held: { considered: new Set(["d"]), items: [heldItem("d")], keep: new Set() } }, 30);
        expect(
          (await store.held("bw"))
            .filter((each) => each.approvedAtMs === null)
            .map((each) => each.key)
            .sort(),
        ).toEqual(["access:d", "seat:s"]);
      });

      it("that comes while a run is looking is neither lost nor late", async () => {
        await store.approve("bw", digestOf(["access:a", "access:b"]) ?? "", cause, 20);
        // The run began before, takes both for held, and would let them wait.
        await store.commit(
          "bw",
          {
            links: [link("a", { retryAtMs: 5000 }), link("b", { retryAtMs: 5000 })],
            held: { considered: null, items: [heldItem("a"), heldItem("b")], keep: new Set() },
          },
          30,
        );
        expect((await store.held("bw")).map((each) => each.approvedAtMs)).toEqual([20, 20]);
        expect(await store.nextRetryAtMs("bw")).toBe(30);
      });

      it("of what only a fresh plan showed stores it with its approval", async () => {
        await store.approveItems("bw", [heldItem("a"), heldItem("n", { sinceMs: 20 })], cause, 20);
        expect((await store.held("bw")).map((each) => [each.key, each.sinceMs, each.approvedAtMs])).toEqual([
          ["access:a", 10, 20],
          ["access:b", 10, null],
          ["seat:s", 10, null],
          ["access:n", 20, 20],
        ]);
        expect(await store.nextRetryAtMs("bw")).toBe(20);
      });
    });

    describe("a dismissal", () => {
      const nobody = new Set<string>();
      const [both, a, b] = [["access:a", "access:b"], ["access:a"], ["access:b"]].map((keys) => digestOf(keys) ?? "");
      const decided = async () =>
        (await store.held("bw")).map((each) => [each.key, each.approvedAtMs, each.dismissedAtMs, each.dismissedBy]);
      const looks = (items: readonly HeldItem[], considered: ReadonlySet<string> | null = null, keep = nobody) =>
        store.commit("bw", { held: { considered, items, keep } }, 30);
      beforeEach(() =>
        store.commit(
          "bw",
          {
            links: [link("a", { retryAtMs: 9999 }), link("b")],
            held: { considered: null, items: [heldItem("a"), heldItem("b")], keep: nobody },
          },
          10,
        ),
      );

      it("takes exactly a digest, says who and when, and outlasts runs of any scope and a restart", async () => {
        expect(await store.dismiss("bw", "0".repeat(16), cause, 20)).toBe(0);
        expect(await store.dismiss("op", both ?? "", cause, 20)).toBe(0);
        expect(await store.dismiss("bw", both ?? "", cause, 20)).toBe(2);
        // Again is the same, and whose word it was stays.
        expect(await store.dismiss("bw", both ?? "", { actor: "other", requestId: null }, 25)).toBe(2);
        await looks([heldItem("a", { sinceMs: 30 }), heldItem("b", { sinceMs: 30 })]);
        await looks([heldItem("a", { sinceMs: 30 })], new Set(["a", "z"]));
        store = await harness.reopen();
        expect(await decided()).toEqual([
          ["access:a", null, 20, "scim:okta"],
          ["access:b", null, 20, "scim:okta"],
        ]);
        expect(await store.nextRetryAtMs("bw")).toBe(9999);
        const told = (await store.audit(0, 100)).filter(({ action }) => action.startsWith("dismiss"));
        expect(told.map(({ action, entityId, actor, detail }) => [action, entityId, actor, detail["digest"]])).toEqual([
          ["dismissed.suspend", "a", "scim:okta", both],
          ["dismissed.suspend", "b", "scim:okta", both],
          ["dismiss", null, "scim:okta", both],
        ]);
      });

      it("is not of what is held later, nor of the same person once they were off the list", async () => {
        await store.dismiss("bw", both ?? "", cause, 20);
        await looks([heldItem("c", { sinceMs: 30 })], new Set(["c"]));
        await looks([], new Set(["a"]));
        await looks([heldItem("a", { sinceMs: 40 })], new Set(["a"]));
        expect(await decided()).toEqual([
          ["access:b", null, 20, "scim:okta"],
          ["access:c", null, null, null],
          ["access:a", null, null, null],
        ]);
      });

      it("leaves what came later to be approved alone, by a digest of its own, or all together", async () => {
        await store.dismiss("bw", both ?? "", cause, 20);
        await looks([heldItem("c", { sinceMs: 30 })], new Set(["c"]));
        expect(await store.approve("bw", digestOf(["access:c"]) ?? "", cause, 40)).toBe(1);
        expect(await decided()).toEqual([
          ["access:a", null, 20, "scim:okta"],
          ["access:b", null, 20, "scim:okta"],
          ["access:c", 40, null, null],
        ]);
        expect(await store.approve("bw", a ?? "", cause, 50)).toBe(0);
        expect(await store.approve("bw", both ?? "", cause, 50)).toBe(2);
        expect(await decided()).toEqual([
          ["access:a", 50, null, null],
          ["access:b", 50, null, null],
          ["access:c", 40, null, null],
        ]);
        expect(await store.nextRetryAtMs("bw")).toBe(50);
        expect(await store.dismiss("bw", both ?? "", cause, 60)).toBe(0);

        await looks([heldItem("d"), heldItem("e")], null);
        await store.dismiss("bw", digestOf(["access:d", "access:e"]) ?? "", cause, 70);
        await looks([heldItem("f")], new Set(["f"]));
        const all = digestOf(["access:d", "access:e", "access:f"]) ?? "";
        expect(await store.dismiss("bw", all, cause, 80)).toBe(3);
        expect(await store.approve("bw", all, cause, 90)).toBe(3);
      });

      it("that comes while a run is about to carry it out stops that run before its first call", async () => {
        await store.dismiss("bw", both ?? "", cause, 20);
        await expect(
          store.commit(
            "bw",
            { charge: ["a"], held: { considered: null, items: [heldItem("b")], keep: new Set(["access:a"]) } },
            30,
          ),
        ).rejects.toMatchObject({ code: "DISMISSED" });
        expect((await store.charges("bw", 0)).size).toBe(0);
        expect((await decided()).map(([key]) => key)).toEqual(["access:a", "access:b"]);
        await store.approve("bw", both ?? "", cause, 40);
        await looks([], null, new Set(["access:a", "access:b"]));
        expect((await decided()).map(([, approved]) => approved)).toEqual([40, 40]);
      });

      it("of what only a fresh plan showed stores it, and changes nothing about what is approved", async () => {
        await store.approve("bw", both ?? "", cause, 15);
        await looks([heldItem("b")], null, new Set(["access:a"]));
        await store.dismissItems("bw", [heldItem("b"), heldItem("n", { sinceMs: 20 })], cause, 20);
        expect(await decided()).toEqual([
          ["access:a", 15, null, null],
          ["access:b", 15, null, null],
          ["access:n", null, 20, "scim:okta"],
        ]);
        expect(b).not.toBe(a);
      });

      it("asks for nobody any more: neither alerts nor the list of what needs a person", async () => {
        const [ada, bob, cai] = [await hire("ada"), await hire("bob"), await hire("cai")];
        await looks([heldItem(ada), heldItem(bob, { reason: "restored" }), heldItem(cai, { reason: "scope" })]);
        const kinds = async () => (await store.attention(["bw"], 0)).map(({ kind, count }) => [kind, count]);
        expect(await kinds()).toEqual([
          ["held", 1],
          ["scope", 1],
          ["restored", 1],
        ]);
        const reasons = { budget: 1, restored: 1, scope: 1 };
        expect(await store.heldSummary("bw")).toMatchObject({ reasons, keys: { length: 3 } });
        await store.dismiss("bw", digestOf([ada, bob, cai].map((id) => `access:${id}`)) ?? "", cause, 20);
        expect(await kinds()).toEqual([]);
        expect(await store.heldSummary("bw")).toEqual({ keys: [], reasons: {}, sinceMs: null });
        expect((await store.targetCounts("bw")).held).toBe(3);
      });
    });

    describe("counts", () => {
      it("have each entity exactly once, by what matters most about it", async () => {
        // Older than what is pending: a user who has left the target too does not count.
        harness.clock.nowMs = 400;
        const gone = await hire("7");
        harness.clock.nowMs = 500;
        const [synced, pending, failed, held, missing, fresh, left] = [
          await hire("1"),
          await hire("2"),
          await hire("3"),
          await hire("4"),
          await hire("5"),
          await hire("6"),
          await hire("8"),
        ];
        const [eng, ops] = [await found("eng"), await found("ops")];
        for (const id of [gone, left]) await store.deleteUser(source, id ?? "", null, cause);
        await store.commit(
          "bw",
          {
            links: [
              link(synced),
              link(pending, { appliedRev: 0 }),
              link(failed, { appliedRev: 0, errorCode: "TARGET_REFUSED" }),
              link(held, { appliedRev: 0, errorCode: "TARGET_REFUSED" }),
              link(missing, { note: "not-in-target", remoteId: null }),
              link(gone ?? "", { appliedRev: 2, remoteId: null }),
              link(left ?? "", { appliedRev: 2 }),
              link(eng, { kind: "group" }),
            ],
            held: {
              considered: null,
              items: [heldItem(held), heldItem(held, { key: `member:g:${held}` })],
              keep: new Set(),
            },
          },
          600,
        );
        // In sync: one person, one who left and is suspended, one group. Pending: one who changed, one never looked at, one group.
        expect(await store.targetCounts("bw")).toEqual({
          inSync: 3,
          pending: 3,
          failed: 1,
          held: 1,
          missing: 1,
          oldestPendingMs: 500,
        });
        expect(fresh && ops).toBeTruthy();
        await store.approve("bw", digestOf([`access:${held}`, `member:g:${held}`]) ?? "", cause, 700);
        expect(await store.targetCounts("bw")).toMatchObject({ failed: 2, held: 0 });
        expect(await store.targetCounts("new")).toMatchObject({
          inSync: 0,
          pending: 10,
          failed: 0,
          held: 0,
          missing: 0,
        });
      });

      it("of sources are of who is present", async () => {
        expect(await store.sourceCounts()).toEqual(new Map());
        harness.clock.nowMs = 900;
        const ada = await hire("ada");
        await hire("bob");
        await found("eng");
        await hire("eve", {}, "entra");
        harness.clock.nowMs = 1000;
        await store.deleteUser(source, ada, null, cause);
        expect(await store.sourceCounts()).toEqual(
          new Map([
            ["okta", { users: 1, groups: 1, lastChangeAtMs: 900 }],
            ["entra", { users: 1, groups: 0, lastChangeAtMs: 900 }],
          ]),
        );
      });

      it("go with the state of connections, by role and name", async () => {
        const state = {
          name: "x",
          role: "target",
          type: "bitwarden",
          lastSuccessAtMs: 1,
          failingSinceMs: 2,
          retryAtMs: 3,
          errorCode: "E",
          errorMessage: "m",
        } as const;
        const other = {
          ...state,
          role: "source",
          lastSuccessAtMs: null,
          failingSinceMs: null,
          retryAtMs: null,
          errorCode: null,
          errorMessage: null,
        } as const;
        await store.putConnection({ ...state, lastSuccessAtMs: 0 });
        await store.putConnection(other);
        await store.putConnection(state);
        store = await harness.reopen();
        expect(await store.connections()).toEqual([other, state]);
      });
    });

    describe("the audit trail", () => {
      it("tells each change, in order, with its cause", async () => {
        const ada = await hire("ada", { email: "ada@example.com" });
        const eng = await found("eng", [ada]);
        await store.updateUser(
          source,
          ada,
          null,
          () => userWrite("ada", { email: "ada@example.com", isActive: false }),
          { actor: "scim:okta", requestId: "r-2" },
        );
        await members(eng, { op: "remove", userIds: [ada] });
        await store.deleteGroup(source, eng, null, cause);
        await store.deleteUser(source, ada, null, cause);
        const rows = await store.audit(0, 100);
        expect(rows.map((row) => row.action)).toEqual([
          "user.create",
          "group.create",
          "group.members",
          "group.join",
          "user.update",
          "group.members",
          "group.leave",
          "group.delete",
          "user.delete",
        ]);
        expect(rows[4]).toMatchObject({
          actor: "scim:okta",
          requestId: "r-2",
          kind: "user",
          entityId: ada,
          name: "ada@example.com",
          rev: 3,
          detail: { active: { from: true, to: false } },
          atMs: harness.clock.nowMs,
        });
        expect(rows[3]).toMatchObject({
          kind: "user",
          entityId: ada,
          rev: 2,
          detail: { group: { id: eng, name: "eng" } },
        });
        expect(rows.map((row) => row.seq)).toEqual([...rows.map((row) => row.seq)].sort((a, b) => a - b));
        expect(await store.audit(rows[3]?.seq ?? 0, 2)).toEqual(rows.slice(4, 6));
      });

      it("tells which requests a target has not followed yet", async () => {
        const by = (requestId: string | null): Cause => ({ actor: "scim:okta", requestId });
        const change = (id: string, name: string, requestId: string | null) =>
          store.updateUser(
            source,
            id,
            null,
            () => userWrite(name, { displayName: `${name} ${requestId}` }),
            by(requestId),
          );
        const ada = await hire("ada");
        const alan = await hire("alan");
        for (const requestId of ["r-2", null, "r-3", "r-3"]) await change(ada, "ada", requestId);
        expect(await store.causes("bw", [ada, alan, "nobody"])).toEqual(
          new Map([
            [ada, ["r-3", "r-2", "r-1"]],
            [alan, ["r-1"]],
          ]),
        );
        await store.commit(
          "bw",
          {
            links: [
              { ...link(ada), appliedRev: 2 },
              { ...link(alan), appliedRev: 1 },
            ],
          },
          1,
        );
        // What is delivered asks for nothing any more; another target has its own count.
        expect(await store.causes("bw", [ada, alan])).toEqual(new Map([[ada, ["r-3"]]]));
        expect((await store.causes("op", [ada])).get(ada)).toEqual(["r-3", "r-2", "r-1"]);
        for (let index = 10; index < 40; index += 1) await change(ada, "ada", `r-${index}`);
        expect((await store.causes("bw", [ada])).get(ada)).toEqual(
          Array.from({ length: 10 }, (_, index) => `r-${39 - index}`),
        );
      });

      it("tells alerts who fails and what is held, and keeps what they say", async () => {
        const failed = (id: string, errorCode: string | null) => link(id, { errorCode, errorMessage: errorCode });
        const keep = new Set<string>();
        await store.commit(
          "bw",
          {
            links: [failed("b", "TARGET_REFUSED"), failed("a", "TARGET_UNREACHABLE"), failed("c", null)],
            held: {
              considered: null,
              items: [
                heldItem("late", { sinceMs: 9 }),
                heldItem("early", { sinceMs: 4 }),
                heldItem("seat", { reason: "seats", sinceMs: 1 }),
                heldItem("approved", { approvedAtMs: 5, sinceMs: 1 }),
              ],
              keep,
            },
          },
          1,
        );
        expect(await store.failures("bw", 10)).toEqual([
          { kind: "user", entityId: "a", code: "TARGET_UNREACHABLE" },
          { kind: "user", entityId: "b", code: "TARGET_REFUSED" },
        ]);
        expect(await store.failures("bw", 1)).toHaveLength(1);
        expect(await store.failures("op", 10)).toEqual([]);
        expect(await store.heldSummary("bw")).toEqual({
          keys: [heldItem("early").key, heldItem("late").key],
          reasons: { budget: 2 },
          sinceMs: 4,
        });
        expect(await store.heldSummary("op")).toEqual({ keys: [], reasons: {}, sinceMs: null });
        expect(await store.alertState()).toBeNull();
        await store.putAlertState("one");
        await store.putAlertState('{"two":2}');
        expect(await (await harness.reopen()).alertState()).toBe('{"two":2}');
      });

      it("has no row of a write that failed", async () => {
        const ada = await hire("ada");
        const rows = await auditCount();
        const heard: unknown[] = [];
        store.onChange((refs) => heard.push(refs));
        const failures = await Promise.allSettled([
          hire("ADA"),
          store.updateUser(source, ada, 99, () => userWrite("x"), cause),
          store.deleteUser(source, "nobody", null, cause),
          store.createGroup(source, groupWrite("g"), ["nobody"], { ...skip, unknownMembers: "reject" }, cause),
        ]);
        expect(failures.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected", "rejected"]);
        expect(await auditCount()).toBe(rows);
        expect(heard).toEqual([]);
      });

      it("gives all details of a user, found by address, userName or id", async () => {
        const ada = await hire("Ada.L", {
          email: "ada@example.com",
          emails: ["ada@example.com", "second@example.com"],
        });
        const old = await hire("old", { email: "ada@example.com" }, "entra");
        await found("eng", [ada]);
        await store.deleteUser("entra", old, null, cause);
        await store.commit(
          "bw",
          {
            links: [link(ada)],
            held: { considered: null, items: [heldItem(ada)], keep: new Set() },
            audit: [
              {
                actor: "reconcile",
                requestId: null,
                action: "invite",
                kind: "user",
                entityId: ada,
                name: "ada@example.com",
                target: "bw",
                rev: 2,
                detail: { outcome: "applied" },
              },
            ],
          },
          5,
        );
        const [userDetails, gone] = await store.userDetails(" ADA@example.com ");
        expect(userDetails).toMatchObject({
          user: { id: ada },
          userName: "Ada.L",
          groups: ["eng"],
          links: [link(ada)],
          held: [{ key: `access:${ada}`, target: "bw" }],
        });
        expect(userDetails?.history.map((row) => row.action)).toEqual(["user.create", "group.join", "invite"]);
        expect(gone?.user).toMatchObject({ id: old, absentSinceMs: harness.clock.nowMs });
        for (const query of ["ada.l", "SECOND@example.com", ada])
          expect((await store.userDetails(query)).map((each) => each.user.id)).toEqual([ada]);
        expect(await store.userDetails("nobody")).toEqual([]);
      });

      it("shows of a long history the newest", async () => {
        const ada = await hire("ada");
        const entry = (at: number) => ({
          actor: "reconcile",
          requestId: null,
          action: `step${at}`,
          kind: "user" as const,
          entityId: ada,
          name: null,
          target: "bw",
          rev: 1,
          detail: {},
        });
        await store.commit("bw", { audit: Array.from({ length: 1100 }, (_, at) => entry(at)) }, 1);
        const [userDetails] = await store.userDetails(ada);
        expect(userDetails?.history.at(-1)?.action).toBe("step1099");
        expect(userDetails?.history.length).toBeGreaterThanOrEqual(1000);
      });

      it("names the entities that ask for attention: failures first, nobody who is gone", async () => {
        const [ada, bob, eve] = [await hire("ada", { email: "ada@example.com" }), await hire("bob"), await hire("eve")];
        const eng = await found("eng");
        await store.deleteUser(source, eve, null, cause);
        await store.commit(
          "bw",
          {
            links: [
              link(ada, { note: "staged" }),
              link(bob, { errorCode: "TARGET_REFUSED" }),
              link(eve, { errorCode: "TARGET_REFUSED" }),
              link(eng, { kind: "group", note: "ambiguous" }),
            ],
          },
          1,
        );
        expect((await store.problems("bw", 10)).map((each) => [each.name, each.kind])).toEqual([
          ["bob", "user"],
          ["eng", "group"],
          ["ada@example.com", "user"],
        ]);
        expect(await store.problems("bw", 1)).toHaveLength(1);
        expect(await store.problems("op", 10)).toEqual([]);
      });
    });

    describe("credentials", () => {
      const row = (name: string, more: Partial<StoredCredential> = {}): StoredCredential => ({
        name,
        type: "bitwarden",
        keyId: "k1",
        sealed: `sealed-${name}`,
        createdAtMs: 5,
        changedAtMs: 5,
        verifiedAtMs: 5,
        ...more,
      });

      it("are kept as they are given, by name", async () => {
        expect(await store.credentials()).toEqual([]);
        await store.putCredential(row("b"), cause);
        await store.putCredential(row("a", { type: "onepassword" }), cause);
        store = await harness.reopen();
        expect(await store.credentials()).toEqual([row("a", { type: "onepassword" }), row("b")]);
      });

      it("are replaced, and stay as old as they were", async () => {
        await store.putCredential(row("a"), cause);
        const newer = { sealed: "other", keyId: "k2", type: "onepassword", changedAtMs: 9, verifiedAtMs: 9 };
        await store.putCredential(row("a", { ...newer, createdAtMs: 9 }), cause);
        expect(await store.credentials()).toEqual([row("a", newer)]);
      });

      it("are removed once", async () => {
        await store.putCredential(row("a"), cause);
        await store.putCredential(row("b"), cause);
        harness.clock.nowMs = 77;
        expect([await store.removeCredential("a", cause), await store.removeCredential("a", cause)]).toEqual([
          true,
          false,
        ]);
        expect(await store.credentials()).toEqual([row("b")]);
      });

      it("are sealed anew all at once, and what fails changes none", async () => {
        for (const name of ["a", "b", "c"])
          await store.putCredential(row(name, name === "b" ? { keyId: "k2" } : {}), cause);
        const before = await store.credentials();
        const reseal = ({ sealed }: StoredCredential) => ({ keyId: "k2", sealed: `${sealed}-anew` });
        const failing = (each: StoredCredential) => {
          if (each.name === "c") throw new Error("can't be opened");
          return reseal(each);
        };
        await expect(store.resealCredentials(failing, 9, cause)).rejects.toThrow("can't be opened");
        expect(await store.credentials()).toEqual(before);
        expect(await store.resealCredentials(reseal, 9, cause)).toBe(2);
        expect(await store.credentials()).toEqual([
          row("a", { keyId: "k2", sealed: "sealed-a-anew" }),
          row("b", { keyId: "k2" }),
          row("c", { keyId: "k2", sealed: "sealed-c-anew" }),
        ]);
        expect(await store.resealCredentials(reseal, 10, cause)).toBe(0);
      });

      it("are seen from another process at once", async () => {
        const other = await harness.beside();
        await other.putCredential(row("a"), cause);
        expect(await store.credentials()).toEqual([row("a")]);
        await other.removeCredential("a", cause);
        expect(await store.credentials()).toEqual([]);
      });

      it("leave a trace of who did what, without what is sealed", async () => {
        await store.putCredential(row("a"), cause);
        await store.putCredential(row("a", { changedAtMs: 6 }), cause);
        await store.resealCredentials(() => ({ keyId: "k2", sealed: "anew" }), 7, cause);
        await store.removeCredential("a", cause);
        const rows = await store.audit(0, 10);
        expect(rows.map(({ action, name, target, actor }) => [action, name, target, actor])).toEqual(
          ["connect", "change", "rekey", "disconnect"].map((what) => [`connection.${what}`, "a", "a", "scim:okta"]),
        );
        expect(JSON.stringify(rows)).not.toMatch(/sealed|anew/);
        expect(rows[2]).toMatchObject({ atMs: 7, detail: { from: "k1", to: "k2" } });
      });
    });

    describe("tokens", () => {
      it("are kept as hashes, and revoked once", async () => {
        const token = {
          id: "t1",
          source,
          hash: "ab",
          label: "laptop",
          createdAtMs: 5,
          revokedAtMs: null,
          expiresAtMs: null,
          lastUsedAtMs: null,
        };
        await store.addToken(token, cause);
        store = await harness.reopen();
        expect(await store.tokens()).toEqual([token]);
        expect(await store.revokeToken("t1", 9, cause)).toBe(true);
        expect(await store.revokeToken("t1", 10, cause)).toBe(false);
        expect(await store.revokeToken("nobody", 10, cause)).toBe(false);
        expect(await store.tokens()).toEqual([{ ...token, revokedAtMs: 9 }]);
        expect((await store.audit(0, 10)).map((row) => row.action)).toEqual(["token.create", "token.revoke"]);
        expect(JSON.stringify(await store.audit(0, 10))).not.toContain('"ab"');
      });

      it("are rotated: the old one is good for a while, and never for longer than it was", async () => {
        const token = {
          id: "t1",
          source,
          hash: "ab",
          label: "okta",
          createdAtMs: 5,
          revokedAtMs: null,
          expiresAtMs: null,
          lastUsedAtMs: null,
        };
        const next = { ...token, id: "t2", hash: "cd", createdAtMs: 10 };
        await store.addToken(token, cause);
        expect(await store.rotateToken("nobody", next, 20, cause)).toBe(false);
        expect(await store.rotateToken("t1", next, 20, cause)).toBe(true);
        expect(await store.tokens()).toEqual([{ ...token, expiresAtMs: 20 }, next]);
        expect(await store.rotateToken("t1", { ...next, id: "t3", createdAtMs: 12 }, 99, cause)).toBe(true);
        expect((await store.tokens())[0]?.expiresAtMs).toBe(20);
        // Over: nothing is made in its place.
        expect(await store.rotateToken("t1", { ...next, id: "t4", createdAtMs: 20 }, 99, cause)).toBe(false);
        expect((await store.tokens()).map(({ id }) => id)).toEqual(["t1", "t2", "t3"]);
        expect((await store.audit(0, 10)).at(-1)).toMatchObject({
          action: "token.rotate",
          detail: { id: "t1", by: "t3", goodUntil: "1970-01-01T00:00:00.020Z" },
        });
      });

      it("remember when they were last used, of two times the later, without a row of the audit", async () => {
        await store.addToken(
          {
            id: "t1",
            source,
            hash: "ab",
            label: "",
            createdAtMs: 5,
            revokedAtMs: null,
            expiresAtMs: 9,
            lastUsedAtMs: null,
          },
          cause,
        );
        for (const atMs of [100, 50, 120])
          await store.noteTokenUse(
            new Map([
              ["t1", atMs],
              ["nobody", atMs],
            ]),
          );
        store = await harness.reopen();
        expect(await store.tokens()).toMatchObject([{ expiresAtMs: 9, lastUsedAtMs: 120 }]);
        expect(await auditCount()).toBe(1);
      });
    });

    describe("listeners", () => {
      it("hear after the commit what changed, until they stop", async () => {
        const heard: EntityRef[] = [];
        const seen: (number | undefined)[] = [];
        const looks: Promise<void>[] = [];
        const stop = store.onChange((refs) => {
          heard.push(...refs);
          for (const { id } of refs) looks.push(rev(id).then((found) => void seen.push(found)));
        });
        const ada = await hire("ada");
        await Promise.all(looks);
        expect(heard).toEqual([{ kind: "user", id: ada }]);
        expect(seen).toEqual([1]);
        heard.length = 0;
        await store.updateUser(source, ada, null, () => null, cause);
        expect(heard).toEqual([]);
        stop();
        await hire("bob");
        expect(heard).toEqual([]);
      });

      it("hear of everybody whom a change made dirty", async () => {
        const [ada, bob] = [await hire("ada"), await hire("bob")];
        const eng = await found("eng", [ada, bob]);
        await store.commit(
          "bw",
          { links: [link(ada, { appliedRev: 2 }), link(bob, { appliedRev: 2 }), link(eng, { kind: "group" })] },
          1,
        );
        const heard = new Set<string>();
        store.onChange((refs) => {
          for (const { id } of refs) heard.add(id);
        });
        /** Either each of them, or "everybody", who is found by a scan. */
        const expectAllHeard = async (): Promise<void> => {
          const ids = await looked();
          expect(ids.length).toBeGreaterThan(0);
          if (!heard.has("*")) expect([...heard]).toEqual(expect.arrayContaining(ids));
          const revs = await Promise.all([ada, bob].map(rev));
          await store.commit(
            "bw",
            { links: [link(ada, { appliedRev: revs[0] ?? 0 }), link(bob, { appliedRev: revs[1] ?? 0 })] },
            1,
          );
          heard.clear();
        };
        await members(eng, { op: "remove", userIds: [ada] });
        await expectAllHeard();
        await members(eng, { op: "remove", userIds: [bob] }, { op: "add", userIds: [bob] });
        await expectAllHeard();
        await edit(eng, { write: groupWrite("renamed"), members: [] });
        await expectAllHeard();
        await store.deleteGroup(source, eng, null, cause);
        await expectAllHeard();
      });
    });

    describe("writes that meet", () => {
      it("each succeed or fail for themselves", async () => {
        const taken = await hire("taken");
        const results = await Promise.allSettled(
          Array.from({ length: 200 }, (_, index) => {
            if (index % 10 === 3) return hire("TAKEN");
            // Fails when it has written already: the group is there, its members are not known.
            if (index % 10 === 1)
              return store.createGroup(
                source,
                groupWrite(`g${index}`),
                ["nobody"],
                { ...skip, unknownMembers: "reject" },
                cause,
              );
            if (index % 10 === 6)
              return store.updateUser(
                source,
                taken,
                null,
                () => {
                  throw new Error("mine");
                },
                cause,
              );
            if (index % 10 === 9) return store.deleteUser(source, "nobody", null, cause);
            return hire(`p${index}`);
          }),
        );
        const expected = results.map(
          (_, index) => ({ 1: "UNKNOWN_MEMBER", 3: "UNIQUENESS", 6: "mine", 9: "NOT_FOUND" })[index % 10] ?? "ok",
        );
        expect(
          results.map((result) =>
            result.status === "fulfilled"
              ? "ok"
              : result.reason instanceof RollcallError
                ? result.reason.code
                : String(result.reason.message),
          ),
        ).toEqual(expected);
        store = await harness.reopen();
        expect((await store.listUsers(source, everyone)).total).toBe(121);
        expect((await store.listGroups(source, everyone)).total).toBe(0);
        expect((await store.audit(0, 1000)).map((row) => row.action)).toEqual(Array(121).fill("user.create"));
      });

      it("are acknowledged when others can see them, not before", async () => {
        const other = await harness.beside();
        const seen = await Promise.all(
          Array.from(
            { length: 100 },
            async (_, index) => (await other.getUser(source, await hire(`p${index}`))) !== null,
          ),
        );
        expect(seen).toEqual(Array(100).fill(true));
      });

      it("lose no member of a group that all of them join, each by a patch of one", async () => {
        const ids = await Promise.all(Array.from({ length: 100 }, (_, index) => hire(`p${index}`)));
        const eng = await found("eng");
        await Promise.all(
          ids.map((id, index) =>
            members(eng, { op: "add", userIds: [id] }).then(() =>
              index % 2 ? members(eng, { op: "remove", userIds: [id] }) : null,
            ),
          ),
        );
        expect(await memberIds(eng)).toEqual(ids.filter((_, index) => index % 2 === 0));
        expect((await store.getGroup(source, eng))?.rev).toBe(151);
      });

      it("on one version: exactly one of them wins", async () => {
        const ada = await hire("ada");
        const results = await Promise.allSettled(
          Array.from({ length: 20 }, (_, index) =>
            store.updateUser(source, ada, 1, () => userWrite(`ada${index}`), cause),
          ),
        );
        expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
        expect(await rev(ada)).toBe(2);
      });

      it("on one userName: exactly one of them has it", async () => {
        const results = await Promise.allSettled(Array.from({ length: 20 }, () => hire("Same")));
        expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
        expect((await store.listUsers(source, everyone)).total).toBe(1);
      });

      it("from another process are seen here, and none is lost", async () => {
        const other = await harness.beside();
        const write = (into: DirectoryStore, prefix: string) =>
          Promise.all(
            Array.from({ length: 50 }, (_, index) => into.createUser(source, userWrite(`${prefix}${index}`), cause)),
          );
        await Promise.all([write(store, "a"), write(other, "b")]);
        expect((await store.listUsers(source, everyone)).total).toBe(100);
        expect((await other.listUsers(source, everyone)).total).toBe(100);
        await store.commit("bw", { held: { considered: null, items: [heldItem("a")], keep: new Set() } }, 1);
        expect(await other.approve("bw", digestOf(["access:a"]) ?? "", cause, 2)).toBe(1);
        expect((await store.held("bw"))[0]?.approvedAtMs).toBe(2);
      });

      it("are taken, as far as can be told beforehand", async () => {
        await expect(store.assertWritable()).resolves.toBeUndefined();
        await expect(store.assertWritable()).resolves.toBeUndefined();
      });
    });
  });
}
