import { LdapPoller, type PollReport } from "../../../src/sources/ldap/poller.ts";
import { makeWorld, type World } from "../world.ts";
import { type LdapTestOptions, ldapSettings } from "./settings.ts";

/** A user in the store: short, so that a table of cases is readable. */
export interface ShownUser {
  readonly active: boolean;
  /** Names of the present groups, sorted. */
  readonly groups: readonly string[];
}

/** A world whose source is a polled LDAP directory. Its clock runs. */
export interface PolledWorld extends World, AsyncDisposable {
  poll(mode?: "auto" | "full", acceptShrink?: boolean): Promise<PollReport>;
  reconfigure(options: LdapTestOptions): void;
  /** Present users by e-mail address, or by userName without one. */
  people(): Promise<Readonly<Record<string, ShownUser>>>;
  /** Ids of present users by e-mail address. */
  ids(): Promise<Readonly<Record<string, string>>>;
  /** Names of the present groups, sorted. */
  groups(): Promise<readonly string[]>;
}

export async function polledWorld(options: LdapTestOptions): Promise<PolledWorld> {
  const world = await makeWorld({ isClockRunning: true });
  const { driver, store } = world;
  const make = (given: LdapTestOptions) =>
    new LdapPoller(ldapSettings(given), { store, now: () => world.clock.nowMs, log: () => {} });
  let poller = make(options);
  const name = "coalesce(u.email, u.user_name)";
  const present = "absent_since_ms IS NULL";
  return {
    ...world,
    [Symbol.asyncDispose]: () => world.close(),
    poll: (mode = "auto", acceptShrink = false) => poller.poll({ mode, acceptShrink }, AbortSignal.timeout(20_000)),
    reconfigure: (given) => {
      poller = make(given);
    },
    async people() {
      const rows = await driver.read.all(
        `SELECT ${name} AS name, u.is_active, g.display_name AS group_name FROM users u LEFT JOIN memberships m ON m.user_seq = u.seq
         LEFT JOIN groups g ON g.seq = m.group_seq AND g.${present} WHERE u.${present} ORDER BY 1, 3`,
      );
      const shown: Record<string, { active: boolean; groups: string[] }> = {};
      for (const row of rows) {
        const user = shown[String(row["name"])] ?? { active: row["is_active"] === 1, groups: [] };
        shown[String(row["name"])] = user;
        if (row["group_name"] !== null) user.groups.push(String(row["group_name"]));
      }
      return shown;
    },
    async ids() {
      const rows = await driver.read.all(`SELECT ${name} AS name, u.id FROM users u WHERE u.${present}`);
      return Object.fromEntries(rows.map((row) => [row["name"], row["id"]]));
    },
    async groups() {
      const rows = await driver.read.all(`SELECT display_name AS name FROM groups WHERE ${present} ORDER BY 1`);
      return rows.map((row) => String(row["name"]));
    },
  };
}
