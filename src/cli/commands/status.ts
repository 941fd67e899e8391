import { locateConfig } from "../../app/config-location.ts";
import type { Context, GlobalOptions, Paint } from "../../app/context.ts";
import { withoutName } from "../../app/open-targets.ts";
import { goneSourceText, removedSources } from "../../app/removed-sources.ts";
import type { Config } from "../../config/index.ts";
import { removalLimitOf } from "../../domain/decide/guards/removal-limit.ts";
import type { HeldItem } from "../../domain/model/held-change.ts";
import { heldDigests } from "../../domain/model/held-change.ts";
import type { DirectoryStore } from "../../domain/ports/directory-store.ts";
import type { PollFinding } from "../../domain/ports/import-store.ts";
import { expiringSoon } from "../../domain/ports/scim-store.ts";
import type { ConnectionState } from "../../domain/ports/sync-store.ts";
import { kindsOf, productOf } from "../../targets/registry.ts";
import { ago, count, decisionLines, describe, isoTime, oneLine, printJson, table, tally } from "../output/print.ts";

/** `rollcall status`: how each source and target is doing. */
export async function status(context: Context, options: GlobalOptions): Promise<number> {
  const config = await locateConfig(context, options);
  const store = await openToReport(context, config);
  try {
    const report = await statusReport(config, store, context.now());
    if (options.json) printJson(context.terminal, report);
    else context.terminal.out(describeStatus(report, context.now(), context.terminal.paint));
    return 0;
  } finally {
    await store.close();
  }
}

/** What is there; an empty directory in memory where there is nothing yet, so that asking makes no file. @throws `STORE_UNAVAILABLE` */
export const openToReport = async (context: Context, { store }: Pick<Config, "store">): Promise<DirectoryStore> =>
  (await context.openStoreToRead({ store })) ??
  (await context.openStore({ store: { kind: "sqlite", path: ":memory:" } }));

export type StatusReport = Awaited<ReturnType<typeof statusReport>>;

/** How many people and groups with a problem are named. */
const problemsShown = 50;

/** What `status --json` prints and `/api/v1/status` answers (contract, "Command line"). */
export async function statusReport(config: Config, store: DirectoryStore, nowMs: number) {
  const states = await store.connections();
  const stateOf = (role: "source" | "target", name: string) =>
    states.find((state) => state.role === role && state.name === name);
  const counts = await store.sourceCounts();
  const sources = await Promise.all(
    config.sources.map(async ({ name, type }) => {
      const seen = counts.get(name);
      const counted = { name, type, users: seen?.users ?? 0, groups: seen?.groups ?? 0 };
      if (type === "scim") {
        const heardAtMs = stateOf("source", name)?.lastSuccessAtMs ?? seen?.lastChangeAtMs ?? null;
        return { ...counted, lastSuccessAt: isoTime(heardAtMs), failingSince: null, error: null, findings: [] };
      }
      const poll = await store.pollState(name);
      return {
        ...counted,
        lastSuccessAt: isoTime(poll.lastSuccessAtMs),
        lastFullAt: isoTime(poll.lastFullAtMs),
        failingSince: isoTime(poll.failingSinceMs),
        error: poll.errorCode === null ? null : { code: poll.errorCode, message: poll.errorMessage },
        missing: poll.unconfirmedMissing,
        findings: await store.findings(name),
      };
    }),
  );
  const targets = await Promise.all(
    config.targets.map(async ({ name, type, guard }) => {
      const { oldestPendingMs, ...rest } = await store.targetCounts(name, kindsOf(type));
      const state = stateOf("target", name);
      const held = (await store.held(name)).filter((item) => item.approvedAtMs === null);
      const problems = await store.problems(name, problemsShown);
      const limitInput = {
        peopleWithAccess: await store.peopleWithAccess(name),
        charged: await store.charges(name, nowMs - guard.windowMs),
        restored: await store.restored(name, { userIds: [], groupIds: [] }),
        nowMs,
      };
      return {
        name,
        type,
        ...rest,
        oldestPendingSeconds:
          oldestPendingMs === null ? null : Math.max(0, Math.round((nowMs - oldestPendingMs) / 1000)),
        lastSuccessAt: isoTime(state?.lastSuccessAtMs ?? null),
        failingSince: isoTime(state?.failingSinceMs ?? null),
        retryAt: retryAt(state, nowMs),
        error: state?.errorCode == null ? null : { code: state.errorCode, message: state.errorMessage },
        budget: removalLimitOf(limitInput, guard),
        // Of the held: who waits only for what somebody has dismissed.
        dismissed: Math.min(rest.held, onlyDismissed(held)),
        ...heldDigests(held),
        heldChanges: held.map(({ change, reason, sinceMs, dismissedAtMs, dismissedBy }) => ({
          ...change,
          reason,
          since: isoTime(sinceMs),
          dismissedAt: isoTime(dismissedAtMs),
          dismissedBy,
        })),
        problems: problems.map((problem) => ({
          kind: problem.kind,
          name: problem.name,
          note: problem.link.note,
          error: problem.link.errorMessage,
          code: problem.link.errorCode,
          retryAt: isoTime(problem.link.retryAtMs),
        })),
      };
    }),
  );
  const tokens = expiringSoon(await store.tokens(), nowMs).map(({ id, source, label, expiresAtMs }) => ({
    id,
    source,
    label,
    expiresAt: isoTime(expiresAtMs),
  }));
  return { sources, goneSources: await removedSources(config, store), targets, tokens };
}

