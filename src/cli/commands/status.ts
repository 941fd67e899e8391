import { locateConfig } from "../../app/config-location.ts";
import type { Context, GlobalOptions, Paint } from "../../app/context.ts";
import { withoutName } from "../../app/open-targets.ts";
import { goneSourceText } from "../../app/removed-sources.ts";
import {
  maxProblemsShown,
  openToReport,
  type StatusReport,
  statusReport,
  type TargetStatus,
} from "../../app/status.ts";
import { productOf } from "../../targets/registry.ts";
import { heldBecause, heldCount } from "../../text/changes.ts";
import { findingText, noteText } from "../../text/notes.ts";
import { count } from "../../text/numbers.ts";
import { ago } from "../../text/times.ts";
import type { Cli } from "../command.ts";
import { decisionLines, describe } from "../output/plan.ts";
import { oneLine, printJson, table, tally } from "../output/print.ts";

const help = `
Examples:
  rollcall status -c rollcall.yaml
  rollcall status -c rollcall.yaml --json | jq '.targets[] | select(.held > 0)'

Exit code: 0, 1 error. A target that fails is part of the status, not an error of this command.`;

export const addStatus = (cli: Cli): void =>
  void cli.add({ name: "status", summary: "the state of each source and target", help, run: status });

async function status(context: Context, options: GlobalOptions): Promise<number> {
  const config = await locateConfig(context, options);
  await using cleanup = new AsyncDisposableStack();
  const store = await openToReport(context, config);
  cleanup.defer(() => store.close());
  const report = await statusReport(config, store, context.now());
  if (options.json) printJson(context.terminal, report);
  else context.terminal.out(describeStatus(report, context.now(), context.terminal.paint));
  return 0;
}

/** Counts first, in columns. Below each source and target, what needs attention. */
function describeStatus({ sources, goneSources, targets, tokens }: StatusReport, nowMs: number, paint: Paint): string {
  const time = (iso: string | null): string => ago(iso === null ? null : Date.parse(iso), nowMs);
  const sourceRows = sources.map(({ name, type, users, groups, lastSuccessAt, error }) => [
    paint(error === null ? "strong" : "bad", name),
    type,
    count(users, "user"),
    count(groups, "group"),
    paint("quiet", lastSuccessAt === null ? "never seen" : `last seen ${time(lastSuccessAt)}`),
  ]);
  const targetRows = targets.map((target) => [
    paint(target.error === null ? "strong" : "bad", target.name),
    target.type,
    tally(paint, "good", target.inSync, "in sync"),
    tally(paint, "warning", target.pending, "pending"),
    tally(paint, "bad", target.failed, "failed"),
    paint(target.held === target.dismissed ? "quiet" : "warning", heldCount(target)),
    paint("quiet", `last success ${time(target.lastSuccessAt)}`),
    paint("warning", target.missing > 0 ? `${target.missing} not in ${productOf(target.type)}` : ""),
  ]);
  return [
    paint("strong", "sources"),
    ...withDetails(sourceRows, (index) => sourceAttention(sources[index], paint)),
    ...goneSources.map((source) => `  ${paint("warning", goneSourceText(source))}`),
    "",
    paint("strong", "targets"),
    ...(targets.length === 0
      ? ["  none: users and groups are stored, but nobody's access follows them"]
      : withDetails(targetRows, (index) => targetAttention(targets[index], paint))),
    ...(tokens.length === 0 ? [] : ["", paint("strong", "tokens")]),
    ...tokens.map(
      ({ id, source, label, expiresAt }) =>
        `  ${id}  ${source}  ${oneLine(label)}  ${paint("warning", `expires ${expiresAt}`)}: rollcall token rotate ${id}`,
    ),
  ].join("\n");
}

/** A table with lines of details below each row. */
const withDetails = (
  rows: readonly (readonly string[])[],
  detailsOf: (index: number) => readonly string[],
): readonly string[] =>
  rows.length === 0
    ? []
    : table(rows)
        .split("\n")
        .flatMap((line, index) => [line, ...detailsOf(index).map((detail) => `    ${detail}`)]);

