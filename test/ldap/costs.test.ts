import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openldapDialect } from "../support/ldap/dialect.ts";
import { noOpenldap, startOpenldap } from "../support/ldap/openldap.ts";
import { type DirectoryServer, modify } from "../support/ldap/server.ts";
import { type PolledWorld, polledWorld } from "../support/ldap/world.ts";

describe.skipIf(noOpenldap !== null)(noOpenldap ?? "what a change costs", () => {
  const dialect = openldapDialect();
  const names = Array.from({ length: 300 }, (_, index) => `p${String(index).padStart(3, "0")}`);
  const addresses = names.map((name) => `${name}@example.org`);
  let server: DirectoryServer;
  let world: PolledWorld;

  beforeAll(async () => {
    const groups = dialect.group("eng", names.slice(0, 100), []) + dialect.group("ops", ["p001"], []);
    server = await startOpenldap({ syncprov: true, ldif: names.map(dialect.person).join("") + groups });
    world = await polledWorld(dialect.options(server));
    for (const email of addresses) world.onePassword.state.addUser({ email });
    await world.poll();
    await world.deliver();
    expect(await world.leftOver()).toEqual([]);
  });
  beforeEach(() => void world.requests());
  afterAll(async () => {
    await world.close();
    await server.stop();
  });
  const after = async (ldif: string) => {
    modify(server, ldif);
    const { mode, entries, searches } = await world.poll();
    await world.deliver();
    return { mode, entries, searches, requests: world.requests() };
  };

  it("nothing changed: no entry is read, and no target is asked", async () => {
    const { mode, entries } = await world.poll();
    await world.deliver();
    expect({ mode, entries, requests: world.requests() }).toEqual({ mode: "delta", entries: 0, requests: {} });
  });

  const member = "/api/public/members/{id}";
  const user = "/v1beta1/accounts/{account}/users/{user}";
  /** Of 300 people: what is asked for is what this one person needs, never a list. */
  it.each([
    [
      "a person is disabled",
      dialect.disable("p200"),
      { [`GET ${member}`]: 1, [`POST ${member}/revoke`]: 1, [`GET ${user}`]: 1, [`POST ${user}:suspend`]: 1 },
    ],
    [
      "and enabled again",
      dialect.enable("p200"),
      {
        [`GET ${member}`]: 1,
        [`GET ${member}/group-ids`]: 1,
        [`POST ${member}/restore`]: 1,
        [`POST ${member}/reinvite`]: 1,
        [`GET ${user}`]: 1,
        [`POST ${user}:reactivate`]: 1,
      },
    ],
    [
      "a person joins a group",
      dialect.join("ops", "p002"),
      { [`GET ${member}`]: 1, [`GET ${member}/group-ids`]: 3, [`PUT ${member}/group-ids`]: 1, [`GET ${user}`]: 1 },
    ],
    [
      "an address changes, which only its owner can change there",
      dialect.setMail("p005", "other@example.org"),
      { [`GET ${member}`]: 1, [`GET ${member}/group-ids`]: 1, [`GET ${user}`]: 1 },
    ],
  ])("%s: one entry is read, and both targets are asked for that person alone", async (_title, ldif, requests) => {
    expect(await after(ldif)).toEqual({ mode: "delta", entries: 1, searches: expect.any(Number), requests });
  });

  it("a person is added: one list to find them by address, and one invitation", async () => {
    expect(await after(dialect.person("new"))).toMatchObject({
      entries: 1,
      requests: {
        "GET /api/public/members": 1,
        "GET /api/public/groups": 1,
        "POST /api/public/members": 1,
        "GET /v1beta1/accounts/{account}/users": 1,
      },
    });
  });
});
