import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { CommitOptions, SourceGroup, SourceUser } from "../../src/domain/ports/import-store.ts";
import { sourceGroup, sourceUser, userWrite } from "../support/entities.ts";
import { openldapDialect } from "../support/ldap/dialect.ts";
import { noOpenldap, startOpenldap } from "../support/ldap/openldap.ts";
import { modify } from "../support/ldap/server.ts";
import { optionsFor } from "../support/ldap/settings.ts";
import { type PolledWorld, polledWorld } from "../support/ldap/world.ts";

const cause = { actor: "ldap:corp", requestId: null };
const options = (more: Partial<CommitOptions> = {}): CommitOptions => ({
  minKeptPercent: 50,
  acceptShrink: false,
  cursor: null,
  nowMs: 1000,
  ...more,
});
describe("snapshots in the store", () => {
  let world: PolledWorld;
  beforeEach(async () => {
    world = await polledWorld({ preset: "openldap", url: ["ldap://127.0.0.1:1"], users: { baseDn: "" } });
  });
  afterEach(() => world.close());
  const commit = async (
    users: readonly SourceUser[],
    groups: readonly SourceGroup[],
    more: Partial<CommitOptions> = {},
  ) => {
    const snapshot = await world.store.beginSnapshot("corp");
    await snapshot.addUsers(users);
    await snapshot.addGroups(groups);
    return snapshot.commit(options(more), cause);
  };
  const revs = () =>
    world.driver.read.all(
      "SELECT display_name, rev, absent_since_ms FROM users UNION ALL SELECT display_name, rev, absent_since_ms FROM groups ORDER BY 1",
    );

  it("a snapshot that enables all disabled users at once is refused", async () => {
    const names = Array.from({ length: 20 }, (_, n) => `n${n}`);
    const disabled = (count: number) => names.map((name, n) => sourceUser(name, { isActive: n >= count }));
    const active = async () => Object.values(await world.people()).filter((each) => each.active).length;
    await commit(disabled(15), []);
    await expect(commit(disabled(0), [])).rejects.toMatchObject({
      code: "SNAPSHOT_REFUSED",
      message: expect.stringContaining("15 of the 15 people who were disabled are enabled now; nothing was changed"),
    });
    expect(await active()).toBe(5);
    // Ten at once pass, and so does an accepted snapshot.
    await commit(disabled(5), []);
    expect(await active()).toBe(15);
    await commit(disabled(20), []);
    await commit(disabled(0), [], { acceptShrink: true });
    expect(await active()).toBe(20);
  });

  it("the store knows polled users from users that SCIM wrote", async () => {
    await world.store.createUser("okta", userWrite("b@example.com"), cause);
    expect(await world.store.originOf("corp")).toBe(null);
    await commit([sourceUser("a")], []);
    expect([await world.store.originOf("corp"), await world.store.originOf("okta")]).toEqual(["polled", "written"]);
  });

  it("a snapshot is invisible before its commit and after its abort", async () => {
    const snapshot = await world.store.beginSnapshot("corp");
    await snapshot.addUsers([sourceUser("a")]);
    expect(await world.people()).toEqual({});
    await snapshot.abort();
    expect(await world.people()).toEqual({});
    expect(await world.driver.read.all("SELECT * FROM snapshot_staging")).toEqual([]);
  });

  it("a snapshot is refused if a later one was committed first", async () => {
    const slow = await world.store.beginSnapshot("corp");
    await commit([sourceUser("a")], []);
    await expect(slow.commit(options(), cause)).rejects.toMatchObject({ code: "REV_MISMATCH" });
  });

  it("rev stays for unchanged users and grows for everybody whom a change concerns", async () => {
    await commit([sourceUser("a"), sourceUser("b")], [sourceGroup("g", ["dn:uid=a"])]);
    const before = await revs();
    await commit([sourceUser("b"), sourceUser("a")], [sourceGroup("g", ["dn:uid=a"])]);
    expect(await revs()).toEqual(before);
    await commit([sourceUser("a"), sourceUser("b")], [sourceGroup("g", ["dn:uid=b"])]);
    expect(await revs()).toEqual(before.map((row) => ({ ...row, rev: Number(row["rev"]) + 1 })));
    expect(await world.people()).toMatchObject({ "a@example.org": { groups: [] }, "b@example.org": { groups: ["g"] } });
  });

  it("of two entries with one id the first stays, and the second is reported", async () => {
    const snapshot = await world.store.beginSnapshot("corp");
    expect(await snapshot.addUsers([sourceUser("a"), sourceUser("a", { displayName: "other" })])).toEqual(["a"]);
    expect(await snapshot.addUsers([sourceUser("a")])).toEqual(["a"]);
    await snapshot.commit(options(), cause);
    expect(await world.driver.read.all("SELECT display_name FROM users")).toEqual([{ display_name: "a" }]);
  });

  it("a user who comes back keeps the id and the groups", async () => {
    await commit([sourceUser("a"), sourceUser("b")], [sourceGroup("g", ["dn:uid=a"])]);
    const { "a@example.org": id } = await world.ids();
    await commit([sourceUser("b")], [sourceGroup("g", ["dn:uid=a"])]);
    expect(await world.people()).toMatchObject({ "a@example.org": { groups: ["g"] } });
    await commit([sourceUser("b")], [sourceGroup("g", ["dn:uid=a"])]);
    expect(Object.keys(await world.people())).toEqual(["b@example.org"]);
    await commit([sourceUser("a"), sourceUser("b")], [sourceGroup("g", ["dn:uid=a"])]);
    expect((await world.ids())["a@example.org"]).toBe(id);
    expect(await world.people()).toMatchObject({ "a@example.org": { groups: ["g"] } });
  });

  it("a user gets a new rev if another user gives up the same address", async () => {
    await commit([sourceUser("a", { email: "x@example.org" }), sourceUser("b", { email: "x@example.org" })], []);
    const before = await revs();
    await commit([sourceUser("a", { email: "a@example.org" }), sourceUser("b", { email: "x@example.org" })], []);
    const after = await revs();
    expect(Number(after[0]?.["rev"])).toBeGreaterThan(Number(before[0]?.["rev"]));
    expect((await world.store.findings("corp")).find(({ kind }) => kind === "duplicate-email")).toBeUndefined();
  });

  it("cycles of groups are flattened, and end with their last link", async () => {
    await commit(
      [sourceUser("a"), sourceUser("b")],
      [sourceGroup("g", ["dn:uid=a", "dn:cn=h"]), sourceGroup("h", ["dn:uid=b", "dn:cn=g"])],
    );
    expect(await world.people()).toMatchObject({
      "a@example.org": { groups: ["g", "h"] },
      "b@example.org": { groups: ["g", "h"] },
    });
    await commit(
      [sourceUser("a"), sourceUser("b")],
      [sourceGroup("g", ["dn:uid=a", "dn:cn=h"]), sourceGroup("h", ["dn:uid=b"])],
    );
    expect(await world.people()).toMatchObject({
      "a@example.org": { groups: ["g"] },
      "b@example.org": { groups: ["g", "h"] },
    });
  });

  it("a chain of 800 groups is flattened, and a change at its end reaches all of them", async () => {
    const chain = Array.from({ length: 800 }, (_, index) =>
      sourceGroup(
        `g${String(index).padStart(3, "0")}`,
        index === 799 ? ["dn:uid=a"] : [`dn:cn=g${String(index + 1).padStart(3, "0")}`],
      ),
    );
    expect(await commit([sourceUser("a"), sourceUser("b")], chain)).toMatchObject({ membershipsAdded: 800 });
    expect(
      await world.store.applyDelta(
        "corp",
        { users: [], groups: [sourceGroup("g799", ["dn:uid=b"])], goneEntryIds: [] },
        options(),
        cause,
      ),
    ).toMatchObject({ membershipsAdded: 800, membershipsRemoved: 800 });
  });

  it("a delta that removes too many users is refused", async () => {
    await commit(
      ["a", "b", "c", "d"].map((name) => sourceUser(name)),
      [],
    );
    const delta = { users: [], groups: [], goneEntryIds: ["a", "b", "c", "unknown"] };
    await expect(world.store.applyDelta("corp", delta, options(), cause)).rejects.toMatchObject({
      code: "SNAPSHOT_REFUSED",
    });
    expect(await world.store.applyDelta("corp", delta, options({ acceptShrink: true }), cause)).toMatchObject({
      usersRemoved: 3,
    });
  });
});

describe.skipIf(noOpenldap !== null)(noOpenldap ?? "content synchronization", () => {
  it("everything is read if the server's log does not reach back", async () => {
    const dialect = openldapDialect();
    const server = await startOpenldap({ syncprov: true, ldif: ["a", "b", "c"].map(dialect.person).join("") });
    onTestFinished(() => server.stop());
    const { groups: _, ...options } = optionsFor("openldap", server);
    await using world = await polledWorld({ ...options, minKeptPercent: 10 });
    await world.poll();
    expect((await world.poll()).mode).toBe("delta");
    modify(server, dialect.remove("b") + dialect.person("d"));
    await server.restart();
    expect(await world.poll()).toMatchObject({
      mode: "full",
      fullBecause: expect.stringContaining("does not reach back"),
      result: { usersAdded: 1, unconfirmedMissing: 1 },
    });
    expect(await world.poll()).toMatchObject({
      mode: "full",
      fullBecause: expect.stringContaining("a second full poll"),
      result: { usersRemoved: 1 },
    });
    expect(Object.keys(await world.people())).toEqual(["a@example.org", "c@example.org", "d@example.org"]);
    expect((await world.poll()).mode).toBe("delta");
  });
});