/** A time that is over says nothing: it is being tried, or nothing runs that would. */
const retryAt = (state: ConnectionState | undefined, nowMs: number): string | null =>
  state?.retryAtMs == null || state.retryAtMs <= nowMs ? null : isoTime(state.retryAtMs);

/** How many people and groups wait only for what was dismissed. */
function onlyDismissed(held: readonly HeldItem[]): number {
  const undecided = new Set(held.flatMap((item) => (item.dismissedAtMs === null ? [item.entityId] : [])));
  return new Set(held.map(({ entityId }) => entityId)).size - undecided.size;
}

/** "7 held", "7 held (2 dismissed)". */
export const heldTally = ({ held, dismissed }: { readonly held: number; readonly dismissed: number }): string =>
  dismissed === 0 ? `${held} held` : `${held} held (${dismissed === held ? "dismissed" : `${dismissed} dismissed`})`;

/** Counts first, in columns; below each target what asks for attention. */
function describeStatus(
  { sources, goneSources: gone, targets, tokens }: StatusReport,
  nowMs: number,
  paint: Paint,
): string {
  const time = (iso: string | null): string => ago(iso === null ? null : Date.parse(iso), nowMs);
  const heardOf = table(
    sources.map(({ name, type, users, groups, lastSuccessAt, error }) => [
      paint(error === null ? "strong" : "bad", name),
      type,
      count(users, "user"),
      count(groups, "group"),
      paint("quiet", lastSuccessAt === null ? "not heard of yet" : `last heard of ${time(lastSuccessAt)}`),
    ]),
  ).split("\n");
  const heard = sources.flatMap((source, index) => [
    heardOf[index] ?? "",
    ...sourceAttention(source, paint).map((line) => `    ${line}`),
  ]);
  const counts = table(
    targets.map((target) => {
      const missing = target.missing > 0 ? `${target.missing} not in ${productOf(target.type)}` : "";
      return [
        paint(target.error === null ? "strong" : "bad", target.name),
        target.type,
        tally(paint, "good", target.inSync, "in sync"),
        tally(paint, "warning", target.pending, "pending"),
        tally(paint, "bad", target.failed, "failed"),
        paint(target.held === target.dismissed ? "quiet" : "warning", heldTally(target)),
        paint("quiet", `last success ${time(target.lastSuccessAt)}`),
        paint("warning", missing),
      ];
    }),
  ).split("\n");
  const blocks = targets.flatMap((target, index) => [
    counts[index] ?? "",
    ...attention(target, paint).map((line) => `    ${line}`),
  ]);
  return [
    paint("strong", "sources"),
    ...heard,
    ...gone.map((source) => `  ${paint("warning", goneSourceText(source))}`),
    "",
    paint("strong", "targets"),
    ...(targets.length === 0 ? ["  none: the directory is kept, and nobody's access follows it"] : blocks),
    ...(tokens.length === 0
      ? []
      : ["", paint("strong", "tokens"), ...tokens.map((token) => `  ${expiringText(token, paint)}`)]),
  ].join("\n");
}

const expiringText = ({ id, source, label, expiresAt }: StatusReport["tokens"][number], paint: Paint): string =>
  `${id}  ${source}  ${oneLine(label)}  ${paint("warning", `expires ${expiresAt}`)}: rollcall token rotate ${id}`;

