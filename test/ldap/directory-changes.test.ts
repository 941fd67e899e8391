import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  activeDirectoryDialect,
  type DirectoryDialect,
  ds389Dialect,
  openldapDialect,
} from "../support/ldap/dialect.ts";
import { no389, start389 } from "../support/ldap/ds389.ts";
import { noOpenldap, startOpenldap } from "../support/ldap/openldap.ts";
import { noSamba, startSamba } from "../support/ldap/samba.ts";
import { type DirectoryServer, modify } from "../support/ldap/server.ts";
import { type PolledWorld, polledWorld, type Shown } from "../support/ldap/world.ts";

interface Kind {
  readonly name: string;
  readonly missing: string | null;
  readonly start: () => Promise<DirectoryServer>;
  readonly dialect: () => DirectoryDialect;
  /** Does a delta learn of deletions, or only a complete poll? */
  readonly tellsDeletions: boolean;
  /** Does the server keep `member` in step with renames? Otherwise the administrator of the case does. */
  readonly keepsReferences: boolean;
}

const kinds: readonly Kind[] = [
  {
    name: "OpenLDAP",
    missing: noOpenldap,
    start: () => startOpenldap({}),
    dialect: openldapDialect,
    tellsDeletions: false,
    keepsReferences: false,
  },
  {
    name: "OpenLDAP with syncprov and memberof",
    missing: noOpenldap,
    start: () => startOpenldap({ syncprov: true, memberof: true }),
    dialect: openldapDialect,
    tellsDeletions: true,
    keepsReferences: true,
  },
  {
    name: "389 Directory Server",
    missing: no389,
    start: start389,
    dialect: ds389Dialect,
    tellsDeletions: true,
    keepsReferences: false,
  },
  {
    name: "Samba AD",
    missing: noSamba,
    start: asAdministrator,
    dialect: activeDirectoryDialect,
    tellsDeletions: true,
    keepsReferences: true,
  },
  {
    name: "Samba AD, an account that can't see deleted objects",
    missing: noSamba,
    start: startSamba,
    dialect: activeDirectoryDialect,
    tellsDeletions: false,
    keepsReferences: true,
  },
];

async function asAdministrator(): Promise<DirectoryServer> {
  const server = await startSamba();
  return { ...server, bindDn: server.adminDn, bindPassword: server.adminPassword };
}

const mail = (name: string): string => `${name}@example.org`;
const on = (...groups: readonly string[]) => ({ active: true, groups });
const off = (...groups: readonly string[]) => ({ active: false, groups });

/** Each step changes the directory and tells what must be seen then, in every server and both modes. Steps build on each other. */
interface Step {
  readonly title: string;
  readonly ldif: (d: DirectoryDialect, kind: Kind) => string;
  readonly seen: Shown;
  readonly deletes?: boolean;
  /** The delta poll must read everything. */
  readonly needsFull?: boolean;
}

