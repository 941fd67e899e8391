import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CommitOptions, SourceGroup, SourceUser } from "../../src/domain/ports/import-store.ts";
import { noOpenldap, startOpenldap } from "../support/ldap/openldap.ts";
import { modify } from "../support/ldap/server.ts";
import { bindAs } from "../support/ldap/settings.ts";
import { type PolledWorld, polledWorld } from "../support/ldap/world.ts";

const cause = { actor: "ldap:corp", requestId: null };
const options = (more: Partial<CommitOptions> = {}): CommitOptions => ({
  minKeptPercent: 50,
  acceptShrink: false,
  cursor: null,
  nowMs: 1000,
  ...more,
});
const user = (name: string, more: Partial<SourceUser> = {}): SourceUser => ({
  externalId: name,
  entryId: name,
  userName: name,
  email: `${name}@example.org`,
  displayName: name,
  isActive: true,
  activeUntilMs: null,
  locators: [`dn:uid=${name}`],
  memberOf: [],
  ...more,
});
const written = (email: string) => ({
  resource: { userName: email },
  userName: email,
  externalId: null,
  email,
  emails: [email],
  displayName: email,
  isActive: true,
});
const group = (name: string, members: readonly string[], more: Partial<SourceGroup> = {}): SourceGroup => ({
  externalId: name,
  entryId: name,
  displayName: name,
  locators: [`dn:cn=${name}`],
  members,
  memberOf: [],
  ...more,
});

