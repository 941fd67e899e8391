import type { AuditEntry } from "../../domain/model/audit.ts";
import type { Cause } from "../../domain/model/entities.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import { type HeldItem, isApprovable, namedBy } from "../../domain/model/held-change.ts";
import { digestOf, heldReasons } from "../../domain/model/plan.ts";
import type { RunRecord, SyncStore } from "../../domain/ports/sync-store.ts";
import { entityEntry, otherEntry, writeAudit } from "../audit/audit.ts";
import type { Driver, Sql } from "../database/driver.ts";
import { all, entityKind, integer, json, oneOf, optional, type Shape, table, text } from "../database/table.ts";
import { reviewRestore } from "./restores.ts";

type StoredItem = HeldItem & { readonly target: string };

export const heldReason = oneOf(heldReasons);

const shape: Shape<StoredItem> = {
  target: text,
  key: text,
  kind: entityKind,
  entityId: text,
  reason: heldReason,
  change: json(),
  sinceMs: integer,
  approvedAtMs: optional(integer),
  dismissedAtMs: optional(integer),
  dismissedBy: optional(text),
};
const heldChanges = table<StoredItem>("held_changes", shape);
const { target: _, ...itemShape } = shape;

// An item keeps the time when it was first held, and the decision of a person.
const kept = ["kind", "entityId", "sinceMs", "approvedAtMs", "dismissedAtMs", "dismissedBy"] as const;
const upsertHeld = heldChanges.upsert(["target", "key"], kept);

const putHeld = (sql: Sql, target: string, item: HeldItem): Promise<number> =>
  sql.run(upsertHeld, heldChanges.values({ ...item, target }));

/** The held changes of one entity, in all targets. */
export const heldAbout = (sql: Sql, entityId: string): Promise<readonly StoredItem[]> =>
  all(sql, shape, "SELECT * FROM held_changes WHERE entity_id = ? ORDER BY target, key", [entityId]);

/** A decision of a person about held changes. */
interface Decision {
  readonly items: readonly HeldItem[];
  readonly cause: Cause;
  readonly nowMs: number;
}

/** Changes that wait for a person, and the decisions: see `SyncStore`. */
export function heldRows(
  driver: Driver,
): Pick<SyncStore, "held" | "approve" | "approveItems" | "dismiss" | "dismissItems"> {
  const held = (sql: Sql, target: string): Promise<readonly HeldItem[]> =>
    all(sql, itemShape, "SELECT * FROM held_changes WHERE target = ? ORDER BY since_ms, key", [target]);

  const mark = (
    sql: Sql,
    target: string,
    items: readonly HeldItem[],
    marks: string,
    values: readonly (string | number)[],
  ): Promise<number> =>
    sql.run(`UPDATE held_changes SET ${marks} WHERE target = ? AND ${driver.dialect.isIn("key")}`, [
      ...values,
      target,
      JSON.stringify(items.map(({ key }) => key)),
    ]);

  const approve = async (sql: Sql, target: string, { items, cause, nowMs }: Decision): Promise<void> => {
    await mark(sql, target, items, "approved_at_ms = ?, dismissed_at_ms = NULL, dismissed_by = NULL", [nowMs]);
    // The restored copy is trusted again when nothing is left that only the copy wants.
    const isAll = !(await held(sql, target)).some((item) => item.reason === "restored" && isApprovable(item));
    if (isAll) await reviewRestore(sql, target, nowMs);
    // The reconciler, perhaps another process, starts from the retry times.
    await sql.run(
      "UPDATE links SET retry_at_ms = ? WHERE target = ? AND entity_id IN (SELECT entity_id FROM held_changes WHERE target = ? AND approved_at_ms IS NOT NULL)",
      [nowMs, target, target],
    );
    await writeAudit(sql, nowMs, decisionEntries("approve", "approved", target, items, cause));
  };

  const dismiss = async (sql: Sql, target: string, { items, cause, nowMs }: Decision): Promise<void> => {
    // The first person who dismissed an item stays on record.
    const open = items.filter(({ dismissedAtMs }) => dismissedAtMs === null);
    if (open.length === 0) return;
    await mark(sql, target, open, "dismissed_at_ms = ?, dismissed_by = ?", [nowMs, cause.actor]);
    await writeAudit(sql, nowMs, decisionEntries("dismiss", "dismissed", target, open, cause));
  };

  return {
    held: (target) => held(driver.read, target),

    approve: (target, digest, cause, nowMs) =>
      driver.transaction(async (sql) => {
        const items = namedBy(await held(sql, target), digest);
        if (items.length > 0) await approve(sql, target, { items, cause, nowMs });
        return items.length;
      }),

    approveItems: (target, items, cause, nowMs) =>
      driver.transaction(async (sql) => {
        for (const item of items) await putHeld(sql, target, item);
        await approve(sql, target, { items, cause, nowMs });
      }),

    dismiss: (target, digest, cause, nowMs) =>
      driver.transaction(async (sql) => {
        const items = namedBy(await held(sql, target), digest);
        await dismiss(sql, target, { items, cause, nowMs });
        return items.length;
      }),

    dismissItems: (target, items, cause, nowMs) =>
      driver.transaction(async (sql) => {
        const undecided = { approvedAtMs: null, dismissedAtMs: null, dismissedBy: null };
        for (const item of items) await putHeld(sql, target, { ...item, ...undecided });
        const keys = new Set(items.map(({ key }) => key));
        const stored = (await held(sql, target)).filter((item) => keys.has(item.key) && isApprovable(item));
        await dismiss(sql, target, { items: stored, cause, nowMs });
      }),
  };
}

