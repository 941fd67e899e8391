import type { DirectoryStore } from "../../../src/domain/ports/directory-store.ts";
import { LdapPoller, type PollReport } from "../../../src/sources/ldap/poller.ts";
import type { Driver } from "../../../src/store/database/driver.ts";
import { openSqlite } from "../../../src/store/database/sqlite.ts";
import { openStore } from "../../../src/store/index.ts";
import { type LdapTestOptions, ldapSettings } from "./settings.ts";

/** What the directory of the store shows of one person: short, so that a table of cases can be read. */
export type Shown = Readonly<Record<string, { readonly active: boolean; readonly groups: readonly string[] }>>;

/** A store in memory with a poller on it; the clock is the test's. */
export interface PolledWorld {
  readonly store: DirectoryStore;
  readonly driver: Driver;
  poll(mode?: "auto" | "full", acceptShrink?: boolean): Promise<PollReport>;
  /** People present, by e-mail address (or userName), with the groups that are present. */
  people(): Promise<Shown>;
  /** Ids by e-mail address. */
  ids(): Promise<Readonly<Record<string, string>>>;
  groups(): Promise<readonly string[]>;
  /** Lets time pass. */
  advance(ms: number): void;
  reconfigure(options: LdapTestOptions): void;
  close(): Promise<void>;
}

export async function polledWorld(options: LdapTestOptions, startMs = Date.now()): Promise<PolledWorld> {
  const driver = openSqlite(":memory:");
  let offsetMs = startMs - Date.now();
  const now = (): number => Date.now() + offsetMs;
  const store = await openStore(driver, { now });
  const make = (given: LdapTestOptions) => new LdapPoller(ldapSettings(given), { store, now, log: () => {} });
  let poller = make(options);
  const name = "coalesce(u.email, u.user_name)";
  return {
    store,
    driver,
    poll: (mode = "auto", acceptShrink = false) => poller.poll({ mode, acceptShrink }, AbortSignal.timeout(20_000)),
    async people() {
      const rows = await driver.read.all(
        `SELECT ${name} AS name, u.is_active, g.display_name AS group_name FROM users u LEFT JOIN memberships m ON m.user_seq = u.seq
         LEFT JOIN groups g ON g.seq = m.group_seq AND g.absent_since_ms IS NULL WHERE u.absent_since_ms IS NULL ORDER BY 1, 3`,
      );
      const shown: Record<string, { active: boolean; groups: string[] }> = {};
      for (const row of rows) {
        const person = shown[String(row["name"])] ?? { active: row["is_active"] === 1, groups: [] };
        shown[String(row["name"])] = person;
        if (row["group_name"] !== null) person.groups.push(String(row["group_name"]));
      }
      return shown;
    },
    ids: async () =>
      Object.fromEntries(
        (await driver.read.all(`SELECT ${name} AS name, u.id FROM users u WHERE u.absent_since_ms IS NULL`)).map(
          (row) => [row["name"], row["id"]],
        ),
      ),
    groups: async () =>
      (await driver.read.all("SELECT display_name AS name FROM groups WHERE absent_since_ms IS NULL ORDER BY 1")).map(
        (row) => String(row["name"]),
      ),
    advance: (ms) => {
      offsetMs += ms;
    },
    reconfigure: (given) => {
      poller = make(given);
    },
    close: () => store.close(),
  };
}
