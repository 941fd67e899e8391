import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LdapPoller } from "../../src/sources/ldap/poller.ts";
import { openldapDialect } from "../support/ldap/dialect.ts";
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
import { type LdapTestOptions, ldapSettings, optionsFor } from "../support/ldap/settings.ts";
import { type PolledWorld, polledWorld } from "../support/ldap/world.ts";

const suffix = "dc=example,dc=org";
const dialect = openldapDialect();
const names = Array.from({ length: 12 }, (_, index) => `p${String(index).padStart(2, "0")}`);
const addresses = names.map((name) => `${name}@example.org`);

describe.skipIf(noOpenldap !== null)(noOpenldap ?? "a directory that fails", () => {
  let server: DirectoryServer;
  let proxy: LdapProxy;
  let world: PolledWorld;
  let options: LdapTestOptions;
  const everybody = Object.fromEntries(addresses.map((address) => [address, { active: true, groups: ["all"] }]));
  const fullAccess = Object.fromEntries(
    addresses.map((address) => [address, { bitwarden: "invited", onePassword: "ACTIVE", groups: ["all"] }]),
  );

  /** Delivers to both targets: nobody lost access or a group, and no change waits. */
  async function expectNobodyLostAnything(): Promise<void> {
    expect(await world.people()).toEqual(everybody);
    await world.deliver();
    expect(world.access()).toEqual(fullAccess);
    expect(world.bitwardenGroups()).toEqual(["all"]);
    expect(await world.leftOver()).toEqual([]);
  }
  const expectRefused = (message: string) =>
    expect(world.poll()).rejects.toMatchObject({
      code: "SNAPSHOT_REFUSED",
      message: expect.stringContaining(message),
    });
  /** Only for servers that stop answering: on a busy machine a good answer can take longer. */
  const impatient = (): LdapTestOptions => ({ ...options, timeoutMs: 300 });
  /** A new world that polls once. */
  async function peopleOf(given: LdapTestOptions): Promise<unknown> {
    const fresh = await polledWorld(given);
    await fresh.poll();
    const people = await fresh.people();
    await fresh.close();
    return people;
  }

  beforeAll(async () => {
    // Half of the member DNs differ from those of the entries in letter case and spaces. A text comparison would fail.
    const members = names.map((name, index) =>
      index % 2 === 0 ? `UID=${name.toUpperCase()}, OU=People,DC=example,DC=org` : `uid=${name},ou=people,${suffix}`,
    );
    const all = dialect.group("all", [], []).trimEnd();
    const group = [all, ...members.map((member) => `member: ${member}`), "", ""].join("\n");
    server = await startOpenldap({ ldif: names.map(dialect.person).join("") + group });
    proxy = await startProxy(server.port);
  });
  afterAll(async () => {
    await proxy.stop();
    await server.stop();
  });
  beforeEach(async () => {
    proxy.meddle(() => ({}));
    options = { ...optionsFor("openldap", server, proxy.port), pageSize: 5, delta: "off" };
    world = await polledWorld(options);
    for (const email of addresses) world.onePassword.state.addUser({ email });
    await world.poll();
    await world.deliver();
  });
  afterEach(() => world.close());

  it.each<{ readonly what: string; readonly fault: () => Meddler }>([
    { what: "the connection is closed in the first page", fault: cutAt(1, "close") },
    { what: "the connection is closed in a later page", fault: cutAt(3, "close") },
    { what: "the connection is reset in a page", fault: cutAt(2, "reset") },
    // ldapts's own client connects again without a bind. An anonymous search finds nobody here.
    { what: "the connection is closed after the first page", fault: cutBetween(1, "close") },
    { what: "the connection is closed between pages", fault: cutBetween(2, "close") },
    { what: "the connection is reset between pages", fault: cutBetween(3, "reset") },
    { what: "a page never ends", fault: cutAt(2, "stall") },
    { what: "an entry is truncated", fault: truncateAt(2) },
    { what: "an answer is not LDAP", fault: garbageAt(2) },
    { what: "the server sends a notice of disconnection", fault: unbindAt(2) },
    { what: "a page ends with timeLimitExceeded", fault: resultCode(2, 3) },
    { what: "a page ends with sizeLimitExceeded", fault: resultCode(2, 4) },
    { what: "a page ends with referral", fault: resultCode(2, 10) },
    { what: "a page ends with adminLimitExceeded", fault: resultCode(3, 11) },
    { what: "the base is hidden by noSuchObject", fault: resultCode(1, 32) },
    { what: "a later page ends with noSuchObject", fault: resultCode(2, 32) },
    { what: "a page ends with insufficientAccessRights", fault: resultCode(2, 50) },
    { what: "a page ends with busy", fault: resultCode(2, 51) },
    { what: "a page ends with unavailable", fault: resultCode(2, 52) },
    { what: "the groups end with operationsError", fault: resultCode(4, 1) },
    { what: "empty pages repeat one cookie forever", fault: sameCookieForEver },
  ])("nobody loses anything if $what", async ({ fault }) => {
    await expectNobodyLostAnything();
    proxy.meddle(fault);
    world.reconfigure(impatient());
    for (const _ of [1, 2, 3]) await expect(world.poll()).rejects.toMatchObject({ code: "SOURCE_INCOMPLETE" });
    await expectNobodyLostAnything();
    const failing = await world.store.pollState("corp");
    expect(failing).toMatchObject({
      errorCode: "SOURCE_INCOMPLETE",
      failingSinceMs: expect.any(Number),
      lastSuccessAtMs: expect.any(Number),
    });

    proxy.meddle(() => ({}));
    world.reconfigure(options);
    await world.poll();
    await expectNobodyLostAnything();
    expect(await world.store.pollState("corp")).toMatchObject({ errorCode: null, failingSinceMs: null });
  });

  it("the first failure stays the start of a failing period", async () => {
    proxy.meddle(cutAt(1, "close"));
    await expect(world.poll()).rejects.toThrow();
    const first = await world.store.pollState("corp");
    world.clock.nowMs += 60_000;
    await expect(world.poll()).rejects.toThrow();
    expect((await world.store.pollState("corp")).failingSinceMs).toBe(first.failingSinceMs);
  });

  it("empty pages with a cookie do not end a list", async () => {
    proxy.meddle(emptyPagesFirst(2));
    expect(await peopleOf(options)).toEqual(everybody);
  });

  it("a poll fails if the attribute that disables users can't be read", async () => {
    world.reconfigure({ ...options, users: { ...options.users, disabledBy: ["userAccountControl"] } });
    await expect(world.poll()).rejects.toMatchObject({
      code: "SOURCE_INCOMPLETE",
      message: expect.stringMatching(/uid=.*userAccountControl can't be read/),
    });
    await expectNobodyLostAnything();
  });

  it("a size limit of the server fails the poll: a part never counts as the whole", async () => {
    const dn = `cn=small,ou=services,${suffix}`;
    world.reconfigure({ ...options, bind: { kind: "simple", dn, password: "small-password" } });
    await expect(world.poll()).rejects.toMatchObject({
      code: "SOURCE_INCOMPLETE",
      message: expect.stringContaining("sizeLimitExceeded (4)"),
    });
    await expectNobodyLostAnything();
  });

  // Bitwarden Directory Connector deletes everybody if a filter matches nobody, and exits with 0.
  it.each([
    { what: "a filter that matches nobody", users: { filter: "(employeeType=nobody)" } },
    { what: "a misspelt object class", users: { filter: "(objectClass=inetOrgPersom)" } },
    { what: "a base with no users below it", users: { baseDn: `ou=groups,${suffix}` } },
  ])("a snapshot that shrinks by $what is refused", async ({ users }) => {
    world.reconfigure({ ...options, users: { ...options.users, ...users } });
    for (const _ of [1, 2]) await expectRefused("0 of 12 people");
    await expectNobodyLostAnything();
  });

  it("a base with as many other users is refused", async () => {
    const partners = names.map((name) => dialect.person(`x${name}`).replace(",ou=people,", ",ou=partners,")).join("");
    modify(server, `dn: ou=partners,${suffix}\nobjectClass: organizationalUnit\nou: partners\n\n${partners}`);
    world.reconfigure({ ...options, users: { baseDn: `ou=partners,${suffix}` } });
    await expectRefused("0 of 12 people");
    await expectNobodyLostAnything();
  });

  it("a group filter that matches no group is refused", async () => {
    world.reconfigure({ ...options, groups: { baseDn: `ou=groups,${suffix}`, filter: "(cn=nothing)" } });
    for (const _ of [1, 2]) await expectRefused("0 of 1 groups");
    await expectNobodyLostAnything();
  });

  it("nobody leaves a group if the configuration no longer has groups", async () => {
    const { groups: _, ...people } = options;
    world.reconfigure(people);
    await expectRefused("groups");
    await expectNobodyLostAnything();
  });

  it("a changed configuration is read in full and refused as well if deltas are read", async () => {
    const deltas: LdapTestOptions = { ...options, delta: "auto" };
    world.reconfigure(deltas);
    await world.poll("full");
    expect(await world.poll()).toMatchObject({ mode: "delta" });
    for (const users of [{ filter: "(employeeType=nobody)" }, { baseDn: `ou=services,${suffix}` }]) {
      world.reconfigure({ ...deltas, users: { ...deltas.users, ...users } });
      await expectRefused("people");
    }
    await expectNobodyLostAnything();
  });

  it("one accepted shrink still needs two snapshots", async () => {
    world.reconfigure({ ...options, users: { ...options.users, filter: "(|(uid=p00)(uid=p01))" } });
    await expectRefused("people");
    const first = await world.poll("auto", true);
    expect(first.result).toMatchObject({ usersRemoved: 0, unconfirmedMissing: 10 });
    expect(Object.keys(await world.people())).toHaveLength(12);
    const second = await world.poll();
    expect(second.result).toMatchObject({ usersRemoved: 10, unconfirmedMissing: 0 });
    const kept = ["p00@example.org", "p01@example.org"];
    expect(Object.keys(await world.people())).toEqual(kept);
    await world.deliver();
    const invited = Object.entries(world.access()).filter(([, { bitwarden }]) => bitwarden !== "revoked");
    expect(invited.map(([address]) => address)).toEqual(kept);
    expect(world.onePassword.state.emailsIn("ACTIVE")).toEqual(kept);
  });

  it("a user who is missing from one snapshot only stays", async () => {
    const filter = "(&(objectClass=inetOrgPerson)(!(uid=p03)))";
    world.reconfigure({ ...options, minKeptPercent: 50, users: { ...options.users, filter } });
    expect((await world.poll()).result.unconfirmedMissing).toBe(1);
    await expectNobodyLostAnything();
    world.reconfigure(options);
    expect((await world.poll()).result).toMatchObject({ unconfirmedMissing: 0, usersRemoved: 0, usersChanged: 0 });
    await expectNobodyLostAnything();
  });

  // Bitwarden Directory Connector reads no users with `Mail` instead of `mail`, and exits with 0.
  it("attribute names have any letter case", async () => {
    const people = await peopleOf({
      ...options,
      users: { ...options.users, id: "ENTRYuuid", email: "Mail", userName: "UID", name: "CN" },
      groups: { baseDn: `ou=groups,${suffix}`, id: "EntryUuid", name: "CN", members: "Member" },
    });
    expect(people).toEqual(everybody);
  });

  // Bitwarden Directory Connector waits forever here.
  it("a server that accepts and never answers fails the poll", async () => {
    proxy.meddle(() => ({ onRequest: () => ({ end: "stall" }) }));
    world.reconfigure(impatient());
    await expect(world.poll()).rejects.toMatchObject({
      code: "SOURCE_UNAVAILABLE",
      message: expect.stringContaining("no complete answer within 0.3 s"),
    });
  });

  it("a second call waits for the poll under way", async () => {
    const [first, second] = await Promise.all([world.poll(), world.poll()]);
    expect(first).toBe(second);
  });

  it("an aborted poll is not a failure", async () => {
    proxy.meddle(cutAt(1, "stall"));
    const settings = ldapSettings(options);
    const poller = new LdapPoller(settings, { store: world.store, now: Date.now, log: () => {} });
    const controller = new AbortController();
    const poll = poller.poll({ mode: "auto", progress: () => {} }, controller.signal);
    setImmediate(() => controller.abort());
    await expect(poll).rejects.toMatchObject({ code: "ABORTED" });
    expect((await world.store.pollState("corp")).failingSinceMs).toBeNull();
  });
});
