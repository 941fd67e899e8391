import { describe, expect, it } from "vitest";
import type { EntityRef } from "../../src/domain/model/entities.ts";
import { RollcallError } from "../../src/domain/model/errors.ts";
import { digestOf } from "../../src/domain/model/plan.ts";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import type { GroupOptions } from "../../src/domain/ports/scim-store.ts";
import { userWrite } from "../support/entities.ts";
import { cause, dirty, everyone, groupWrite, heldItem, link, type StoreWorld, skip, source } from "./store-world.ts";

/** The writes of `ScimStore`. */
export function scimWrites(world: StoreWorld): void {
  describe("users of a SCIM source", () => {
    const { hire, found, memberIds, rev, auditCount, names } = world;
    it("a user is read back as written, with times and version", async () => {
      const resource = { userName: "Ada", name: { givenName: "Ada 🦉" }, "urn:x": [1, null, true, { deep: [] }] };
      const made = await world.store.createUser(source, userWrite("Ada", { resource, externalId: "E1" }), cause);
      expect(made).toEqual({
        id: made.id,
        rev: 1,
        createdAtMs: world.clock.nowMs,
        modifiedAtMs: world.clock.nowMs,
        resource,
      });
      expect(await world.store.getUser(source, made.id)).toEqual(made);
      await world.reopen();
      expect(await world.store.getUser(source, made.id)).toEqual(made);
    });

    it("an update gets the present user and gives a new version", async () => {
      const id = await hire("ada");
      world.clock.nowMs += 1000;
      const after = await world.store.updateUser(
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
        createdAtMs: world.clock.nowMs - 1000,
        modifiedAtMs: world.clock.nowMs,
        resource: { userName: "ada.l", active: false },
      });
      expect(await world.store.getUser(source, id)).toEqual(after);
    });

    it("an edit that returns null changes nothing", async () => {
      const id = await hire("ada");
      world.clock.nowMs += 1000;
      const rows = await auditCount();
      const before = await world.store.getUser(source, id);
      expect(await world.store.updateUser(source, id, null, () => null, cause)).toEqual(before);
      expect(await world.store.getUser(source, id)).toEqual(before);
      expect(await auditCount()).toBe(rows);
    });

    it("an edit that throws changes nothing, and its error arrives", async () => {
      const id = await hire("ada");
      const rows = await auditCount();
      const mine = new Error("mine");
      await expect(
        world.store.updateUser(
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

    it("an update or deletion that expects another version is refused", async () => {
      const id = await hire("ada");
      await world.store.updateUser(source, id, 1, () => userWrite("ada"), cause);
      for (const attempt of [
        world.store.updateUser(source, id, 1, () => userWrite("x"), cause),
        world.store.deleteUser(source, id, 1, cause),
      ]) {
        await expect(attempt).rejects.toMatchObject({ code: "REV_MISMATCH" });
      }
      expect(await world.store.getUser(source, id)).toMatchObject({ rev: 2, resource: { userName: "ada" } });
    });

    it("a userName is unique in its source in any letter case, until its user is deleted", async () => {
      const ada = await hire("Ada@Example.com");
      const bob = await hire("bob");
      await expect(hire("ADA@example.COM")).rejects.toMatchObject({ code: "UNIQUENESS" });
      await expect(
        world.store.updateUser(source, bob, null, () => userWrite("aDA@example.com"), cause),
      ).rejects.toMatchObject({ code: "UNIQUENESS" });
      expect(await world.store.updateUser(source, ada, null, () => userWrite("ada@EXAMPLE.com"), cause)).toMatchObject({
        rev: 2,
      });
      await hire("ada@example.com", {}, "entra");
      await world.store.deleteUser(source, ada, null, cause);
      const again = await hire("ada@example.com");
      expect(again).not.toBe(ada);
      expect((await world.store.listUsers(source, everyone)).total).toBe(2);
    });

    it("a deleted user loses all memberships and stays in the input of targets", async () => {
      const ada = await hire("ada", { email: "ada@example.com", emails: ["ada@example.com"] });
      const eng = await found("eng", [ada]);
      const before = await world.store.getGroup(source, eng);
      world.clock.nowMs += 1000;
      await world.store.deleteUser(source, ada, null, cause);
      expect(await world.store.getUser(source, ada)).toBeNull();
      expect(await memberIds(eng)).toEqual([]);
      expect(await names({ op: "co", field: "emails", value: "ada" })).toEqual([]);
      expect((await world.store.getGroup(source, eng))?.rev).toBe((before?.rev ?? 0) + 1);
      for (const attempt of [
        world.store.updateUser(source, ada, null, () => null, cause),
        world.store.deleteUser(source, ada, null, cause),
      ]) {
        await expect(attempt).rejects.toMatchObject({ code: "NOT_FOUND" });
      }
      const slice = await world.store.readInput("bw", { kind: "all" }, world.clock.nowMs);
      expect(slice.users).toMatchObject([
        { user: { id: ada, absentSinceMs: world.clock.nowMs, email: "ada@example.com" }, groupIds: [] },
      ]);
    });

    it("users and groups exist in their own source only", async () => {
      const ada = await hire("ada");
      const eng = await found("eng", [ada]);
      expect(await world.store.getUser("entra", ada)).toBeNull();
      expect(await world.store.getGroup("entra", eng)).toBeNull();
      expect((await world.store.listUsers("entra", everyone)).total).toBe(0);
      expect((await world.store.groupsOfUsers("entra", [ada])).size).toBe(0);
      expect((await world.store.membersOfGroups("entra", [eng])).size).toBe(0);
      await expect(world.store.updateUser("entra", ada, null, () => null, cause)).rejects.toMatchObject({
        code: "NOT_FOUND",
      });
      await expect(world.store.deleteUser("entra", ada, null, cause)).rejects.toMatchObject({ code: "NOT_FOUND" });
      await expect(world.store.updateGroup("entra", eng, null, () => null, skip, cause)).rejects.toMatchObject({
        code: "NOT_FOUND",
      });
      await expect(world.store.deleteGroup("entra", eng, null, cause)).rejects.toMatchObject({ code: "NOT_FOUND" });
      expect((await world.store.createGroup("entra", groupWrite("eng"), [ada], skip, cause)).unknownMembers).toEqual([
        ada,
      ]);
      expect(await rev(ada)).toBe(2);
    });
  });

  describe("groups of a SCIM source", () => {
    const { hire, found, edit, members, memberIds, rev, auditCount, put } = world;
    it("a group is read back as written, with its members in order of creation", async () => {
      const [ada, bob] = [await hire("ada"), await hire("bob")];
      const made = await world.store.createGroup(source, groupWrite("Eng", "X"), [bob, ada, bob], skip, cause);
      expect(made.unknownMembers).toEqual([]);
      expect(made.record).toEqual({
        id: made.record.id,
        rev: 1,
        createdAtMs: world.clock.nowMs,
        modifiedAtMs: world.clock.nowMs,
        resource: { displayName: "Eng" },
      });
      await world.reopen();
      expect(await world.store.getGroup(source, made.record.id)).toEqual(made.record);
      expect((await world.store.membersOfGroups(source, [made.record.id])).get(made.record.id)).toEqual([
        { id: ada, displayName: "ada" },
        { id: bob, displayName: "bob" },
      ]);
      expect((await world.store.groupsOfUsers(source, [ada, bob])).get(bob)).toEqual([
        { id: made.record.id, displayName: "Eng" },
      ]);
    });

    it("groups without members and users without groups are left out of the answer", async () => {
      const [ada, eng] = [await hire("ada"), await found("eng")];
      expect(await world.store.membersOfGroups(source, [eng, "nobody"])).toEqual(new Map());
      expect(await world.store.groupsOfUsers(source, [ada])).toEqual(new Map());
      expect(await world.store.membersOfGroups(source, [])).toEqual(new Map());
      expect(await world.store.groupsOfUsers(source, [])).toEqual(new Map());
    });

    it("a displayName is unique where the option asks for it", async () => {
      const eng = await found("Eng");
      const ops = await found("ops");
      await expect(found("eNG")).rejects.toMatchObject({ code: "UNIQUENESS" });
      await expect(edit(ops, { write: groupWrite("ENG"), members: [] })).rejects.toMatchObject({
        code: "UNIQUENESS",
      });
      await edit(ops, { write: groupWrite("ENG"), members: [] }, { ...skip, isNameUnique: false });
      await edit(eng, { write: groupWrite("Eng", "same name, new key"), members: [] });
      await world.store.deleteGroup(source, eng, null, cause);
      await world.store.deleteGroup(source, ops, null, cause);
      await found("eng");
    });

    it("an update or deletion of a group that expects another version is refused", async () => {
      const eng = await found("eng");
      await expect(
        world.store.updateGroup(source, eng, 2, () => ({ write: groupWrite("x"), members: [] }), skip, cause),
      ).rejects.toMatchObject({ code: "REV_MISMATCH" });
      await expect(world.store.deleteGroup(source, eng, 2, cause)).rejects.toMatchObject({ code: "REV_MISMATCH" });
      expect(
        (await world.store.updateGroup(source, eng, 1, () => ({ write: groupWrite("x"), members: [] }), skip, cause))
          .record.rev,
      ).toBe(2);
    });

    it("an edit that reads the members and throws changes nothing", async () => {
      const ada = await hire("ada");
      const eng = await found("eng", [ada]);
      const rows = await auditCount();
      await expect(
        world.store.updateGroup(
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
      expect(await world.store.getGroup(source, eng)).toMatchObject({ rev: 1 });
      expect(await auditCount()).toBe(rows);
    });

    it("an edit that changes no member keeps version and times", async () => {
      const [ada, bob] = [await hire("ada"), await hire("bob")];
      const eng = await found("eng", [ada]);
      const before = await world.store.getGroup(source, eng);
      const rows = await auditCount();
      world.clock.nowMs += 1000;
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
      expect(await world.store.getGroup(source, eng)).toEqual(before);
      expect([await rev(ada), await rev(bob), await auditCount()]).toEqual([2, 1, rows]);
    });

    it("a change of members changes the version of exactly those users", async () => {
      const [ada, bob, eve] = [await hire("ada"), await hire("bob"), await hire("eve")];
      const eng = await found("eng", [ada]);
      world.clock.nowMs += 1000;
      expect((await members(eng, { op: "add", userIds: [ada, bob] })).record).toMatchObject({
        rev: 2,
        modifiedAtMs: world.clock.nowMs,
      });
      expect([await rev(ada), await rev(bob), await rev(eve)]).toEqual([2, 2, 1]);
      await members(eng, { op: "replace", userIds: [bob, eve] });
      expect(await memberIds(eng)).toEqual([bob, eve]);
      expect([await rev(ada), await rev(bob), await rev(eve)]).toEqual([3, 2, 2]);
      await members(eng, { op: "remove", userIds: [bob] });
      expect(await memberIds(eng)).toEqual([eve]);
      await members(eng, { op: "replace", userIds: [] });
      expect(await memberIds(eng)).toEqual([]);
      expect((await world.store.getUser(source, bob))?.modifiedAtMs).toBe(world.clock.nowMs - 1000);
    });

    it("member edits run in order", async () => {
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
      const before = await world.store.getGroup(source, eng);
      expect((await members(eng, { op: "remove", userIds: [bob] }, { op: "add", userIds: [bob] })).record).toEqual(
        before,
      );
      expect(await auditCount()).toBe(rows);
    });

    it("unknown members are reported, or refused together with the whole edit", async () => {
      const [ada, bob] = [await hire("ada"), await hire("bob")];
      await world.store.deleteUser(source, bob, null, cause);
      const eng = await found("eng");
      expect(await members(eng, { op: "add", userIds: [ada, bob, "nobody", "nobody"] })).toMatchObject({
        unknownMembers: [bob, "nobody"],
      });
      expect(await memberIds(eng)).toEqual([ada]);
      expect((await members(eng, { op: "remove", userIds: ["nobody"] })).unknownMembers).toEqual([]);
      const reject: GroupOptions = { ...skip, unknownMembers: "reject" };
      const before = await world.store.getGroup(source, eng);
      await expect(
        edit(eng, { write: groupWrite("renamed"), members: [{ op: "replace", userIds: ["nobody"] }] }, reject),
      ).rejects.toMatchObject({ code: "UNKNOWN_MEMBER" });
      await expect(world.store.createGroup(source, groupWrite("new"), ["nobody"], reject, cause)).rejects.toMatchObject(
        {
          code: "UNKNOWN_MEMBER",
        },
      );
      expect(await world.store.getGroup(source, eng)).toEqual(before);
      expect(await memberIds(eng)).toEqual([ada]);
      expect((await world.store.listGroups(source, everyone)).total).toBe(1);
    });

    it("renaming or deleting a group changes its members, another attribute does not", async () => {
      const ada = await hire("ada");
      const eng = await found("eng", [ada]);
      await edit(eng, { write: groupWrite("eng", "new key"), members: [] });
      expect(await rev(ada)).toBe(2);
      await edit(eng, { write: groupWrite("platform"), members: [] });
      expect(await rev(ada)).toBe(3);
      await world.store.deleteGroup(source, eng, null, cause);
      expect(await rev(ada)).toBe(4);
      expect(await world.store.getGroup(source, eng)).toBeNull();
      expect(await world.store.groupsOfUsers(source, [ada])).toEqual(new Map());
      const slice = await world.store.readInput("bw", dirty, world.clock.nowMs);
      expect(slice.groups).toMatchObject([
        { group: { id: eng, displayName: "platform", absentSinceMs: world.clock.nowMs } },
      ]);
    });

    it("a change of members makes the users dirty, a new name the group", async () => {
      const ada = await hire("ada");
      const eng = await found("eng");
      await put(link(eng, { kind: "group" }), link(ada));
      await members(eng, { op: "add", userIds: [ada] });
      const slice = await world.store.readInput("bw", dirty, world.clock.nowMs);
      expect(slice.dirtyGroupIds.size).toBe(0);
      expect(slice.users.map(({ user, groupIds }) => [user.id, groupIds])).toEqual([[ada, [eng]]]);
      await edit(eng, { write: groupWrite("renamed"), members: [] });
      expect((await world.store.readInput("bw", dirty, world.clock.nowMs)).dirtyGroupIds).toEqual(new Set([eng]));
    });
  });

  describe("listeners", () => {
    const { hire, found, edit, members, rev, inputIds, put } = world;
    it("a listener hears of a change after the commit, until it stops", async () => {
      const heard: EntityRef[] = [];
      const seen: (number | undefined)[] = [];
      const looks: Promise<void>[] = [];
      const stop = world.store.onChange((refs) => {
        heard.push(...refs);
        for (const { id } of refs) looks.push(rev(id).then((found) => void seen.push(found)));
      });
      const ada = await hire("ada");
      await Promise.all(looks);
      expect(heard).toEqual([{ kind: "user", id: ada }]);
      expect(seen).toEqual([1]);
      heard.length = 0;
      await world.store.updateUser(source, ada, null, () => null, cause);
      expect(heard).toEqual([]);
      stop();
      await hire("bob");
      expect(heard).toEqual([]);
    });

    it("a listener hears of all users whom a change made dirty", async () => {
      const [ada, bob] = [await hire("ada"), await hire("bob")];
      const eng = await found("eng", [ada, bob]);
      await put(link(ada, { appliedRev: 2 }), link(bob, { appliedRev: 2 }), link(eng, { kind: "group" }));
      const heard = new Set<string>();
      world.store.onChange((refs) => {
        for (const { id } of refs) heard.add(id);
      });
      /** Either each of them, or "everybody", who is found by a scan. */
      const expectAllHeard = async (): Promise<void> => {
        const ids = await inputIds();
        expect(ids.length).toBeGreaterThan(0);
        if (!heard.has("*")) expect([...heard]).toEqual(expect.arrayContaining(ids));
        const revs = await Promise.all([ada, bob].map(rev));
        await put(link(ada, { appliedRev: revs[0] ?? 0 }), link(bob, { appliedRev: revs[1] ?? 0 }));
        heard.clear();
      };
      await members(eng, { op: "remove", userIds: [ada] });
      await expectAllHeard();
      await members(eng, { op: "remove", userIds: [bob] }, { op: "add", userIds: [bob] });
      await expectAllHeard();
      await edit(eng, { write: groupWrite("renamed"), members: [] });
      await expectAllHeard();
      await world.store.deleteGroup(source, eng, null, cause);
      await expectAllHeard();
    });
  });

  describe("simultaneous writes", () => {
    const { hire, found, members, memberIds, rev, hold } = world;
    it("simultaneous writes succeed or fail each for itself", async () => {
      const taken = await hire("taken");
      const results = await Promise.allSettled(
        Array.from({ length: 200 }, (_, index) => {
          if (index % 10 === 3) return hire("TAKEN");
          // Fails when it has written already: the group is there, its members are not known.
          if (index % 10 === 1)
            return world.store.createGroup(
              source,
              groupWrite(`g${index}`),
              ["nobody"],
              { ...skip, unknownMembers: "reject" },
              cause,
            );
          if (index % 10 === 6)
            return world.store.updateUser(
              source,
              taken,
              null,
              () => {
                throw new Error("mine");
              },
              cause,
            );
          if (index % 10 === 9) return world.store.deleteUser(source, "nobody", null, cause);
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
      await world.reopen();
      expect((await world.store.listUsers(source, everyone)).total).toBe(121);
      expect((await world.store.listGroups(source, everyone)).total).toBe(0);
      expect((await world.auditRows()).map((row) => row.action)).toEqual(Array(121).fill("user.create"));
    });

    it("an acknowledged write is visible to another process", async () => {
      const other = await world.beside();
      const seen = await Promise.all(
        Array.from(
          { length: 100 },
          async (_, index) => (await other.getUser(source, await hire(`p${index}`))) !== null,
        ),
      );
      expect(seen).toEqual(Array(100).fill(true));
    });

    it("no member is lost when many users join one group at the same time", async () => {
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
      expect((await world.store.getGroup(source, eng))?.rev).toBe(151);
    });

    it("exactly one of many updates of one version succeeds", async () => {
      const ada = await hire("ada");
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) =>
          world.store.updateUser(source, ada, 1, () => userWrite(`ada${index}`), cause),
        ),
      );
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect(await rev(ada)).toBe(2);
    });

    it("exactly one of many new users gets the same userName", async () => {
      const results = await Promise.allSettled(Array.from({ length: 20 }, () => hire("Same")));
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect((await world.store.listUsers(source, everyone)).total).toBe(1);
    });

    it("two processes write at the same time, and no write is lost", async () => {
      const other = await world.beside();
      const write = (into: DirectoryStore, prefix: string) =>
        Promise.all(
          Array.from({ length: 50 }, (_, index) => into.createUser(source, userWrite(`${prefix}${index}`), cause)),
        );
      await Promise.all([write(world.store, "a"), write(other, "b")]);
      expect((await world.store.listUsers(source, everyone)).total).toBe(100);
      expect((await other.listUsers(source, everyone)).total).toBe(100);
      await hold([heldItem("a")], 1);
      expect(await other.approve("bw", digestOf(["access:a"]) ?? "", cause, 2)).toBe(1);
      expect((await world.store.held("bw"))[0]?.approvedAtMs).toBe(2);
    });

    it("assertWritable resolves for a database that takes writes", async () => {
      await expect(world.store.assertWritable()).resolves.toBeUndefined();
      await expect(world.store.assertWritable()).resolves.toBeUndefined();
    });
  });
}
