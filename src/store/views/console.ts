import type { EntityRef } from "../../domain/model/entities.ts";
import type { ConsoleStore } from "../../domain/ports/console-store.ts";
import { activityRows } from "../audit/activity.ts";
import { hourly } from "../audit/hourly-counts.ts";
import type { Driver } from "../database/driver.ts";
import { all, integer, reader, text } from "../database/table.ts";
import { heldAbout } from "../sync/held.ts";
import { requestRows } from "../sync/reinvite-requests.ts";
import { attention } from "./attention.ts";
import { groupsPage, peoplePage, toGroups, toPeople } from "./user-and-group-pages.ts";

/** Maximum number of groups on a person's page. */
const maxGroups = 1000;

/** The columns of a detail page beside those of the list. */
const readDetail = reader({
  externalId: { ...text, column: "source_key" },
  rev: integer,
  createdAtMs: integer,
  modifiedAtMs: integer,
});

/** Reads of the console and the API: see `ConsoleStore`. */
export function consoleRows(
  driver: Driver,
  context: { readonly changed: (refs: readonly EntityRef[]) => void },
): ConsoleStore {
  const { read } = driver;
  return {
    people: (query) => peoplePage(driver, query),
    groups: (query) => groupsPage(driver, query),

    async person(id, targets) {
      const rows = await read.all("SELECT * FROM users WHERE id = ?", [id]);
      const [row] = rows;
      const [item] = await toPeople(driver, rows, targets);
      if (row === undefined || item === undefined) return null;
      const groups = await all(
        read,
        { id: text, displayName: text },
        `SELECT g.id, g.display_name FROM memberships m JOIN groups g ON g.seq = m.group_seq
         WHERE m.user_seq = ? ORDER BY g.display_name_key, g.seq LIMIT ?`,
        [row["seq"] ?? null, maxGroups],
      );
      return { ...item, ...readDetail(row), groups, held: await heldAbout(read, id) };
    },

    async group(id, targets) {
      const rows = await read.all("SELECT * FROM groups WHERE id = ?", [id]);
      const [row] = rows;
      const [item] = await toGroups(driver, rows, targets);
      return row === undefined || item === undefined ? null : { ...item, ...readDetail(row) };
    },

    ...activityRows(driver),
    ...requestRows(driver, context),
    hourly: (targets, sinceMs) => hourly(driver, targets, sinceMs),
    attention: (targets, nowMs) => attention(driver, targets, nowMs),
  };
}
