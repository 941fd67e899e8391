import { stripVTControlCharacters } from "node:util";
import type { Paint, Style, Terminal } from "../../app/context.ts";
import {
  type Change,
  type ChangeOp,
  type HeldChange,
  type HeldReason,
  type Plan,
  unreachable,
} from "../../domain/model/plan.ts";

/** ISO 8601, or null. */
export const isoTime = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** One JSON document on standard output. */
export const printJson = (terminal: Terminal, value: unknown): void => terminal.out(JSON.stringify(value, null, 2));

/** Names come from elsewhere: one with a line break in it must not look like two lines of ours. */
export const oneLine = (text: string): string => text.replace(/\s*[\r\n\t\u2028\u2029]\s*/g, " ");

/** Columns of equal width, colours not counted; numbers to the right. The last column runs on. */
export function table(rows: readonly (readonly string[])[], indent = "  "): string {
  const clean = rows.map((row) => row.map(oneLine));
  const widths = clean.reduce<number[]>(
    (all, row) => row.map((cell, index) => Math.max(widthOf(cell), all[index] ?? 0)),
    [],
  );
  return clean
    .map(
      (row) =>
        indent +
        row
          .map((cell, index) => (index === row.length - 1 ? cell : padded(cell, widths[index] ?? 0)))
          .join("  ")
          .trimEnd(),
    )
    .join("\n");
}

const widthOf = (cell: string): number => stripVTControlCharacters(cell).length;

/** A count and its noun stand to the right, anything else to the left. */
function padded(cell: string, width: number): string {
  const space = " ".repeat(width - widthOf(cell));
  return /^\d+ [a-z]/.test(stripVTControlCharacters(cell)) ? space + cell : cell + space;
}

/** A count: quiet when it is 0, else in its colour. */
export const tally = (paint: Paint, style: Style, number: number, noun: string): string =>
  paint(number === 0 ? "quiet" : style, `${number} ${noun}`);

/** Takes access away, gives it, or neither. */
const opStyle = (op: ChangeOp): Style =>
  ["suspend", "remove", "removeGroup"].includes(op)
    ? "bad"
    : ["invite", "restore", "reinvite", "createGroup"].includes(op)
      ? "good"
      : "strong";

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

/** One change in a few words, on one line. */
export function describe(change: Change): readonly [op: string, what: string] {
  const [op, what] = wordsOf(change);
  return [op, oneLine(what)];
}

function wordsOf(change: Change): readonly [op: string, what: string] {
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

const reasonText: Readonly<Record<HeldReason, string>> = {
  budget: "over the removal budget",
  scope: "no group of the directory matches users.groups",
  restored: "only the restored backup asks for it",
  returning: "more come back at once than is usual",
  "handed-on":
    "the address was that of somebody else, who is gone: approve if it is the same person, else remove the old entry there",
  seats: "maxSeats is reached",
};

/** Why a change is held, for people. */
export const heldBecause = ({ reason, isDismissed }: Pick<HeldChange, "reason" | "isDismissed">): string =>
  isDismissed ? "dismissed" : reasonText[reason];

/** The lines that say what can be decided about what is held, with the digests that name it. */
export const decisionLines = (
  name: string,
  { undecidedDigest, dismissedDigest }: Pick<Plan, "undecidedDigest" | "dismissedDigest">,
  paint: Paint,
): readonly string[] => [
  ...(undecidedDigest === null
    ? []
    : [
        `to let what is held pass once: ${paint("strong", `rollcall approve ${name} ${undecidedDigest}`)}`,
        `if it is not right, so that it stays held: ${paint("strong", `rollcall dismiss ${name} ${undecidedDigest}`)}`,
      ]),
  ...(dismissedDigest === null
    ? []
    : [`to let what was dismissed pass once after all: rollcall approve ${name} ${dismissedDigest}`]),
];

/** A plan for people: counts first, then each change, at most `limit` of a kind. */
export function describePlan(name: string, plan: Plan, paint: Paint, limit = 200): string {
  const held = plan.held.map(({ change }) => change);
  const doing = plan.changes.length === 0 ? paint("quiet", "nothing to do") : countOps(plan.changes);
  const lines = [
    `${paint("strong", `${name}:`)} ${doing}${held.length > 0 ? paint("warning", `; HELD: ${countOps(held)}`) : ""}`,
  ];
  const section = (rows: readonly (readonly string[])[]): void => {
    if (rows.length > 0) lines.push(table(rows.slice(0, limit)));
    if (rows.length > limit) lines.push(paint("quiet", `  … and ${rows.length - limit} more (--json shows all)`));
  };
  const painted = (change: Change): readonly [string, string] => {
    const [op, what] = describe(change);
    return [paint(opStyle(change.op), op), what];
  };
  section(plan.changes.map(painted));
  section(
    plan.held.map(({ change, reason, isDismissed }) => [
      paint("warning", "held"),
      ...painted(change),
      heldBecause({ reason, isDismissed }),
    ]),
  );
  section(
    plan.skipped.map(({ change, reason }) => [paint("quiet", "skipped"), ...describe(change), paint("quiet", reason)]),
  );
  if (plan.held.some(({ reason }) => reason === "seats"))
    lines.push("  raise maxSeats in the configuration to let the held invitations pass");
  lines.push(...decisionLines(name, plan, paint).map((line) => `  ${line}`));
  return lines.join("\n");
}
