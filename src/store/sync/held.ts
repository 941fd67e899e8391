import type { AuditEntry } from "../../domain/model/audit.ts";
import type { Cause, EntityKind } from "../../domain/model/entities.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import type { HeldItem } from "../../domain/model/held-change.ts";
import { isApprovable, namedBy } from "../../domain/model/held-change.ts";
import { type Change, digestOf, type HeldReason } from "../../domain/model/plan.ts";
import type { RunRecord, SyncStore } from "../../domain/ports/sync-store.ts";
import { writeAudit } from "../audit/audit.ts";
import type { Driver, Row, Sql } from "../database/driver.ts";
import { reviewRestore } from "./restores.ts";

/** The columns of step 7. */
export const dismissals = (): readonly string[] => [
  "ALTER TABLE held ADD COLUMN dismissed_ms BIGINT",
  "ALTER TABLE held ADD COLUMN dismissed_by TEXT",
];

/** A held removal from a row of `held`. */
export const toHeld = (row: Row): HeldItem => ({
  key: String(row["key"]),
  kind: row["kind"] as EntityKind,
  entityId: String(row["entity_id"]),
  reason: row["reason"] as HeldReason,
  change: JSON.parse(String(row["change"])) as Change,
  sinceMs: Number(row["since_ms"]),
  approvedAtMs: row["approved_ms"] as number | null,
  dismissedAtMs: row["dismissed_ms"] as number | null,
  dismissedBy: row["dismissed_by"] as string | null,
});

/** What waits for a person, and what they decide: see `SyncStore`. */
export function heldRows(
  driver: Driver,
): Pick<SyncStore, "held" | "approve" | "approveItems" | "dismiss" | "dismissItems"> {
  const held = async (sql: Sql, target: string): Promise<readonly HeldItem[]> =>
    (await sql.all("SELECT * FROM held WHERE target = ? ORDER BY since_ms, key", [target])).map(toHeld);

  const mark = async (sql: Sql, target: string, items: readonly HeldItem[], marks: string, values: Marks) => {
    await sql.run(`UPDATE held SET ${marks} WHERE target = ? AND ${driver.dialect.isIn("key")}`, [
      ...values,
      target,
      JSON.stringify(items.map(({ key }) => key)),
    ]);
  };
  const letPass = async (
    sql: Sql,
    target: string,
    { items, cause, nowMs }: { readonly items: readonly HeldItem[]; readonly cause: Cause; readonly nowMs: number },
  ): Promise<void> => {
    const marks = "approved_ms = ?, dismissed_ms = NULL, dismissed_by = NULL";
    await mark(sql, target, items, marks, [nowMs]);
    // Where something that only the copy asks for was left out, its word does not count again.
    const isAll = !(await held(sql, target)).some((item) => item.reason === "restored" && isApprovable(item));
    if (isAll) await reviewRestore(sql, target, nowMs);
    await retryApproved(sql, target, nowMs);
    await writeAudit(sql, nowMs, decisions("approve", "approved", target, items, cause));
  };
  const letWait = async (
    sql: Sql,
    target: string,
    { items, cause, nowMs }: { readonly items: readonly HeldItem[]; readonly cause: Cause; readonly nowMs: number },
  ): Promise<void> => {
    // Who said no first stays on record.
    const open = items.filter(({ dismissedAtMs }) => dismissedAtMs === null);
    if (open.length === 0) return;
    await mark(sql, target, open, "dismissed_ms = ?, dismissed_by = ?", [nowMs, cause.actor]);
    await writeAudit(sql, nowMs, decisions("dismiss", "dismissed", target, open, cause));
  };

  return {
    held: (target) => held(driver.read, target),

    approve: (target, digest, cause, nowMs) =>
      driver.transaction(async (sql) => {
        const items = namedBy(await held(sql, target), digest);
        if (items.length > 0) await letPass(sql, target, { items, cause, nowMs });
        return items.length;
      }),

    approveItems: (target, items, cause, nowMs) =>
      driver.transaction(async (sql) => {
        for (const item of items) await putHeld(sql, target, item);
        await letPass(sql, target, { items, cause, nowMs });
      }),

    dismiss: (target, digest, cause, nowMs) =>
      driver.transaction(async (sql) => {
        const items = namedBy(await held(sql, target), digest);
        await letWait(sql, target, { items, cause, nowMs });
        return items.length;
      }),

    dismissItems: (target, items, cause, nowMs) =>
      driver.transaction(async (sql) => {
        const undecided = { approvedAtMs: null, dismissedAtMs: null, dismissedBy: null };
        for (const item of items) await putHeld(sql, target, { ...item, ...undecided });
        const keys = new Set(items.map(({ key }) => key));
        const stored = (await held(sql, target)).filter((item) => keys.has(item.key) && isApprovable(item));
        await letWait(sql, target, { items: stored, cause, nowMs });
      }),
  };
}

