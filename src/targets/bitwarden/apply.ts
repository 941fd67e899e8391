import type { Change } from "../../domain/model/plan.ts";
import type { Outcome } from "../../domain/ports/target.ts";
import { type ChangeOf, type Settled, settleEach, whileAnswering } from "../kit/run-changes.ts";
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
  const { http } = run.api;
  const people = (list: readonly Parameters<typeof settlePerson>[1][]): AsyncGenerator<Settled> =>
    settleEach(
      http,
      list,
      ({ remoteId }) => remoteId,
      (change) => settlePerson(run, change),
    );
  const groups = (list: readonly Parameters<typeof settleGroup>[1][]): AsyncGenerator<Settled> =>
    settleEach(
      http,
      list,
      ({ groupId }) => groupId,
      (change) => settleGroup(run, change),
    );
  const memberships = (list: readonly MembershipChange[], isLast: boolean): AsyncGenerator<Settled> =>
    settleEach(http, list, keyOf, (change) => settleMembership(run, change, isLast));

  yield* people([...suspend, ...remove]);
  const settledEarly = new Set<Change>();
  // By group, then by member, never both at once: each writes full lists of the same rows.
  // The changes that take memberships away come first. They may also add members, who are invited only later.
  for (const list of [setMembers, setGroups]) {
    const taking = list.filter((change) => change.remove.length > 0);
    for await (const settled of memberships(taking, false)) {
      settledEarly.add(settled.outcome.change);
      yield settled;
    }
  }
  yield* groups([...createGroup, ...adoptGroup, ...renameGroup]);
  yield* people(adopt);
  yield* people(restore);
  yield* settleInvites(run, invite);
  yield* people(reinvite);
  for (const list of [setMembers, setGroups])
    yield* memberships(
      list.filter((change) => !settledEarly.has(change)),
      true,
    );
  yield* groups(removeGroup);
}

const keyOf = (change: MembershipChange): string => (change.op === "setMembers" ? change.groupId : change.userId);

type ByOp = { readonly [Op in Change["op"]]?: readonly ChangeOf<Op>[] };

const byOp = (changes: readonly Change[]): ByOp => Object.groupBy(changes, (change) => change.op) as ByOp;