/** An entry for each change, so that auditors find the decision about a user, then one for the decision. */
function decisionEntries(
  action: "approve" | "dismiss",
  decided: "approved" | "dismissed",
  target: string,
  items: readonly HeldItem[],
  cause: Cause,
): readonly AuditEntry[] {
  const digest = digestOf(items.map(({ key }) => key));
  return [
    ...items.map(({ kind, entityId, key, change }): AuditEntry => {
      // A held change of memberships has one member.
      const [member] = change.op === "setMembers" ? change.remove : [];
      const isMember = member !== undefined && "name" in change;
      const name = isMember ? member.email : "email" in change ? change.email : change.name;
      return entityEntry(
        cause,
        `${decided}.${isMember ? "removeFromGroup" : change.op}`,
        { kind, id: entityId, name, rev: null },
        { digest, key, ...(isMember ? { group: change.name } : {}) },
        target,
      );
    }),
    otherEntry(cause, action, { target }, { digest, removals: items.length }),
  ];
}

/** Writes the held changes of a run. Throws `DISMISSED`: see `SyncStore.commit`. */
export async function replaceHeld(
  sql: Sql,
  target: string,
  { considered, items, keep }: NonNullable<RunRecord["held"]>,
  nowMs: number,
): Promise<void> {
  const present = new Set(items.map((item) => item.key));
  const stored = await all(
    sql,
    { key: text, entityId: text, approvedAtMs: optional(integer), dismissedAtMs: optional(integer) },
    "SELECT key, entity_id, approved_at_ms, dismissed_at_ms FROM held_changes WHERE target = ?",
    [target],
  );
  for (const { key, entityId, approvedAtMs, dismissedAtMs } of stored) {
    const isApproved = approvedAtMs !== null;
    if (dismissedAtMs !== null && !isApproved && keep.has(key)) {
      throw new RollcallError(
        "DISMISSED",
        `target ${target}: ${key} was dismissed while a run was about to carry it out; the run starts again`,
      );
    }
    const isConsidered = considered === null || considered.has(entityId);
    const isRunning = isApproved && keep.has(key);
    if (isConsidered && !present.has(key) && !isRunning)
      await sql.run("DELETE FROM held_changes WHERE target = ? AND key = ?", [target, key]);
    // A person approved it during this run, which still holds it and gives its link a later retry.
    if (present.has(key) && isApproved)
      await sql.run("UPDATE links SET retry_at_ms = ? WHERE target = ? AND entity_id = ?", [nowMs, target, entityId]);
  }
  for (const item of items) await putHeld(sql, target, item);
}