type Marks = readonly (string | number)[];

/** What was approved is to be looked at now: the reconciler, perhaps in another process, goes by the retry times. */
async function retryApproved(sql: Sql, target: string, nowMs: number): Promise<void> {
  await sql.run(
    "UPDATE links SET retry_at_ms = ? WHERE target = ? AND entity_id IN (SELECT entity_id FROM held WHERE target = ? AND approved_ms IS NOT NULL)",
    [nowMs, target, target],
  );
}

/** A row for each removal, so that an auditor finds whose word it was; then one for the decision. */
const decisions = (
  action: "approve" | "dismiss",
  decided: "approved" | "dismissed",
  target: string,
  items: readonly HeldItem[],
  cause: Cause,
): readonly AuditEntry[] => {
  const digest = digestOf(items.map(({ key }) => key));
  return [
    ...items.map(({ kind, entityId, key, change }): AuditEntry => {
      // Held memberships are kept one by one.
      const [member] = change.op === "setMembers" ? change.remove : [];
      const about =
        member !== undefined && "name" in change
          ? { action: `${decided}.removeFromGroup`, name: member.email, group: { group: change.name } }
          : { action: `${decided}.${change.op}`, name: "email" in change ? change.email : change.name, group: {} };
      return {
        ...cause,
        action: about.action,
        kind,
        entityId,
        name: about.name,
        target,
        rev: null,
        detail: { digest, key, ...about.group },
      };
    }),
    {
      ...cause,
      action,
      kind: null,
      entityId: null,
      name: null,
      target,
      rev: null,
      detail: { digest, removals: items.length },
    },
  ];
};

async function putHeld(sql: Sql, target: string, item: HeldItem): Promise<void> {
  // The first time it was held, and what somebody decided, stay.
  await sql.run(
    `INSERT INTO held (target, key, kind, entity_id, reason, change, since_ms, approved_ms, dismissed_ms, dismissed_by)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (target, key) DO UPDATE SET reason = excluded.reason, change = excluded.change`,
    [
      target,
      item.key,
      item.kind,
      item.entityId,
      item.reason,
      JSON.stringify(item.change),
      item.sinceMs,
      item.approvedAtMs,
      item.dismissedAtMs,
      item.dismissedBy,
    ],
  );
}

/** Writes down what a run holds. @throws `DISMISSED`: see `SyncStore.commit` */
export async function replaceHeld(
  sql: Sql,
  target: string,
  { considered, items, keep }: NonNullable<RunRecord["held"]>,
  nowMs: number,
): Promise<void> {
  const present = new Set(items.map((item) => item.key));
  const rows = await sql.all("SELECT key, entity_id, approved_ms, dismissed_ms FROM held WHERE target = ?", [target]);
  for (const row of rows) {
    const key = String(row["key"]);
    const isApproved = row["approved_ms"] !== null;
    if (row["dismissed_ms"] !== null && !isApproved && keep.has(key)) {
      throw new RollcallError(
        "DISMISSED",
        `target ${target}: ${key} was dismissed while a run was about to carry it out; the run looks again`,
      );
    }
    const isLookedAt = considered === null || considered.has(String(row["entity_id"]));
    const isRunning = isApproved && keep.has(key);
    if (isLookedAt && !present.has(key) && !isRunning)
      await sql.run("DELETE FROM held WHERE target = ? AND key = ?", [target, key]);
    // Approved while this run was looking: the run still takes it for held, and its link would make it wait.
    if (present.has(key) && isApproved) {
      await sql.run("UPDATE links SET retry_at_ms = ? WHERE target = ? AND entity_id = ?", [
        nowMs,
        target,
        String(row["entity_id"]),
      ]);
    }
  }
  for (const item of items) await putHeld(sql, target, item);
}
