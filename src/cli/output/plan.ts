import type { Paint, Style } from "../../app/context.ts";
import type { Change, ChangeOp, Plan } from "../../domain/model/plan.ts";
import type { Target } from "../../domain/ports/target.ts";
import { wordsOf } from "../../targets/registry.ts";
import { countOperations, detailOf, heldBecause, subjectOf } from "../../text/changes.ts";
import { oneLine, table } from "./print.ts";

/** Maximum number of changes shown of one kind. */
const maxShown = 200;

/** Whether an operation takes access away, gives it, or neither. */
const styleOf = (op: ChangeOp): Style =>
  ["suspend", "remove", "removeGroup"].includes(op)
    ? "bad"
    : ["invite", "restore", "reinvite", "createGroup"].includes(op)
      ? "good"
      : "strong";

/** One change on one line: the operation in the words of the target's product, and its subject with details. */
export const describe = (change: Change, type: string): readonly [op: string, what: string] => [
  wordsOf(type).operationNames[change.op] ?? change.op,
  oneLine([subjectOf(change), detailOf(change)].filter(Boolean).join(": ")),
];

/** The commands that decide about held changes. */
export const decisionLines = (
  name: string,
  { undecidedDigest, dismissedDigest }: Pick<Plan, "undecidedDigest" | "dismissedDigest">,
  paint: Paint,
): readonly string[] => [
  ...(undecidedDigest === null
    ? []
    : [
        `to let the held changes pass once: ${paint("strong", `rollcall approve ${name} ${undecidedDigest}`)}`,
        `to keep them held, if they are wrong: ${paint("strong", `rollcall dismiss ${name} ${undecidedDigest}`)}`,
      ]),
  ...(dismissedDigest === null
    ? []
    : [`to let the dismissed changes pass once after all: rollcall approve ${name} ${dismissedDigest}`]),
];

/** A plan on a terminal: counts first, then each change. */
export function describePlan({ name, type }: Pick<Target, "name" | "type">, plan: Plan, paint: Paint): string {
  const { operationNames } = wordsOf(type);
  const held = plan.held.map(({ change }) => change);
  const doing =
    plan.changes.length === 0 ? paint("quiet", "nothing to do") : countOperations(plan.changes, operationNames);
  const lines = [
    `${paint("strong", `${name}:`)} ${doing}${held.length > 0 ? paint("warning", `; HELD: ${countOperations(held, operationNames)}`) : ""}`,
  ];
  const section = (rows: readonly (readonly string[])[]): void => {
    if (rows.length > 0) lines.push(table(rows.slice(0, maxShown)));
    if (rows.length > maxShown) lines.push(paint("quiet", `  … and ${rows.length - maxShown} more (--json shows all)`));
  };
  const painted = (change: Change): readonly [string, string] => {
    const [op, what] = describe(change, type);
    return [paint(styleOf(change.op), op), what];
  };
  section(plan.changes.map(painted));
  section(plan.held.map((each) => [paint("warning", "held"), ...painted(each.change), heldBecause(each)]));
  section(
    plan.skipped.map(({ change, reason }) => [
      paint("quiet", "skipped"),
      ...describe(change, type),
      paint("quiet", reason),
    ]),
  );
  if (plan.held.some(({ reason }) => reason === "seats"))
    lines.push("  to let the held invitations pass: raise maxSeats in the configuration");
  lines.push(...decisionLines(name, plan, paint).map((line) => `  ${line}`));
  return lines.join("\n");
}
