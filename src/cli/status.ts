import { existsSync } from "node:fs";
import type { Config } from "../config/index.ts";
import { digestOf } from "../domain/plan.ts";
import type { DirectoryStore } from "../domain/store.ts";
import type { Composition, GlobalOptions } from "./composition.ts";
import { locateConfig } from "./locate.ts";
import { ago, describe, isoTime, printJson, table } from "./render.ts";

/** `rollcall status`: how each source and target is doing. */
export async function status(composition: Composition, options: GlobalOptions): Promise<number> {
  const config = locateConfig(composition, options);
  const isNew = !existsSync(config.store.path);
  const store = await composition.openStore(isNew ? { ...config, store: { ...config.store, path: ":memory:" } } : config);
  try {
    const report = await statusReport(config, store, composition.now());
    if (options.json) printJson(composition.terminal, report);
    else composition.terminal.out(describeStatus(report, composition.now()));
    return 0;
  } finally {
    await store.close();
  }
}

export type StatusReport = Awaited<ReturnType<typeof statusReport>>;

/** How many people and groups with a problem are named. */
const problemsShown = 50;

/** What `status --json` prints and `/api/v1/status` answers (contract, "Command line"). */
export async function statusReport(config: Config, store: DirectoryStore, nowMs: number) {
  const states = await store.connections();
  const stateOf = (role: "source" | "target", name: string) => states.find((state) => state.role === role && state.name === name);
  const counts = await store.sourceCounts();
  const sources = config.sources.map(({ name, type }) => {
    const count = counts.get(name);
    const state = stateOf("source", name);
    return { name, type, lastSuccessAt: isoTime(state?.lastSuccessAtMs ?? count?.lastChangeAtMs ?? null), users: count?.users ?? 0, groups: count?.groups ?? 0 };
  });
  const targets = await Promise.all(
    config.targets.map(async ({ name, type }) => {
      const { oldestPendingMs, ...rest } = await store.targetCounts(name, nowMs);
      const state = stateOf("target", name);
      const held = (await store.held(name)).filter((item) => item.approvedAtMs === null);
      const problems = await store.problems(name, problemsShown);
      return {
        name, type, ...rest,
        oldestPendingSeconds: oldestPendingMs === null ? null : Math.max(0, Math.round((nowMs - oldestPendingMs) / 1000)),
        lastSuccessAt: isoTime(state?.lastSuccessAtMs ?? null),
        failingSince: isoTime(state?.failingSinceMs ?? null),
        error: state?.errorCode == null ? null : { code: state.errorCode, message: state.errorMessage },
        heldDigest: digestOf(held.filter((item) => item.reason === "budget").map((item) => item.key)),
        heldChanges: held.map(({ change, reason, sinceMs }) => ({ ...change, reason, since: isoTime(sinceMs) })),
        problems: problems.map((problem) => ({
          kind: problem.kind, name: problem.name, note: problem.link.note, error: problem.link.errorMessage, code: problem.link.errorCode, retryAt: isoTime(problem.link.retryAtMs),
        })),
      };
    }),
  );
  return { sources, targets };
}

function describeStatus({ sources, targets }: StatusReport, nowMs: number): string {
  const time = (iso: string | null): string => ago(iso === null ? null : Date.parse(iso), nowMs);
  const lines = ["sources", table(sources.map((source) => [source.name, source.type, `${source.users} users, ${source.groups} groups`, `last heard of ${time(source.lastSuccessAt)}`])), "", "targets"];
  for (const target of targets) {
    const counts = `${target.inSync} in sync, ${target.pending} pending, ${target.failed} failed, ${target.held} held${target.missing > 0 ? `, ${target.missing} not in the target` : ""}`;
    lines.push(table([[target.name, target.type, counts, `last success ${time(target.lastSuccessAt)}`]]));
    if (target.error !== null) lines.push(`    FAILING since ${target.failingSince}: ${target.error.message}`);
    if (target.oldestPendingSeconds !== null && target.pending > 0) lines.push(`    oldest pending change: ${target.oldestPendingSeconds} s`);
    for (const change of target.heldChanges.slice(0, 20)) lines.push(`    held (${change.reason}): ${describe(change).join(" ")}`);
    if (target.heldChanges.length > 20) lines.push(`    … and ${target.heldChanges.length - 20} more held`);
    if (target.heldDigest !== null) lines.push(`    to let them pass once: rollcall approve ${target.name} ${target.heldDigest}`);
    for (const problem of target.problems.slice(0, 20)) {
      lines.push(`    ${problem.name}: ${problem.error ?? noteText[problem.note ?? ""] ?? problem.note}${problem.retryAt === null ? "" : ` (next try ${problem.retryAt})`}`);
    }
    if (target.problems.length > 20) lines.push(`    … and ${target.problems.length - 20} more (--json shows all)`);
  }
  return lines.join("\n");
}

/** What a link's note means, for people. */
export const noteText: Readonly<Record<string, string>> = {
  "not-in-target": "not in the target, and it cannot be invited through this API: invite them there",
  "out-of-scope": "not in this target's scope",
  protected: "protected: nothing is ever done to this member",
  conflict: "another person has the same e-mail address and came first; this one is left out",
  "no-email": "has no e-mail address",
  "email-differs": "has another e-mail address in the target, which only they can change there",
  ambiguous: "several entries of the target could be this one; nothing is done until that is mended there",
  staged: "is staged in the target: somebody must invite them there",
  "unknown-state": "is in a state that Rollcall does not know; nothing is done",
  "suspended-by-others": "was suspended by somebody else; Rollcall does not reactivate them (reactivate: own)",
  drift: "was changed in the target by hand (driftPolicy: report)",
};