/** Maximum number of lines of one kind. */
const maxLines = 20;

/** The problems of a polled source. Its last good state stays. */
function sourceAttention(source: StatusReport["sources"][number] | undefined, paint: Paint): readonly string[] {
  if (source === undefined) return [];
  const { error, failingSince, findings } = source;
  return [
    ...(error === null ? [] : [`${paint("bad", `FAILING since ${failingSince}:`)} ${error.message}`]),
    ...findings.map(({ kind, count: number, examples }) => {
      const shown = examples.slice(0, 3).join(", ");
      return `${number} ${findingText[kind]}${shown === "" ? "" : `: ${shown}${number > 3 ? ", …" : ""}`}`;
    }),
  ];
}

function targetAttention(target: TargetStatus | undefined, paint: Paint): readonly string[] {
  if (target === undefined) return [];
  const { name, error, budget, oldestPendingSeconds, failingSince, retryAt } = target;
  const nextTry = (at: string | null): string => (at === null ? "" : paint("quiet", ` (next try ${at})`));
  return [
    ...(error === null
      ? []
      : [
          `${paint("bad", `FAILING since ${failingSince}:`)} ${withoutName(name, error.message ?? error.code)}${nextTry(retryAt)}`,
        ]),
    ...(budget.spent > 0 ? [removalLimit(budget)] : []),
    ...(oldestPendingSeconds === null ? [] : [`oldest pending change: ${oldestPendingSeconds} s`]),
    ...heldLines(target, paint),
    ...decisionLines(name, target, paint),
    ...problemLines(target, paint, nextTry),
  ];
}

/** After a restore the limit of one window is 0: "3 of 0 used" would say nothing. */
const removalLimit = ({ spent, allowed }: TargetStatus["budget"]): string =>
  allowed === 0 ? "removal limit: 0, so every removal is held" : `removal limit: ${spent} of ${allowed} used`;

function heldLines({ type, heldChanges }: TargetStatus, paint: Paint): readonly string[] {
  const undecided = heldChanges.filter(({ dismissedAt }) => dismissedAt === null);
  const dismissed = heldChanges.filter(({ dismissedAt }) => dismissedAt !== null);
  const more = (number: number, state: string): readonly string[] =>
    number > maxLines ? [`… and ${number - maxLines} more ${state}`] : [];
  return [
    ...undecided
      .slice(0, maxLines)
      .map(
        (change) =>
          `${paint("warning", "held:")} ${describe(change, type).join(" ")} (${heldBecause({ reason: change.reason, isDismissed: false })})`,
      ),
    ...more(undecided.length, "held"),
    ...dismissed
      .slice(0, maxLines)
      .map(({ dismissedAt, dismissedBy, ...change }) =>
        paint(
          "quiet",
          `held (dismissed): ${describe(change, type).join(" ")}, ${dismissedAt} by ${oneLine(dismissedBy ?? "")}`,
        ),
      ),
    ...more(dismissed.length, "dismissed"),
  ];
}

function problemLines(
  { name: target, type, problems }: TargetStatus,
  paint: Paint,
  nextTry: (at: string | null) => string,
): readonly string[] {
  const lines = problems.slice(0, maxLines).map(({ name, error, note, retryAt }) => {
    const reason = error === null ? note && noteText(note, productOf(type)) : withoutName(target, error);
    return `${paint(error === null ? "warning" : "bad", `${oneLine(name)}:`)} ${reason ?? ""}${nextTry(retryAt)}`;
  });
  const rest = problems.length - maxLines;
  if (rest <= 0) return lines;
  return [
    ...lines,
    problems.length < maxProblemsShown
      ? `… and ${rest} more (--json shows all)`
      : `… and more: the counts above include all (--json names ${maxProblemsShown}; the console shows everybody)`,
  ];
}
