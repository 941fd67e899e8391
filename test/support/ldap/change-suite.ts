import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addressInTargets, type ChangeCase, changeCases, everybody, type ServerTraits } from "./change-cases.ts";
import { type Access, type Delivery, startDelivery } from "./delivery.ts";
import type { DirectoryDialect } from "./dialect.ts";
import { type DirectoryServer, modify } from "./server.ts";
import { type PolledWorld, polledWorld, type Shown } from "./world.ts";

/** A kind of server that the table runs against. */
export interface ServerKind extends ServerTraits {
  readonly name: string;
  readonly missing: string | null;
  readonly start: () => Promise<DirectoryServer>;
  readonly dialect: () => DirectoryDialect;
  /** Does a delta learn of deletions, or only a complete poll? */
  readonly tellsDeletions: boolean;
}

/** One way of reading the directory, from the server to both targets. */
interface Way {
  readonly world: PolledWorld;
  readonly delivery: Delivery;
}

/** What both targets must have: the people seen, and those gone by now without access. */
function wanted(seen: Shown, everSeen: ReadonlySet<string>): Readonly<Record<string, Access>> {
  const access: Record<string, Access> = {};
  for (const email of everSeen) access[email] = { bitwarden: "revoked", onePassword: "SUSPENDED", groups: [] };
  for (const [email, { active, groups }] of Object.entries(seen)) {
    if (active) access[addressInTargets(email)] = { bitwarden: "invited", onePassword: "ACTIVE", groups };
  }
  return access;
}

async function openWay(dialect: DirectoryDialect, server: DirectoryServer): Promise<Way> {
  const world = await polledWorld(dialect.options(server));
  return { world, delivery: await startDelivery(world.store, everybody) };
}

async function closeWay({ world, delivery }: Way): Promise<void> {
  await delivery.close();
  await world.close();
}

const nothingDone = {
  usersAdded: 0,
  usersChanged: 0,
  usersRemoved: 0,
  groupsAdded: 0,
  groupsChanged: 0,
  groupsRemoved: 0,
  membershipsAdded: 0,
  membershipsRemoved: 0,
  unconfirmedMissing: 0,
};

/** Runs every case against one kind of server, read in full and by delta side by side, and delivered to both targets. */
export function changeSuite(kind: ServerKind): void {
  describe.skipIf(kind.missing !== null)(`${kind.name}${kind.missing === null ? "" : ` (${kind.missing})`}`, () => {
    const dialect = kind.dialect();
    const everSeen = new Set<string>();
    let server: DirectoryServer;
    let full: Way;
    let delta: Way;
    let annasId: string | undefined;

    beforeAll(async () => {
      server = await kind.start();
      [full, delta] = await Promise.all([openWay(dialect, server), openWay(dialect, server)]);
      await delta.world.poll();
    });
    afterAll(async () => {
      await Promise.all([closeWay(full), closeWay(delta)]);
      await server.stop();
    });

    /** Delivers, and looks at the store and at both targets; a last plan finds nothing to do. */
    async function check({ world, delivery }: Way, { seen, groups }: ChangeCase, how: string): Promise<void> {
      expect(await world.people(), `the directory, ${how}`).toEqual(seen);
      expect(await world.groups(), `groups of the directory, ${how}`).toEqual(groups);
      await delivery.deliver();
      expect(delivery.access(), `the targets, ${how}`).toEqual(wanted(seen, everSeen));
      expect(delivery.groups(), `groups of Bitwarden, ${how}`).toEqual(groups);
      expect(await delivery.leftOver(), `the last plan, ${how}`).toEqual([]);
    }

    it.each(changeCases)("$title", async (each) => {
      const { ldif, seen, deletes = false, needsFull = false } = each;
      modify(server, ldif(dialect, kind));
      for (const email of Object.keys(seen)) everSeen.add(addressInTargets(email));

      await full.world.poll("full");
      await full.world.poll("full");
      await check(full, each, "by complete polls");

      const report = await delta.world.poll();
      if (deletes && !kind.tellsDeletions) {
        await delta.world.poll("full");
        await delta.world.poll();
      } else if (!needsFull) expect(report, "the delta poll").toMatchObject({ mode: "delta", fullBecause: null });
      await check(delta, each, "by delta polls");

      const ids = await delta.world.ids();
      annasId ??= ids[everybody[0] ?? ""];
      expect(ids[everybody[0] ?? ""], "a person stays the same person").toBe(annasId);
      const quiet = await delta.world.poll();
      expect(quiet.result, "a quiet poll changes nothing").toEqual(nothingDone);
    });
  });
}
