import type { EntityRef } from "../../domain/model/entities.ts";
import type { ConsoleStore } from "../../domain/ports/console-store.ts";
import { activityRows } from "../audit/activity.ts";
import { hourly } from "../audit/hourly-counts.ts";
import type { Driver } from "../database/driver.ts";
import { toHeld } from "../sync/held.ts";
import { askRows } from "../sync/reinvite-requests.ts";
import { attention } from "./attention.ts";
import { syncStatusesOf } from "./sync-status.ts";
import { groupsPage, peoplePage, toGroups, toPerson } from "./user-and-group-pages.ts";

/** Groups named on one person's page. */
const groupsAtMost = 1000;

/** What the console and the API read: see `ConsoleStore`. */
export function consoleRows(
  driver: Driver,
  context: { readonly changed: (refs: readonly EntityRef[]) => void },
): ConsoleStore {
  return {
    people: (query) => peoplePage(driver, query),
    groups: (query) => groupsPage(driver, query),

    async person(id, connections) {
      const row = await driver.read.get("SELECT * FROM users WHERE id = ?", [id]);
      if (row === undefined) return null;
      const groups = await driver.read.all(
        `SELECT g.id, g.display_name AS name FROM memberships m JOIN groups g ON g.seq = m.group_seq
         WHERE m.user_seq = ? ORDER BY g.display_name_key, g.seq LIMIT ?`,
        [Number(row["seq"]), groupsAtMost],
      );
      const held = await driver.read.all("SELECT * FROM held WHERE entity_id = ? ORDER BY target, key", [id]);
      return {
        ...toPerson(row, await syncStatusesOf(driver, "user", [id], connections)),
        externalId: String(row["source_key"]),
        rev: Number(row["rev"]),
        createdAtMs: Number(row["created_ms"]),
        modifiedAtMs: Number(row["modified_ms"]),
        groups: groups.map((group) => ({ id: String(group["id"]), displayName: String(group["name"]) })),
        held: held.map((item) => ({ ...toHeld(item), target: String(item["target"]) })),
      };
    },

    async group(id, connections) {
      const row = await driver.read.get("SELECT * FROM groups WHERE id = ?", [id]);
      const [item] = row === undefined ? [] : await toGroups(driver, [row], connections);
      if (row === undefined || item === undefined) return null;
      return {
        ...item,
        externalId: String(row["source_key"]),
        rev: Number(row["rev"]),
        createdAtMs: Number(row["created_ms"]),
        modifiedAtMs: Number(row["modified_ms"]),
      };
    },

    ...activityRows(driver),
    ...askRows(driver, context),
    hourly: (connections, sinceMs) => hourly(driver, connections, sinceMs),
    attention: (connections, nowMs) => attention(driver, connections, nowMs),
  };
}
