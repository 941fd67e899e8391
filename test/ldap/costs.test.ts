import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openldapDialect } from "../support/ldap/dialect.ts";
import { noOpenldap, startOpenldap } from "../support/ldap/openldap.ts";
import { type DirectoryServer, modify } from "../support/ldap/server.ts";
import { type PolledWorld, polledWorld } from "../support/ldap/world.ts";

describe.skipIf(noOpenldap !== null)(noOpenldap ?? "the cost of a change", () => {
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

  it("without a change, no entry is read and no target gets a request", async () => {
    const { mode, entries } = await world.poll();
    await world.deliver();
    expect({ mode, entries, requests: world.requests() }).toEqual({ mode: "delta", entries: 0, requests: {} });
  });

  const member = "/api/public/members/{id}";
  const user = "/v1beta1/accounts/{account}/users/{user}";
  /** Requests for one of 300 people. No request lists all of them. */
  it.each([
    [
      "of a disabled person",
      dialect.disable("p200"),
      { [`GET ${member}`]: 1, [`POST ${member}/revoke`]: 1, [`GET ${user}`]: 1, [`POST ${user}:suspend`]: 1 },
    ],
    [
      "of a person enabled again",
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
      "of a person who joins a group",
      dialect.join("ops", "p002"),
      { [`GET ${member}`]: 1, [`GET ${member}/group-ids`]: 3, [`PUT ${member}/group-ids`]: 1, [`GET ${user}`]: 1 },
    ],
    [
      "of a changed address, which only its owner can change in the targets",
      dialect.setMail("p005", "other@example.org"),
      { [`GET ${member}`]: 1, [`GET ${member}/group-ids`]: 1, [`GET ${user}`]: 1 },
    ],
  ])("the cost %s is one entry, and requests for that person alone", async (_title, ldif, requests) => {
    expect(await after(ldif)).toEqual({ mode: "delta", entries: 1, searches: expect.any(Number), requests });
  });

  it("the cost of a new person is one list, to find the address, and one invitation", async () => {
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
