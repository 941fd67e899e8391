/**
 * What each question of the console takes in the store, with the large directory of `support/large-directory.ts`, and how
 * long it stops other work: `node bench/console.ts [--rounds 20]`. Prints median, worst, longest stop and processor time
 * in milliseconds. Each round comes after a commit, which empties all caches; the last column is the median without one.
 */
import { parseArgs } from "node:util";
import { activityQuery } from "../src/app/queries.ts";
import type { ActivityQuery, GroupsQuery, PeopleQuery } from "../src/domain/ports/console-store.ts";
import { openSqliteStore } from "../src/store/index.ts";
import { groupsQuery, peopleQuery } from "../test/support/queries.ts";
import { largeDirectory, targets } from "./support/large-directory.ts";
import { median, tableLine } from "./support/measure.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "20" } } });
const nowMs = 1_800_000_000_000;
using directory = await largeDirectory(nowMs);
const store = await openSqliteStore(directory.path);

const people = (more: Partial<PeopleQuery> = {}) => store.people(peopleQuery(targets, more));
const groups = (more: Partial<GroupsQuery> = {}) => store.groups(groupsQuery(targets, more));
const activity = (more: Partial<ActivityQuery>) => store.activity(activityQuery(more));
const one = ["bitwarden"] as const;
const someone = (await people({ search: "ada berg" })).items[0]?.id ?? "";
const [firstGroup] = (await groups({ search: "team 0" })).items;
const middle = (await people({ search: "", limit: 200 })).nextCursor;

const questions: readonly (readonly [string, () => Promise<unknown>])[] = [
  ["people", () => people()],
  ["people, 200 of the second page", () => people({ cursor: middle, limit: 200 })],
  ["people, present", () => people({ presence: "present" })],
  ["people, gone", () => people({ presence: "gone" })],
  ["people, search with few hits", () => people({ search: "berg 4709" })],
  ["people, search with many hits", () => people({ search: "a" })],
  ["people, search with no hit", () => people({ search: "zzz" })],
  ["people of a group of all", () => people({ groupId: firstGroup?.id ?? "" })],
  ...(["inSync", "pending", "failed", "held", "missing"] as const).map(
    (state) => [`people, ${state}`, () => people({ targets: one, syncStatus: { by: "state", state } })] as const,
  ),
  ["people, pending anywhere", () => people({ syncStatus: { by: "state", state: "pending" } })],
  ["people, accepted", () => people({ targets: one, syncStatus: { by: "seen", seen: "accepted" } })],
  [
    "people, active and searched",
    () => people({ search: "ada", targets: one, syncStatus: { by: "seen", seen: "active" } }),
  ],
  ["people, not in the target", () => people({ targets: one, syncStatus: { by: "note", note: "not-in-target" } })],
  ["one person", () => store.person(someone, targets)],
  ["groups", () => groups()],
  ["groups, pending", () => groups({ syncStatus: { by: "state", state: "pending" } })],
  ["one group", () => store.group(firstGroup?.id ?? "", targets)],
  ["activity", () => activity({})],
  ["activity of a person", () => activity({ entityId: someone })],
  ["activity of a target", () => activity({ target: "onepassword" })],
  ["activity, failures", () => activity({ isFailureOnly: true })],
  ["activity, failures of a target", () => activity({ isFailureOnly: true, target: "onepassword" })],
  ["activity, an action that never was", () => activity({ action: "user.delete" })],
  ["activity, an actor that never was", () => activity({ actor: "ldap:" })],
  ["activity, an hour in the middle", () => activity({ sinceMs: nowMs - 50_000_000, untilMs: nowMs - 46_400_000 })],
  ["hours", () => store.hourly(targets, nowMs - 86_400_000)],
  ["attention", () => store.attention(targets, nowMs)],
  ["counts of a target", () => store.targetCounts("bitwarden")],
];

/** Measures work, and the longest time in which nothing else could run. */
async function measured(work: () => Promise<unknown>): Promise<{ readonly took: number; readonly longest: number }> {
  let longest = 0;
  let last = performance.now();
  let isOver = false;
  const tick = (): void => {
    const at = performance.now();
    longest = Math.max(longest, at - last);
    last = at;
    if (!isOver) setImmediate(tick);
  };
  const started = performance.now();
  setImmediate(tick);
  await work();
  isOver = true;
  tick();
  return { took: performance.now() - started, longest };
}

console.log(tableLine("question", ["median", "worst", "stop", "CPU", "again"]));
for (const [name, ask] of questions) {
  const runs: (Awaited<ReturnType<typeof measured>> & { readonly cpuMs: number; readonly again: number })[] = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    await store.assertWritable();
    const cpu = process.cpuUsage();
    const run = await measured(ask);
    const { user, system } = process.cpuUsage(cpu);
    runs.push({ ...run, cpuMs: (user + system) / 1000, again: (await measured(ask)).took });
  }
  const took = runs.map((run) => run.took);
  const figures = [
    median(took),
    Math.max(...took),
    median(runs.map((run) => run.longest)),
    median(runs.map((run) => run.cpuMs)),
    median(runs.map((run) => run.again)),
  ];
  console.log(tableLine(name, figures));
}
await store.close();