describe("the store of pictures", () => {
  let world: PolledWorld;
  beforeEach(async () => {
    world = await polledWorld({ preset: "openldap", url: ["ldap://127.0.0.1:1"], users: { baseDn: "" } });
  });
  afterEach(() => world.close());
  const picture = async (
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

  it("does not believe that everybody who was disabled is enabled at once", async () => {
    const names = Array.from({ length: 20 }, (_, n) => `n${n}`);
    const disabled = (count: number) => names.map((name, n) => user(name, { isActive: n >= count }));
    const active = async () => Object.values(await world.people()).filter((each) => each.active).length;
    await picture(disabled(15), []);
    await expect(picture(disabled(0), [])).rejects.toMatchObject({
      code: "SNAPSHOT_REFUSED",
      message: expect.stringContaining("15 of the 15 people who were disabled are enabled now; nothing was changed"),
    });
    expect(await active()).toBe(5);
    // Ten on a day are hired again, and what somebody has looked at passes.
    await picture(disabled(5), []);
    expect(await active()).toBe(15);
    await picture(disabled(20), []);
    await picture(disabled(0), [], { acceptShrink: true });
    expect(await active()).toBe(20);
  });

  it("tells people who were polled from those whom SCIM wrote", async () => {
    await world.store.createUser("okta", written("b@example.com"), cause);
    expect(await world.store.originOf("corp")).toBe(null);
    await picture([user("a")], []);
    expect([await world.store.originOf("corp"), await world.store.originOf("okta")]).toEqual(["polled", "written"]);
  });

  it("shows nothing before the commit, and nothing of what was dropped", async () => {
    const snapshot = await world.store.beginSnapshot("corp");
    await snapshot.addUsers([user("a")]);
    expect(await world.people()).toEqual({});
    await snapshot.abort();
    expect(await world.people()).toEqual({});
    expect(await world.driver.read.all("SELECT * FROM snapshot_staging")).toEqual([]);
  });

  it("refuses a picture that another one overtook", async () => {
    const slow = await world.store.beginSnapshot("corp");
    await picture([user("a")], []);
    await expect(slow.commit(options(), cause)).rejects.toMatchObject({ code: "REV_MISMATCH" });
  });

  it("leaves rev alone where nothing changed, and moves it for everybody whom a change concerns", async () => {
    await picture([user("a"), user("b")], [group("g", ["dn:uid=a"])]);
    const before = await revs();
    await picture([user("b"), user("a")], [group("g", ["dn:uid=a"])]);
    expect(await revs()).toEqual(before);
    await picture([user("a"), user("b")], [group("g", ["dn:uid=b"])]);
    expect(await revs()).toEqual(before.map((row) => ({ ...row, rev: Number(row["rev"]) + 1 })));
    expect(await world.people()).toMatchObject({ "a@example.org": { groups: [] }, "b@example.org": { groups: ["g"] } });
  });

  it("keeps the first of two entries with one id, and says so", async () => {
    const snapshot = await world.store.beginSnapshot("corp");
    expect(await snapshot.addUsers([user("a"), user("a", { displayName: "other" })])).toEqual(["a"]);
    expect(await snapshot.addUsers([user("a")])).toEqual(["a"]);
    await snapshot.commit(options(), cause);
    expect(await world.driver.read.all("SELECT display_name FROM users")).toEqual([{ display_name: "a" }]);
  });

  it("brings back the same person", async () => {
    await picture([user("a"), user("b")], [group("g", ["dn:uid=a"])]);
    const { "a@example.org": id } = await world.ids();
    await picture([user("b")], [group("g", ["dn:uid=a"])]);
    expect(await world.people()).toMatchObject({ "a@example.org": { groups: ["g"] } });
    await picture([user("b")], [group("g", ["dn:uid=a"])]);
    expect(Object.keys(await world.people())).toEqual(["b@example.org"]);
    await picture([user("a"), user("b")], [group("g", ["dn:uid=a"])]);
    expect((await world.ids())["a@example.org"]).toBe(id);
    expect(await world.people()).toMatchObject({ "a@example.org": { groups: ["g"] } });
  });

  it("lets others be looked at who claim an address that changes hands", async () => {
    await picture([user("a", { email: "x@example.org" }), user("b", { email: "x@example.org" })], []);
    const before = await revs();
    await picture([user("a", { email: "a@example.org" }), user("b", { email: "x@example.org" })], []);
    const after = await revs();
    expect(Number(after[0]?.["rev"])).toBeGreaterThan(Number(before[0]?.["rev"]));
    expect((await world.store.findings("corp")).find(({ kind }) => kind === "duplicate-email")).toBeUndefined();
  });

  it("flattens cycles, and undoes them", async () => {
    await picture([user("a"), user("b")], [group("g", ["dn:uid=a", "dn:cn=h"]), group("h", ["dn:uid=b", "dn:cn=g"])]);
    expect(await world.people()).toMatchObject({
      "a@example.org": { groups: ["g", "h"] },
      "b@example.org": { groups: ["g", "h"] },
    });
    await picture([user("a"), user("b")], [group("g", ["dn:uid=a", "dn:cn=h"]), group("h", ["dn:uid=b"])]);
    expect(await world.people()).toMatchObject({
      "a@example.org": { groups: ["g"] },
      "b@example.org": { groups: ["g", "h"] },
    });
  });

  it("flattens a chain of 800 groups well under a second, and a change at its end", async () => {
    const chain = Array.from({ length: 800 }, (_, index) =>
      group(
        `g${String(index).padStart(3, "0")}`,
        index === 799 ? ["dn:uid=a"] : [`dn:cn=g${String(index + 1).padStart(3, "0")}`],
      ),
    );
    const startedAt = performance.now();
    expect(await picture([user("a"), user("b")], chain)).toMatchObject({ membershipsAdded: 800 });
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect(
      await world.store.applyDelta(
        "corp",
        { users: [], groups: [group("g799", ["dn:uid=b"])], goneEntryIds: [] },
        options(),
        cause,
      ),
    ).toMatchObject({ membershipsAdded: 800, membershipsRemoved: 800 });
  });

  it("refuses a delta that takes too many", async () => {
    await picture(
      ["a", "b", "c", "d"].map((name) => user(name)),
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
  it("reads everything when the server's log does not reach back", async () => {
    const suffix = "dc=example,dc=org";
    const person = (name: string): string =>
      `dn: uid=${name},ou=people,${suffix}\nobjectClass: inetOrgPerson\nuid: ${name}\ncn: ${name}\nsn: ${name}\nmail: ${name}@example.org\n\n`;
    const server = await startOpenldap({ syncprov: true, ldif: person("a") + person("b") + person("c") });
    const world = await polledWorld({
      preset: "openldap",
      url: [`ldap://127.0.0.1:${server.port}`],
      bind: bindAs(server),
      users: { baseDn: `ou=people,${suffix}` },
      minKeptPercent: 10,
    });
    await world.poll();
    expect((await world.poll()).mode).toBe("delta");
    modify(server, `dn: uid=b,ou=people,${suffix}\nchangetype: delete\n\n${person("d")}`);
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
    await world.close();
    await server.stop();
  });
});
