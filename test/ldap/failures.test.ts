import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  cutAt,
  cutBetween,
  emptyPagesFirst,
  garbageAt,
  resultCode,
  sameCookieForEver,
  truncateAt,
  unbindAt,
} from "../support/ldap/faults.ts";
import { noOpenldap, startOpenldap } from "../support/ldap/openldap.ts";
import { type LdapProxy, type Meddler, startProxy } from "../support/ldap/proxy.ts";
import { type DirectoryServer, modify } from "../support/ldap/server.ts";
import { bindAs, type LdapTestOptions, ldapSettings } from "../support/ldap/settings.ts";
import { type PolledWorld, polledWorld } from "../support/ldap/world.ts";

const suffix = "dc=example,dc=org";
const names = Array.from({ length: 12 }, (_, index) => `p${String(index).padStart(2, "0")}`);
const person = (name: string, ...more: readonly string[]): string =>
  [
    `dn: uid=${name},ou=people,${suffix}`,
    "objectClass: inetOrgPerson",
    `uid: ${name}`,
    `cn: ${name}`,
    `sn: ${name}`,
    `mail: ${name}@example.org`,
    ...more,
    "",
    "",
  ].join("\n");
const group = (name: string, ...members: readonly string[]): string =>
  [
    `dn: cn=${name},ou=groups,${suffix}`,
    "objectClass: groupOfNames",
    `cn: ${name}`,
    ...members.map((member) => `member: ${member}`),
    "",
    "",
  ].join("\n");

