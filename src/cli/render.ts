import { type Change, type Plan, unreachable } from "../domain/plan.ts";
import type { Terminal } from "./composition.ts";

/** ISO 8601, or null. */
export const isoTime = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** One JSON document on standard output. */
export const printJson = (terminal: Terminal, value: unknown): void => terminal.out(JSON.stringify(value, null, 2));

/** Columns of equal width; the last one runs on. */
export function table(rows: readonly (readonly string[])[], indent = "  "): string {
  const widths = rows.reduce<number[]>(
    (all, row) => row.map((cell, index) => Math.max(cell.length, all[index] ?? 0)),
    [],
  );
  return rows
    .map(
      (row) =>
        indent +
        row
          .map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0)))
          .join("  ")
          .trimEnd(),
    )
    .join("\n");
}

/** "1 user", "2 users". */
export const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** "a day ago" for people. */
export function ago(ms: number | null, nowMs: number): string {
  if (ms === null) return "never";
  const seconds = Math.max(0, Math.round((nowMs - ms) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

const names = (list: readonly { readonly email?: string; readonly name?: string }[]): string => {
  const shown = list.slice(0, 5).map((each) => each.email ?? each.name ?? "");
  return list.length > shown.length ? `${shown.join(", ")} and ${list.length - shown.length} more` : shown.join(", ");
};

/** One change in a few words. */
export function describe(change: Change): readonly [op: string, what: string] {
  switch (change.op) {
    case "invite":
    case "adopt":
    case "restore":
    case "reinvite":
    case "suspend":
    case "remove":
      return [change.op, change.email];
    case "createGroup":
    case "adoptGroup":
    case "renameGroup":
      return [change.op, change.name];
    case "removeGroup":
      return [change.op, `${change.name} (${count(change.memberCount, "member")})`];
    case "setMembers":
      return [change.op, `${change.name}: ${delta(names(change.add), names(change.remove))}`];
    case "setGroups":
      return [change.op, `${change.email}: ${delta(names(change.add), names(change.remove))}`];
    default:
      return unreachable(change);
  }
}

const delta = (added: string, removed: string): string =>
  [added && `+ ${added}`, removed && `- ${removed}`].filter(Boolean).join("  ");

/** How many of each op, most first: "3 invite, 1 suspend". */
export function countOps(changes: readonly Change[]): string {
  const counts = Map.groupBy(changes, (change) => change.op);
  return [...counts]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([op, list]) => `${list.length} ${op}`)
    .join(", ");
}

/** A plan for people: counts first, then each change, at most `limit` of a kind. */
export function describePlan(name: string, plan: Plan, limit = 200): string {
  const lines = [
    `${name}: ${plan.changes.length === 0 ? "nothing to do" : countOps(plan.changes)}${plan.held.length > 0 ? `; HELD: ${countOps(plan.held.map((held) => held.change))}` : ""}`,
  ];
  const section = (rows: readonly (readonly string[])[]): void => {
    if (rows.length > 0) lines.push(table(rows.slice(0, limit)));
    if (rows.length > limit) lines.push(`  … and ${rows.length - limit} more (--json shows all)`);
  };
  section(plan.changes.map(describe));
  section(
    plan.held.map(({ change, reason }) => [
      "held",
      ...describe(change),
      reason === "budget" ? "over the removal budget" : "maxSeats is reached",
    ]),
  );
  section(plan.skipped.map(({ change, reason }) => ["skipped", ...describe(change), reason]));
  if (plan.held.some(({ reason }) => reason === "seats"))
    lines.push("  raise maxSeats in the configuration to let the held invitations pass");
  if (plan.heldDigest !== null)
    lines.push(`  to let the held removals pass once: rollcall approve ${name} ${plan.heldDigest}`);
  return lines.join("\n");
}