const steps: readonly Step[] = [
  {
    title: "people and nested groups",
    ldif: (d) =>
      ["anna", "ben", "carla"].map(d.person).join("") +
      d.group("eng", ["anna", "ben"], []) +
      d.group("all", ["carla"], ["eng"]),
    seen: { [mail("anna")]: on("all", "eng"), [mail("ben")]: on("all", "eng"), [mail("carla")]: on("all") },
    needsFull: true,
  },
  {
    title: "a person is added",
    ldif: (d) => d.person("dora"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("ben")]: on("all", "eng"),
      [mail("carla")]: on("all"),
      [mail("dora")]: on(),
    },
  },
  {
    title: "an address changes",
    ldif: (d) => d.setMail("ben", "benjamin@example.org"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on("all", "eng"),
      [mail("carla")]: on("all"),
      [mail("dora")]: on(),
    },
  },
  {
    title: "a member is renamed",
    ldif: (d, { keepsReferences }) =>
      keepsReferences
        ? d.rename("anna", "annette")
        : d.join("eng", "carla") +
          d.leave("eng", "anna") +
          d.rename("anna", "annette") +
          d.join("eng", "annette") +
          d.leave("eng", "carla"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on("all", "eng"),
      [mail("carla")]: on("all"),
      [mail("dora")]: on(),
    },
  },
  {
    title: "somebody joins a group",
    ldif: (d) => d.join("eng", "dora"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on("all", "eng"),
      [mail("carla")]: on("all"),
      [mail("dora")]: on("all", "eng"),
    },
  },
  {
    title: "somebody leaves a group",
    ldif: (d) => d.leave("eng", "ben"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on(),
      [mail("carla")]: on("all"),
      [mail("dora")]: on("all", "eng"),
    },
  },
  {
    title: "a person is disabled",
    ldif: (d) => d.disable("dora"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on(),
      [mail("carla")]: on("all"),
      [mail("dora")]: off("all", "eng"),
    },
  },
  {
    title: "and enabled again",
    ldif: (d) => d.enable("dora"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on(),
      [mail("carla")]: on("all"),
      [mail("dora")]: on("all", "eng"),
    },
  },
  {
    title: "a container is made and a person moves there",
    ldif: (d) => d.makeUnit() + d.move("ben"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on(),
      [mail("carla")]: on("all"),
      [mail("dora")]: on("all", "eng"),
    },
    needsFull: true,
  },
  {
    title: "the container is renamed, then its person joins a group",
    ldif: (d) => d.renameUnit("ben") + d.join("eng", "ben"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on("all", "eng"),
      [mail("carla")]: on("all"),
      [mail("dora")]: on("all", "eng"),
    },
    needsFull: true,
  },
  {
    title: "a group is renamed",
    ldif: (d) => d.renameGroup("all", "everybody"),
    seen: {
      [mail("anna")]: on("eng", "everybody"),
      [mail("benjamin")]: on("eng", "everybody"),
      [mail("carla")]: on("everybody"),
      [mail("dora")]: on("eng", "everybody"),
    },
  },
  {
    title: "a member is deleted",
    ldif: (d) => d.remove("dora"),
    seen: {
      [mail("anna")]: on("eng", "everybody"),
      [mail("benjamin")]: on("eng", "everybody"),
      [mail("carla")]: on("everybody"),
    },
    deletes: true,
  },
  {
    title: "somebody leaves the filter",
    ldif: (d) => d.describe("carla", "left"),
    seen: { [mail("anna")]: on("eng", "everybody"), [mail("benjamin")]: on("eng", "everybody") },
  },
  {
    title: "and comes back",
    ldif: (d) => d.describe("carla", null),
    seen: {
      [mail("anna")]: on("eng", "everybody"),
      [mail("benjamin")]: on("eng", "everybody"),
      [mail("carla")]: on("everybody"),
    },
  },
  {
    title: "a group is deleted",
    ldif: (d) => d.removeGroup("eng"),
    seen: { [mail("anna")]: on(), [mail("benjamin")]: on(), [mail("carla")]: on("everybody") },
    deletes: true,
  },
];

describe.each(kinds)("$name", (kind) => {
  describe.skipIf(kind.missing !== null)(kind.missing ?? "changes end in the right state", () => {
    let server: DirectoryServer;
    let full: PolledWorld;
    let delta: PolledWorld;
    const dialect = kind.dialect();
    let firstIds: Readonly<Record<string, string>> = {};

    beforeAll(async () => {
      server = await kind.start();
      const options = dialect.options(server);
      full = await polledWorld(options);
      delta = await polledWorld(options);
      await delta.poll();
    });
    afterAll(async () => {
      await full.close();
      await delta.close();
      await server.stop();
    });

    it.each(steps)("$title", async ({ ldif, seen, deletes = false, needsFull = false, title }) => {
      modify(server, ldif(dialect, kind));

      await full.poll("full");
      await full.poll("full");
      expect(await full.people(), "complete polls").toEqual(seen);

      const report = await delta.poll();
      if (deletes && !kind.tellsDeletions) {
        await delta.poll("full");
        await delta.poll();
      } else if (!needsFull) expect(report, "the delta poll").toMatchObject({ mode: "delta", fullBecause: null });
      expect(await delta.people(), "delta polls").toEqual(seen);

      const ids = await delta.ids();
      if (title === steps[0]?.title) firstIds = ids;
      expect(ids[mail("anna")], "a person stays the same person").toBe(firstIds[mail("anna")]);

      const quiet = await delta.poll();
      expect(quiet.result, "a quiet poll changes nothing").toEqual({
        usersAdded: 0,
        usersChanged: 0,
        usersRemoved: 0,
        groupsAdded: 0,
        groupsChanged: 0,
        groupsRemoved: 0,
        membershipsAdded: 0,
        membershipsRemoved: 0,
        unconfirmedMissing: 0,
      });
    });
  });
});
