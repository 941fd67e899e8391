import type { MemberRef } from "../../domain/model/plan.ts";
import { applied, type ChangeOf, type Settled, unconfirmed } from "../kit/run-changes.ts";
import type { Written } from "./api.ts";
import { settle } from "./apply-changes.ts";
import type { Run } from "./run.ts";

/** A change of memberships, by group or by member. */
export type MembershipChange = ChangeOf<"setMembers" | "setGroups">;

/** The full list of ids of a group or a member, and the changes to it. */
interface FullList {
  readonly add: readonly string[];
  readonly remove: readonly string[];
  /** Returns null if the group or member no longer exists. */
  readonly read: () => Promise<readonly string[] | null>;
  readonly write: (ids: readonly string[]) => Promise<Written>;
}

/**
 * Reads the full list, changes it, writes it and reads it again, because Bitwarden takes only full lists. So other
 * memberships stay. Returns null, only if `isLast` is false, when some ids are not known yet. The known ones are done.
 */
export async function settleMembership(run: Run, change: MembershipChange, isLast: boolean): Promise<Settled | null> {
  const list = change.op === "setMembers" ? listOfGroup(run, change) : listOfMember(run, change);
  if (list === null) return isLast ? unconfirmed(change) : null;
  const isWhole = list.add.length === change.add.length;
  if (!isWhole && list.add.length + list.remove.length === 0) return isLast ? unconfirmed(change) : null;
  const settled = await updateList(run, change, list);
  if (isWhole || settled.outcome.status !== "applied") return settled;
  return isLast ? unconfirmed(change) : null;
}

function listOfGroup(run: Run, change: ChangeOf<"setMembers">): FullList | null {
  const { api, index, signal } = run;
  const groupId = index.groupId(change);
  if (groupId === null) return null;
  const known = (refs: readonly MemberRef[]): string[] => refs.flatMap((ref) => index.memberId(ref) ?? []);
  return {
    add: known(change.add),
    remove: known(change.remove),
    read: () => api.memberIds(groupId, signal),
    write: (ids) => api.putMemberIds(groupId, ids, signal),
  };
}

function listOfMember(run: Run, change: ChangeOf<"setGroups">): FullList | null {
  const { api, index, signal } = run;
  const memberId = index.memberId(change);
  if (memberId === null) return null;
  return {
    add: change.add.flatMap((ref) => index.groupId(ref) ?? []),
    remove: change.remove.flatMap((ref) => index.groupId(ref) ?? []),
    read: () => api.groupIds(memberId, signal),
    write: (ids) => api.putGroupIds(memberId, ids, signal),
  };
}

async function updateList(run: Run, change: MembershipChange, list: FullList): Promise<Settled> {
  const present = await list.read();
  const gone = list.add.length === 0 ? applied(change) : unconfirmed(change);
  if (present === null) return gone;
  const before = new Set(present);
  const wanted = new Set([...present, ...list.add]);
  for (const id of list.remove) wanted.delete(id);
  if (wanted.size === before.size && [...wanted].every((id) => before.has(id))) return applied(change);
  const written = await list.write([...wanted]);
  return written.kind === "done" ? confirm(run, change, list) : settle(run, change, written, gone);
}

/** Reads the list again. Bitwarden answers 200 and drops unknown ids, and an administrator may write at the same time. */
async function confirm(run: Run, change: MembershipChange, list: FullList): Promise<Settled> {
  const now = new Set(await list.read());
  const removed = new Set(list.remove);
  const isThere = list.add.every((id) => removed.has(id) || now.has(id)) && list.remove.every((id) => !now.has(id));
  if (isThere) return applied(change);
  run.api.http.log("warn", "Bitwarden accepted a list of memberships and shows another one", { op: change.op });
  return unconfirmed(change);
}
