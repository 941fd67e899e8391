import type { Change } from "../../domain/model/plan.ts";
import type { Outcome } from "../../domain/ports/target.ts";
import { type ChangeOf, type Job, runJobs, type Settled, whileAnswering } from "../kit/run-changes.ts";
import { settleGroup, settlePerson } from "./apply-changes.ts";
import { settleInvites } from "./invitations.ts";
import { type MembershipChange, settleMembership } from "./memberships.ts";
import type { Run } from "./run.ts";

/**
 * Applies the changes in an order in which no change waits for a later one. First it takes access away. Then it creates
 * groups, members and memberships. Last it removes groups.
 * @throws the error of the last change when three in a row got no answer
 */
export async function* applyChanges(run: Run, changes: readonly Change[]): AsyncGenerator<Outcome> {
  const results = whileAnswering(run.signal, (signal) => settleAll({ ...run, signal }, changes));
  for await (const { outcome } of results) yield outcome;
}

async function* settleAll(run: Run, changes: readonly Change[]): AsyncGenerator<Settled> {
  const { suspend = [], remove = [], setMembers = [], setGroups = [], ...others } = byOp(changes);
  const { createGroup = [], adoptGroup = [], renameGroup = [], removeGroup = [] } = others;
  const { adopt = [], restore = [], invite = [], reinvite = [] } = others;
  const people = (list: readonly Parameters<typeof settlePerson>[1][]): AsyncGenerator<Settled> =>
    runJobs(
      run.api.http,
      list.map((change): Job => ({ change, key: change.remoteId, settle: () => settlePerson(run, change) })),
    );
  const groups = (list: readonly Parameters<typeof settleGroup>[1][]): AsyncGenerator<Settled> =>
    runJobs(
      run.api.http,
      list.map((change): Job => ({ change, key: change.groupId, settle: () => settleGroup(run, change) })),
    );

  yield* people([...suspend, ...remove]);
  const settledEarly = new Set<Change>();
  // By group, then by member, never both at once: each writes full lists of the same rows.
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
      run.api.http,
      rest.map((change) => membershipJob(run, change, true)),
    );
  }
  yield* groups(removeGroup);
}

/** Takes memberships away first. These changes may also add members, who are invited only later. */
async function* takeMemberships(
  run: Run,
  changes: readonly MembershipChange[],
  settledEarly: Set<Change>,
): AsyncGenerator<Settled> {
  const taking = changes.filter((change) => change.remove.length > 0);
  for await (const settled of runJobs(
    run.api.http,
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
