import { describe, expect, it } from "vitest";
import type { Cause } from "../../src/domain/model/entities.ts";
import { userWrite } from "../support/entities.ts";
import { call, cause, groupWrite, heldItem, link, type StoreWorld, skip, source } from "./store-world.ts";

/** What the store tells about the past of users: `AuditStore`, `AlertStore`. */
export function history(world: StoreWorld): void {
  describe("history", () => {
    const { hire, found, members, auditCount, put } = world;
    it("each change has an audit row with its cause, in order", async () => {
      const ada = await hire("ada", { email: "ada@example.com" });
      const eng = await found("eng", [ada]);
      await world.store.updateUser(
        source,
        ada,
        null,
        () => userWrite("ada", { email: "ada@example.com", isActive: false }),
        { actor: "scim:okta", requestId: "r-2" },
      );
      await members(eng, { op: "remove", userIds: [ada] });
      await world.store.deleteGroup(source, eng, null, cause);
      await world.store.deleteUser(source, ada, null, cause);
      const rows = await world.auditRows();
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
        atMs: world.clock.nowMs,
      });
      expect(rows[3]).toMatchObject({
        kind: "user",
        entityId: ada,
        rev: 2,
        detail: { group: { id: eng, name: "eng" } },
      });
      expect(rows.map((row) => row.seq)).toEqual([...rows.map((row) => row.seq)].sort((a, b) => a - b));
    });

    it("the causes of a user are the requests that the target has not followed", async () => {
      const by = (requestId: string | null): Cause => ({ actor: "scim:okta", requestId });
      const change = (id: string, name: string, requestId: string | null) =>
        world.store.updateUser(
          source,
          id,
          null,
          () => userWrite(name, { displayName: `${name} ${requestId}` }),
          by(requestId),
        );
      const ada = await hire("ada");
      const alan = await hire("alan");
      for (const requestId of ["r-2", null, "r-3", "r-3"]) await change(ada, "ada", requestId);
      expect(await world.store.causes("bw", [ada, alan, "nobody"])).toEqual(
        new Map([
          [ada, ["r-3", "r-2", "r-1"]],
          [alan, ["r-1"]],
        ]),
      );
      await put({ ...link(ada), appliedRev: 2 }, { ...link(alan), appliedRev: 1 });
      // What is delivered asks for nothing any more; another target has its own count.
      expect(await world.store.causes("bw", [ada, alan])).toEqual(new Map([[ada, ["r-3"]]]));
      expect((await world.store.causes("op", [ada])).get(ada)).toEqual(["r-3", "r-2", "r-1"]);
      for (let index = 10; index < 40; index += 1) await change(ada, "ada", `r-${index}`);
      expect((await world.store.causes("bw", [ada])).get(ada)).toEqual(
        Array.from({ length: 10 }, (_, index) => `r-${39 - index}`),
      );
    });

    it("alerts read failures and held changes, and keep their own state", async () => {
      const failed = (id: string, errorCode: string | null) => link(id, { errorCode, errorMessage: errorCode });
      const keep = new Set<string>();
      await world.store.commit(
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
      expect(await world.store.failures("bw", 10)).toEqual([
        { kind: "user", entityId: "a", code: "TARGET_UNREACHABLE" },
        { kind: "user", entityId: "b", code: "TARGET_REFUSED" },
      ]);
      expect(await world.store.failures("bw", 1)).toHaveLength(1);
      expect(await world.store.failures("op", 10)).toEqual([]);
      expect(await world.store.heldSummary("bw")).toEqual({
        keys: [heldItem("early").key, heldItem("late").key],
        reasons: { budget: 2 },
        sinceMs: 4,
      });
      expect(await world.store.heldSummary("op")).toEqual({ keys: [], reasons: {}, sinceMs: null });
      expect(await world.store.alertState()).toBeNull();
      await world.store.putAlertState("one");
      await world.store.putAlertState('{"two":2}');
      expect(await (await world.reopen()).alertState()).toBe('{"two":2}');
    });

    it("a write that failed has no audit row and tells no listener", async () => {
      const ada = await hire("ada");
      const rows = await auditCount();
      const heard: unknown[] = [];
      world.store.onChange((refs) => heard.push(refs));
      const failures = await Promise.allSettled([
        hire("ADA"),
        world.store.updateUser(source, ada, 99, () => userWrite("x"), cause),
        world.store.deleteUser(source, "nobody", null, cause),
        world.store.createGroup(source, groupWrite("g"), ["nobody"], { ...skip, unknownMembers: "reject" }, cause),
      ]);
      expect(failures.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected", "rejected"]);
      expect(await auditCount()).toBe(rows);
      expect(heard).toEqual([]);
    });

    it("the details of a user are found by address, userName or id", async () => {
      const ada = await hire("Ada.L", {
        email: "ada@example.com",
        emails: ["ada@example.com", "second@example.com"],
      });
      const old = await hire("old", { email: "ada@example.com" }, "entra");
      await found("eng", [ada]);
      await world.store.deleteUser("entra", old, null, cause);
      await world.store.commit(
        "bw",
        {
          links: [link(ada)],
          held: { considered: null, items: [heldItem(ada)], keep: new Set() },
          audit: [call(ada, { rev: 2 })],
        },
        5,
      );
      const [userDetails, gone] = await world.store.userDetails(" ADA@example.com ");
      expect(userDetails).toMatchObject({
        user: { id: ada },
        userName: "Ada.L",
        groups: ["eng"],
        links: [link(ada)],
        held: [{ key: `access:${ada}`, target: "bw" }],
      });
      expect(userDetails?.history.map((row) => row.action)).toEqual(["user.create", "group.join", "invite"]);
      expect(gone?.user).toMatchObject({ id: old, absentSinceMs: world.clock.nowMs });
      for (const query of ["ada.l", "SECOND@example.com", ada])
        expect((await world.store.userDetails(query)).map((each) => each.user.id)).toEqual([ada]);
      expect(await world.store.userDetails("nobody")).toEqual([]);
    });

    it("a long history shows its newest rows", async () => {
      const ada = await hire("ada");
      await world.store.commit(
        "bw",
        { audit: Array.from({ length: 1100 }, (_, at) => call(ada, { action: `step${at}` })) },
        1,
      );
      const [userDetails] = await world.store.userDetails(ada);
      expect(userDetails?.history.at(-1)?.action).toBe("step1099");
      expect(userDetails?.history.length).toBeGreaterThanOrEqual(1000);
    });

    it("problems list failures first, and no deleted user", async () => {
      const [ada, bob, eve] = [await hire("ada", { email: "ada@example.com" }), await hire("bob"), await hire("eve")];
      const eng = await found("eng");
      await world.store.deleteUser(source, eve, null, cause);
      await put(
        link(ada, { note: "staged" }),
        link(bob, { errorCode: "TARGET_REFUSED" }),
        link(eve, { errorCode: "TARGET_REFUSED" }),
        link(eng, { kind: "group", note: "ambiguous" }),
      );
      expect((await world.store.problems("bw", 10)).map((each) => [each.name, each.kind])).toEqual([
        ["bob", "user"],
        ["eng", "group"],
        ["ada@example.com", "user"],
      ]);
      expect(await world.store.problems("bw", 1)).toHaveLength(1);
      expect(await world.store.problems("op", 10)).toEqual([]);
    });
  });
}
