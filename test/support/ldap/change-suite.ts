import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Access } from "../world.ts";
import { addressInTargets, type ChangeCase, changeCases, everybody, type ServerTraits } from "./change-cases.ts";
import type { DirectoryDialect } from "./dialect.ts";
import { type DirectoryServer, modify } from "./server.ts";
import { type PolledWorld, polledWorld } from "./world.ts";

/** A kind of server that the table runs against. */
export interface ServerKind extends ServerTraits {
  readonly name: string;
  /** Why it can't run here; null if it can. */
  readonly missing: string | null;
  readonly start: () => Promise<DirectoryServer>;
  readonly dialect: () => DirectoryDialect;
  /** True if a delta lists deletions. Otherwise only a full poll finds them. */
  readonly listsDeletions: boolean;
}

/** What both targets must show: the present users with their groups, and the others without access. */
function expectedAccess(people: ChangeCase["people"], everSeen: ReadonlySet<string>): Readonly<Record<string, Access>> {
  const access: Record<string, Access> = {};
  for (const email of everSeen) access[email] = { bitwarden: "revoked", onePassword: "SUSPENDED", groups: [] };
  for (const [email, { active, groups }] of Object.entries(people))
    if (active) access[addressInTargets(email)] = { bitwarden: "invited", onePassword: "ACTIVE", groups };
  return access;
}

/** Runs each case against one kind of server, by full polls and by delta polls, and delivers to both targets. */
export function changeSuite(kind: ServerKind): void {
  describe.skipIf(kind.missing !== null)(`${kind.name}${kind.missing === null ? "" : ` (${kind.missing})`}`, () => {
    const dialect = kind.dialect();
    const everSeen = new Set<string>();
    let server: DirectoryServer;
    let full: PolledWorld;
    let delta: PolledWorld;
    let annasId: string | undefined;

    const open = async (): Promise<PolledWorld> => {
      const world = await polledWorld(dialect.options(server));
      for (const email of everybody) world.onePassword.state.addUser({ email });
      return world;
    };
    beforeAll(async () => {
      server = await kind.start();
      [full, delta] = await Promise.all([open(), open()]);
      await delta.poll();
    });
    afterAll(async () => {
      await Promise.all([full.close(), delta.close()]);
      await server.stop();
    });

    async function expectDelivered(world: PolledWorld, { people, groups }: ChangeCase, how: string): Promise<void> {
      expect(await world.people(), `the directory, ${how}`).toEqual(people);
      expect(await world.groups(), `groups of the directory, ${how}`).toEqual(groups);
      await world.deliver();
      expect(world.access(), `the targets, ${how}`).toEqual(expectedAccess(people, everSeen));
      expect(world.bitwardenGroups(), `groups of Bitwarden, ${how}`).toEqual(groups);
      expect(await world.leftOver(), `the last plan, ${how}`).toEqual([]);
    }

    it.each(changeCases)("$title", async (each) => {
      modify(server, each.ldif(dialect, kind));
      for (const email of Object.keys(each.people)) everSeen.add(addressInTargets(email));

      await full.poll("full");
      await full.poll("full");
      await expectDelivered(full, each, "by full polls");

      const report = await delta.poll();
      if (each.deletes && !kind.listsDeletions) {
        await delta.poll("full");
        await delta.poll();
      } else if (!each.needsFull) expect(report, "the delta poll").toMatchObject({ mode: "delta", fullBecause: null });
      await expectDelivered(delta, each, "by delta polls");

      const ids = await delta.ids();
      annasId ??= ids[everybody[0] ?? ""];
      expect(ids[everybody[0] ?? ""], "a person keeps the id").toBe(annasId);
      const quiet = await delta.poll();
      expect(new Set(Object.values(quiet.result)), "a poll without changes").toEqual(new Set([0]));
    });
  });
}