describe.skipIf(noOpenldap !== null)(noOpenldap ?? "a directory that fails", () => {
  let server: DirectoryServer;
  let proxy: LdapProxy;
  let world: PolledWorld;
  let options: LdapTestOptions;
  const addresses = names.map((name) => `${name}@example.org`);
  const everybody = Object.fromEntries(addresses.map((address) => [address, { active: true, groups: ["all"] }]));
  const untouched = Object.fromEntries(
    addresses.map((address) => [address, { bitwarden: "invited", onePassword: "ACTIVE", groups: ["all"] }]),
  );

  /** Both targets after a delivery: nobody has lost anything, and nothing waits to be taken away. */
  async function expectNobodyLostAnything(): Promise<void> {
    expect(await world.people()).toEqual(everybody);
    await world.deliver();
    expect(world.access()).toEqual(untouched);
    expect(world.bitwardenGroups()).toEqual(["all"]);
    expect(await world.leftOver()).toEqual([]);
  }

  beforeAll(async () => {
    // Letter case and spaces of the member DNs differ from those of the entries: a string comparison would lose them.
    const members = names.map((name, index) =>
      index % 2 === 0 ? `UID=${name.toUpperCase()}, OU=People,DC=example,DC=org` : `uid=${name},ou=people,${suffix}`,
    );
    server = await startOpenldap({ ldif: names.map((name) => person(name)).join("") + group("all", ...members) });
    proxy = await startProxy(server.port);
  });
  afterAll(async () => {
    await proxy.stop();
    await server.stop();
  });
  beforeEach(async () => {
    proxy.meddle(() => ({}));
    options = {
      preset: "openldap",
      url: [`ldap://127.0.0.1:${proxy.port}`],
      bind: bindAs(server),
      pageSize: 5,
      timeoutMs: 300,
      delta: "off",
      users: { baseDn: `ou=people,${suffix}` },
      groups: { baseDn: `ou=groups,${suffix}` },
    };
    world = await polledWorld(options);
    for (const email of addresses) world.onePassword.state.addUser({ email });
    await world.poll();
    await world.deliver();
  });
  afterEach(async () => {
    await world.close();
  });

  const faults: readonly (readonly [string, () => Meddler])[] = [
    ["the connection is closed in the first page", cutAt(1, "close")],
    ["the connection is closed in a later page", cutAt(3, "close")],
    ["the connection is reset in a page", cutAt(2, "reset")],
    ["the connection is closed between pages", cutBetween(2, "close")],
    ["the connection is reset between pages", cutBetween(3, "reset")],
    ["a page never ends", cutAt(2, "stall")],
    ["an entry is cut in half", truncateAt(2)],
    ["something else than LDAP arrives", garbageAt(2)],
    ["the server says good-bye", unbindAt(2)],
    ["timeLimitExceeded", resultCode(2, 3)],
    ["sizeLimitExceeded", resultCode(2, 4)],
    ["referral", resultCode(2, 10)],
    ["adminLimitExceeded", resultCode(3, 11)],
    ["noSuchObject, as servers hide what may not be read", resultCode(1, 32)],
    ["noSuchObject in a later page", resultCode(2, 32)],
    ["insufficientAccessRights", resultCode(2, 50)],
    ["busy", resultCode(2, 51)],
    ["unavailable", resultCode(2, 52)],
    ["operationsError among the groups", resultCode(4, 1)],
    ["an empty page with one cookie for ever", sameCookieForEver],
  ];
  it.each(faults)("nobody loses anything: %s", async (_title, fault) => {
    await expectNobodyLostAnything();
    proxy.meddle(fault);
    for (const _ of [1, 2, 3]) await expect(world.poll()).rejects.toMatchObject({ code: "SOURCE_INCOMPLETE" });
    await expectNobodyLostAnything();
    const failing = await world.store.pollState("corp");
    expect(failing).toMatchObject({
      errorCode: "SOURCE_INCOMPLETE",
      failingSinceMs: expect.any(Number),
      lastSuccessAtMs: expect.any(Number),
    });

    proxy.meddle(() => ({}));
    await world.poll();
    await expectNobodyLostAnything();
    expect(await world.store.pollState("corp")).toMatchObject({ errorCode: null, failingSinceMs: null });
  });

  it("says since when it fails, not when it failed last", async () => {
    proxy.meddle(cutAt(1, "close"));
    await expect(world.poll()).rejects.toThrow();
    const first = await world.store.pollState("corp");
    world.clock.nowMs += 60_000;
    await expect(world.poll()).rejects.toThrow();
    expect((await world.store.pollState("corp")).failingSinceMs).toBe(first.failingSinceMs);
  });

  it("reads on after empty pages that carry a cookie", async () => {
    const fresh = await polledWorld(options);
    proxy.meddle(emptyPagesFirst(2));
    await fresh.poll();
    expect(await fresh.people()).toEqual(everybody);
    await fresh.close();
  });

  it("does not take everybody for enabled when what disables them can't be read", async () => {
    world.reconfigure({ ...options, users: { ...options.users, disabledBy: ["userAccountControl"] } });
    await expect(world.poll()).rejects.toMatchObject({
      code: "SOURCE_INCOMPLETE",
      message: expect.stringMatching(/uid=.*userAccountControl can't be read/),
    });
    await expectNobodyLostAnything();
  });

  it("refuses a server limit instead of taking a part for the whole", async () => {
    world.reconfigure({
      ...options,
      bind: { kind: "simple", dn: `cn=small,ou=services,${suffix}`, password: "small-password" },
    });
    await expect(world.poll()).rejects.toMatchObject({
      code: "SOURCE_INCOMPLETE",
      message: expect.stringContaining("sizeLimitExceeded (4)"),
    });
    await expectNobodyLostAnything();
  });

  // Bitwarden Directory Connector: a filter that matches nothing deletes everybody, exit 0.
  it.each([
    ["a filter that matches nothing", { filter: "(employeeType=nobody)" }],
    ["a misspelt object class", { filter: "(objectClass=inetOrgPersom)" }],
    ["a base with nobody below it", { baseDn: `ou=groups,${suffix}` }],
  ])("refuses a picture that shrinks: %s", async (_title, change) => {
    world.reconfigure({ ...options, users: { ...options.users, ...change } });
    for (const _ of [1, 2])
      await expect(world.poll()).rejects.toMatchObject({
        code: "SNAPSHOT_REFUSED",
        message: expect.stringContaining("0 of 12 people"),
      });
    await expectNobodyLostAnything();
  });

  it("refuses a base with as many people who are others", async () => {
    const partners = names.map((name) => person(`x${name}`).replace(",ou=people,", ",ou=partners,")).join("");
    modify(server, `dn: ou=partners,${suffix}\nobjectClass: organizationalUnit\nou: partners\n\n${partners}`);
    world.reconfigure({ ...options, users: { baseDn: `ou=partners,${suffix}` } });
    await expect(world.poll()).rejects.toMatchObject({
      code: "SNAPSHOT_REFUSED",
      message: expect.stringContaining("0 of 12 people"),
    });
    await expectNobodyLostAnything();
  });

  it("refuses groups that shrink: a filter that matches none of them", async () => {
    world.reconfigure({ ...options, groups: { baseDn: `ou=groups,${suffix}`, filter: "(cn=nothing)" } });
    for (const _ of [1, 2])
      await expect(world.poll()).rejects.toMatchObject({
        code: "SNAPSHOT_REFUSED",
        message: expect.stringContaining("0 of 1 groups"),
      });
    await expectNobodyLostAnything();
  });

  it("loses nobody's groups when the configuration stops naming any", async () => {
    const { groups: _, ...people } = options;
    world.reconfigure(people);
    await expect(world.poll()).rejects.toMatchObject({ code: "SNAPSHOT_REFUSED" });
    await expectNobodyLostAnything();
  });

  it("refuses the same filter also where deltas are read: a changed configuration is read in full", async () => {
    const deltas: LdapTestOptions = { ...options, delta: "auto" };
    world.reconfigure(deltas);
    await world.poll("full");
    expect(await world.poll()).toMatchObject({ mode: "delta" });
    world.reconfigure({ ...deltas, users: { ...deltas.users, filter: "(employeeType=nobody)" } });
    await expect(world.poll()).rejects.toMatchObject({ code: "SNAPSHOT_REFUSED" });
    world.reconfigure({ ...deltas, users: { baseDn: `ou=services,${suffix}` } });
    await expect(world.poll()).rejects.toMatchObject({ code: "SNAPSHOT_REFUSED" });
    await expectNobodyLostAnything();
  });

  it("lets one shrink through when asked, and still takes two pictures to believe it", async () => {
    world.reconfigure({ ...options, users: { ...options.users, filter: "(|(uid=p00)(uid=p01))" } });
    await expect(world.poll()).rejects.toMatchObject({ code: "SNAPSHOT_REFUSED" });
    const first = await world.poll("auto", true);
    expect(first.result).toMatchObject({ usersRemoved: 0, unconfirmedMissing: 10 });
    expect(Object.keys(await world.people())).toHaveLength(12);
    const second = await world.poll();
    expect(second.result).toMatchObject({ usersRemoved: 10, unconfirmedMissing: 0 });
    expect(Object.keys(await world.people())).toEqual(["p00@example.org", "p01@example.org"]);
    await world.deliver();
    const kept = Object.entries(world.access()).filter(([, { bitwarden }]) => bitwarden !== "revoked");
    expect(kept.map(([address]) => address)).toEqual(["p00@example.org", "p01@example.org"]);
    expect(world.onePassword.state.emailsIn("ACTIVE")).toEqual(["p00@example.org", "p01@example.org"]);
  });

  it("finds nobody missing who was only missing once", async () => {
    world.reconfigure({
      ...options,
      minKeptPercent: 50,
      users: { ...options.users, filter: "(&(objectClass=inetOrgPerson)(!(uid=p03)))" },
    });
    expect((await world.poll()).result.unconfirmedMissing).toBe(1);
    await expectNobodyLostAnything();
    world.reconfigure(options);
    expect((await world.poll()).result).toMatchObject({ unconfirmedMissing: 0, usersRemoved: 0, usersChanged: 0 });
    await expectNobodyLostAnything();
  });

  // `Mail` in place of `mail` yields 0 users, exit 0.
  it("takes attribute names in any case", async () => {
    const fresh = await polledWorld({
      ...options,
      users: { ...options.users, id: "ENTRYuuid", email: "Mail", userName: "UID", name: "CN" },
      groups: { baseDn: `ou=groups,${suffix}`, id: "EntryUuid", name: "CN", members: "Member" },
    });
    await fresh.poll();
    expect(await fresh.people()).toEqual(everybody);
    await fresh.close();
  });

  // A silent server hangs it for ever.
  it("gives up on a server that accepts and never answers", async () => {
    proxy.meddle(() => ({ onRequest: () => ({ end: "stall" }) }));
    await expect(world.poll()).rejects.toMatchObject({
      code: "SOURCE_UNAVAILABLE",
      message: expect.stringContaining("no complete answer within 0.3 s"),
    });
  });

  it("never reads as nobody after the connection was lost", async () => {
    // ldapts's own client would connect again without a bind, and an anonymous search finds nobody here.
    proxy.meddle(cutBetween(1, "close"));
    await expect(world.poll()).rejects.toMatchObject({ code: "SOURCE_INCOMPLETE" });
    await expectNobodyLostAnything();
  });

  it("runs one poll at a time", async () => {
    const [first, second] = await Promise.all([world.poll(), world.poll()]);
    expect(first).toBe(second);
  });

  it("stops when told to, and does not call it a failure", async () => {
    const { LdapPoller } = await import("../../src/sources/ldap/poller.ts");
    proxy.meddle(cutAt(1, "stall"));
    const poller = new LdapPoller(ldapSettings({ ...options, timeoutMs: 10_000 }), {
      store: world.store,
      now: Date.now,
      log: () => {},
    });
    const controller = new AbortController();
    const poll = poller.poll({ mode: "auto", progress: () => {} }, controller.signal);
    setImmediate(() => controller.abort());
    await expect(poll).rejects.toMatchObject({ code: "ABORTED" });
    expect((await world.store.pollState("corp")).failingSinceMs).toBeNull();
  });
});
