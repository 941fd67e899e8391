import type { Change } from "../../domain/model/plan.ts";
import type { Outcome } from "../../domain/ports/target.ts";
import { settleGroup, settlePerson } from "./apply-changes.ts";
import { type Job, runJobs } from "./change-queue.ts";
import { settleInvites } from "./invitations.ts";
import { type MembershipChange, settleMembership } from "./memberships.ts";
import type { ChangeOf, Run, Settled } from "./run-changes.ts";

/** After so many changes in a row without an answer the target counts as out of reach. */
const lostInARowLimit = 3;

/**
 * Works off the changes in an order in which nothing waits for what comes later: access is taken away first, then groups,
 * people and memberships are made, groups are removed last.
 * @throws the error of the last change when three in a row got no answer
 */
export async function* applyChanges(run: Run, changes: readonly Change[]): AsyncGenerator<Outcome> {
  const stop = new AbortController();
  const signal = AbortSignal.any([run.signal, stop.signal]);
  let lostInARow = 0;
  for await (const { outcome, lostTo } of settleAll({ ...run, signal }, changes)) {
    yield outcome;
    lostInARow = lostTo === undefined ? 0 : lostInARow + 1;
    if (lostTo === undefined || lostInARow < lostInARowLimit) continue;
    stop.abort(lostTo); // what is in flight would only keep us waiting as long again
    throw lostTo;
  }
}

async function* settleAll(run: Run, changes: readonly Change[]): AsyncGenerator<Settled> {
  const { suspend = [], remove = [], setMembers = [], setGroups = [], ...others } = byOp(changes);
  const { createGroup = [], adoptGroup = [], renameGroup = [], removeGroup = [] } = others;
  const { adopt = [], restore = [], invite = [], reinvite = [] } = others;
  const people = (list: readonly Parameters<typeof settlePerson>[1][]): AsyncGenerator<Settled> =>
    runJobs(
      run,
      list.map((change): Job => ({ change, key: change.remoteId, settle: () => settlePerson(run, change) })),
    );
  const groups = (list: readonly Parameters<typeof settleGroup>[1][]): AsyncGenerator<Settled> =>
    runJobs(
      run,
      list.map((change): Job => ({ change, key: change.groupId, settle: () => settleGroup(run, change) })),
    );

  yield* people([...suspend, ...remove]);
  const settledEarly = new Set<Change>();
  // By group, then by member, never both at once: either writes full lists of the same rows.
  yield* takeMemberships(run, setMembers, settledEarly);
  yield* takeMemberships(run, setGroups, settledEarly);
  yield* groups([...createGroup, ...adoptGroup, ...renameGroup]);
  yield* people(adopt);
  yield* people(restore);
  yield* settleInvites(run, invite);
  yield* people(reinvite);
  for (const list of [setMembers, setGroups]) {
    const rest = list.filter((change) => !settledEarly.has(change));
    yield* runJobs(
      run,
      rest.map((change) => membershipJob(run, change, true)),
    );
  }
  yield* groups(removeGroup);
}

/** Memberships that take something away don't wait for the invitations and groups which they may also speak of. */
async function* takeMemberships(
  run: Run,
  changes: readonly MembershipChange[],
  settledEarly: Set<Change>,
): AsyncGenerator<Settled> {
  const taking = changes.filter((change) => change.remove.length > 0);
  for await (const settled of runJobs(
    run,
    taking.map((change) => membershipJob(run, change, false)),
  )) {
    settledEarly.add(settled.outcome.change);
    yield settled;
  }
}

const membershipJob = (run: Run, change: MembershipChange, isLast: boolean): Job => ({
  change,
  key: change.op === "setMembers" ? change.groupId : change.userId,
  settle: () => settleMembership(run, change, isLast),
});

type ByOp = { readonly [Op in Change["op"]]?: readonly ChangeOf<Op>[] };

const byOp = (changes: readonly Change[]): ByOp => Object.groupBy(changes, (change) => change.op) as ByOp;
