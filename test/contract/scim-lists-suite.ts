import { beforeEach, describe, expect, it } from "vitest";
import type { Criterion, ListQuery, TextField } from "../../src/domain/ports/scim-store.ts";
import { userWrite } from "../support/entities.ts";
import { cause, everyone, type StoreWorld, source } from "./store-world.ts";

/** The lists of `ScimStore`. */
export function scimLists(world: StoreWorld): void {
  describe("lists of a SCIM source", () => {
    const { hire, found, memberIds, names } = world;
    beforeEach(async () => {
      world.clock.nowMs = 1000;
      const ada = await hire("Ada", {
        externalId: "A-1",
        displayName: "Countess",
        emails: ["ada@example.com", "Ada@Work.example"],
      });
      world.clock.nowMs = 2000;
      await hire("bob%_\\", { externalId: "a-1", displayName: "bob", isActive: false, emails: ["b%b@example.com"] });
      world.clock.nowMs = 3000;
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
    const cases: readonly { readonly name: string; readonly where: Criterion; readonly expected: readonly string[] }[] =
      [
        { name: "all", where: { op: "all" }, expected: ["Ada", "bob%_\\", "bobXX", "cyd"] },
        { name: "none", where: { op: "none" }, expected: [] },
        { name: "and of nothing", where: { op: "and", of: [] }, expected: ["Ada", "bob%_\\", "bobXX", "cyd"] },
        { name: "or of nothing", where: { op: "or", of: [] }, expected: [] },
        { name: "userName eq, any case", where: text("eq", "userName", "ADA"), expected: ["Ada"] },
        { name: "userName co", where: text("co", "userName", "BOB"), expected: ["bob%_\\", "bobXX"] },
        { name: "userName sw", where: text("sw", "userName", "b"), expected: ["bob%_\\", "bobXX"] },
        { name: "userName ew", where: text("ew", "userName", "D"), expected: ["cyd"] },
        { name: "% is no wildcard", where: text("co", "userName", "b%"), expected: ["bob%_\\"] },
        { name: "_ is no wildcard", where: text("co", "userName", "%_"), expected: ["bob%_\\"] },
        { name: "\\ is no escape", where: text("ew", "userName", "_\\"), expected: ["bob%_\\"] },
        { name: "a lone % finds itself", where: text("sw", "userName", "%"), expected: [] },
        { name: "gt", where: text("gt", "userName", "BOBXX"), expected: ["cyd"] },
        { name: "ge", where: text("ge", "userName", "bobxx"), expected: ["bobXX", "cyd"] },
        { name: "lt", where: text("lt", "userName", "BOB"), expected: ["Ada"] },
        { name: "le", where: text("le", "userName", "ada"), expected: ["Ada"] },
        { name: "externalId exactly", where: text("eq", "externalId", "a-1"), expected: ["bob%_\\"] },
        { name: "externalId co exactly", where: text("co", "externalId", "A"), expected: ["Ada"] },
        { name: "externalId pr", where: { op: "pr", field: "externalId" }, expected: ["Ada", "bob%_\\", "bobXX"] },
        {
          name: "not of a missing value holds",
          where: not(text("eq", "externalId", "x")),
          expected: ["Ada", "bob%_\\", "cyd"],
        },
        { name: "not of not", where: not(not(text("eq", "externalId", "x"))), expected: ["bobXX"] },
        {
          name: "not of and with a missing value",
          where: not({ op: "and", of: [text("eq", "externalId", "x"), text("eq", "userName", "cyd")] }),
          expected: ["Ada", "bob%_\\", "bobXX", "cyd"],
        },
        {
          name: "not of or with a missing value",
          where: not({ op: "or", of: [text("eq", "externalId", "x"), text("eq", "userName", "ada")] }),
          expected: ["bob%_\\", "cyd"],
        },
        { name: "displayName beyond ASCII", where: text("eq", "displayName", "zoË"), expected: ["cyd"] },
        {
          name: "emails eq, any of them, any case",
          where: text("eq", "emails", "ADA@work.EXAMPLE"),
          expected: ["Ada"],
        },
        { name: "emails co with a wildcard in it", where: text("co", "emails", "B%B"), expected: ["bob%_\\"] },
        { name: "emails ew", where: text("ew", "emails", "@Example.com"), expected: ["Ada", "bob%_\\", "bobXX"] },
        { name: "emails pr", where: { op: "pr", field: "emails" }, expected: ["Ada", "bob%_\\", "bobXX"] },
        { name: "not emails", where: not(text("co", "emails", "example")), expected: ["cyd"] },
        { name: "active", where: { op: "eq", field: "isActive", value: true }, expected: ["Ada", "bobXX", "cyd"] },
        { name: "inactive", where: { op: "eq", field: "isActive", value: false }, expected: ["bob%_\\"] },
        { name: "created eq", where: { op: "eq", field: "createdAtMs", value: 2000 }, expected: ["bob%_\\"] },
        { name: "created gt", where: { op: "gt", field: "createdAtMs", value: 2000 }, expected: ["bobXX", "cyd"] },
        {
          name: "created ge and le",
          where: {
            op: "and",
            of: [
              { op: "ge", field: "createdAtMs", value: 1000 },
              { op: "le", field: "createdAtMs", value: 2000 },
            ],
          },
          expected: ["Ada", "bob%_\\"],
        },
        { name: "modified lt", where: { op: "lt", field: "modifiedAtMs", value: 2000 }, expected: ["Ada"] },
        { name: "groups pr", where: { op: "pr", field: "groups" }, expected: ["Ada"] },
        {
          name: "or",
          where: { op: "or", of: [text("eq", "userName", "ada"), { op: "eq", field: "isActive", value: false }] },
          expected: ["Ada", "bob%_\\"],
        },
      ];
    it.each(cases)("a filter finds users: $name", async ({ where, expected }) => {
      expect(await names(where)).toEqual(expected);
      expect((await world.store.listUsers(source, { ...everyone, where, limit: 0 })).total).toBe(expected.length);
      const scanned: string[] = [];
      for await (const page of world.store.scanUsers(source, where, 1))
        scanned.push(...page.map((record) => String(record.resource["userName"])));
      expect(scanned.sort()).toEqual(expected);
    });

    it("filters find users by group and groups by member", async () => {
      const [eng] = (await world.store.listGroups(source, { ...everyone, where: text("eq", "displayName", "ENG") }))
        .records;
      const ada = await memberIds(eng?.id ?? "");
      const groups = async (where: Criterion) =>
        (await world.store.listGroups(source, { ...everyone, where })).records.map(
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

    it("a filter value is never run as SQL", async () => {
      for (const value of ["' OR 1=1 --", '"; DROP TABLE users; --', "?", "\u0000"])
        expect(await names(text("co", "userName", value))).toEqual([]);
      expect((await world.store.listUsers(source, everyone)).total).toBe(4);
    });

    it("a list sorts by any field in both directions, rows without a value last", async () => {
      const sorted = async (field: NonNullable<ListQuery["sort"]>["field"], isDescending: boolean) =>
        (await world.store.listUsers(source, { ...everyone, sort: { field, isDescending } })).records.map(
          (record) => record.resource["userName"],
        );
      expect(await sorted("userName", false)).toEqual(["Ada", "bob%_\\", "bobXX", "cyd"]);
      expect(await sorted("userName", true)).toEqual(["cyd", "bobXX", "bob%_\\", "Ada"]);
      expect(await sorted("externalId", false)).toEqual(["Ada", "bob%_\\", "bobXX", "cyd"]);
      expect((await sorted("externalId", true))[0]).toBe("cyd");
      expect(await sorted("createdAtMs", true)).toEqual(["cyd", "bobXX", "bob%_\\", "Ada"]);
      const ids = (
        await world.store.listUsers(source, { ...everyone, sort: { field: "id", isDescending: false } })
      ).records.map((record) => record.id);
      expect(ids).toEqual([...ids].sort());
    });

    it("pages have no gap and no overlap, and each has the exact total", async () => {
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
          const page = await world.store.listUsers(source, { ...everyone, sort, offset, limit: 5 });
          expect(page.total).toBe(24);
          seen.push(...page.records.map((record) => record.id));
        }
        expect(new Set(seen).size).toBe(24);
        expect(seen).toHaveLength(24);
      }
      expect(await world.store.listUsers(source, { ...everyone, offset: 24, limit: 5 })).toEqual({
        total: 24,
        records: [],
      });
      expect(await world.store.listUsers(source, { ...everyone, limit: 0 })).toEqual({ total: 24, records: [] });
      expect((await world.store.listUsers(source, { ...everyone, limit: 24 })).total).toBe(24);
    });

    it("a scan reads no user twice while others write", async () => {
      for (let index = 0; index < 10; index += 1) await hire(`n${index}`);
      const seen: string[] = [];
      for await (const page of world.store.scanUsers(source, { op: "all" }, 4)) {
        expect(page.length).toBeLessThanOrEqual(4);
        seen.push(...page.map((record) => record.id));
        if (seen.length === 4) await world.store.deleteUser(source, seen[0] ?? "", null, cause);
      }
      expect(new Set(seen).size).toBe(14);
      const groups: number[] = [];
      for await (const page of world.store.scanGroups(source, { op: "all" }, 2)) groups.push(page.length);
      expect(groups).toEqual([2]);
    });

    it("a filter follows a change of addresses and of the userName", async () => {
      const [{ id } = { id: "" }] = (
        await world.store.listUsers(source, { ...everyone, where: text("eq", "userName", "ada") })
      ).records;
      await world.store.updateUser(
        source,
        id,
        null,
        () => userWrite("Lovelace", { emails: ["new@example.com"] }),
        cause,
      );
      expect(await names(text("eq", "emails", "ada@example.com"))).toEqual([]);
      expect(await names(text("eq", "emails", "NEW@example.com"))).toEqual(["Lovelace"]);
      expect(await names(text("eq", "userName", "ada"))).toEqual([]);
    });
  });
}