/** How many lines of a kind are shown. */
const linesShown = 20;

/** What a polled source has trouble with; its last good state stays meanwhile. */
function sourceAttention(
  { error, failingSince, findings }: StatusReport["sources"][number],
  paint: Paint,
): readonly string[] {
  const found = findings.map(({ kind, count: number, examples }) => {
    const shown = examples.slice(0, 3).join(", ");
    return `${number} ${findingText[kind]}${shown === "" ? "" : `: ${shown}${number > 3 ? ", …" : ""}`}`;
  });
  return [...(error === null ? [] : [`${paint("bad", `FAILING since ${failingSince}:`)} ${error.message}`]), ...found];
}

const findingText: Readonly<Record<PollFinding["kind"], string>> = {
  "without-email": "people without an e-mail address",
  contact: "contacts, who can't have an account",
  "duplicate-email": "e-mail addresses that several people have",
  "duplicate-id": "entries with the id of another one",
  "without-id": "entries without an id that lasts",
  referral: "referrals, not followed",
  warning: "warnings",
};

function attention(target: StatusReport["targets"][number], paint: Paint): readonly string[] {
  const lines: string[] = [];
  if (target.error !== null)
    lines.push(
      `${paint("bad", `FAILING since ${target.failingSince}:`)} ${withoutName(target.name, target.error.message ?? target.error.code)}${target.retryAt === null ? "" : paint("quiet", ` (next try ${target.retryAt})`)}`,
    );
  if (target.budget.spent > 0) lines.push(`removal budget: ${target.budget.spent} of ${target.budget.allowed} spent`);
  if (target.oldestPendingSeconds !== null)
    lines.push(`the oldest pending change waits for ${target.oldestPendingSeconds} s`);
  const undecided = target.heldChanges.filter(({ dismissedAt }) => dismissedAt === null);
  for (const change of undecided.slice(0, linesShown))
    lines.push(`${paint("warning", `held (${change.reason}):`)} ${describe(change).join(" ")}`);
  if (undecided.length > linesShown) lines.push(`… and ${undecided.length - linesShown} more held`);
  const dismissed = target.heldChanges.filter(({ dismissedAt }) => dismissedAt !== null);
  for (const { dismissedAt, dismissedBy, ...change } of dismissed.slice(0, linesShown))
    lines.push(
      paint(
        "quiet",
        `held (dismissed): ${describe(change).join(" ")}, ${dismissedAt} by ${oneLine(dismissedBy ?? "")}`,
      ),
    );
  if (dismissed.length > linesShown) lines.push(`… and ${dismissed.length - linesShown} more dismissed`);
  lines.push(...decisionLines(target.name, target, paint));
  for (const { name, error, note, retryAt } of target.problems.slice(0, linesShown)) {
    lines.push(
      `${paint(error === null ? "warning" : "bad", `${oneLine(name)}:`)} ${error === null ? explain(note, target.type) : withoutName(target.name, error)}${retryAt === null ? "" : paint("quiet", ` (next try ${retryAt})`)}`,
    );
  }
  if (target.problems.length > linesShown)
    lines.push(
      target.problems.length < problemsShown
        ? `… and ${target.problems.length - linesShown} more (--json shows all)`
        : `… and more: the counts above are of all (--json names ${problemsShown}; the console, everybody)`,
    );
  return lines;
}

/** What a link's note means, for people. */
export function explain(note: string | null, type: string | undefined): string {
  if (note === "not-in-target")
    return `not in ${type === undefined ? "the target" : productOf(type)}, and its API cannot invite: invite them there`;
  return noteText[note ?? ""] ?? note ?? "";
}

const noteText: Readonly<Record<string, string>> = {
  "out-of-scope": "not in this target's scope",
  protected: "protected: nothing is ever done to this member",
  conflict: "another person has the same e-mail address and came first; this one is left out",
  "no-email": "has no e-mail address",
  "email-differs": "has another e-mail address in the target, which only they can change there",
  ambiguous: "several entries of the target could be this one; nothing is done until that is mended there",
  staged: "is staged in the target: somebody must invite them there",
  "unknown-state": "is in a state that Rollcall does not know; nothing is done",
  "suspended-by-others": "was suspended by somebody else; Rollcall does not reactivate them (reactivate: own)",
  "source-gone": "came from a source that is not in the configuration any more; what they have stays as it is",
  drift: "was changed in the target by hand (driftPolicy: report)",
};
