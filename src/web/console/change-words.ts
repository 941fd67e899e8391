import { type Change, type ChangeOp, unreachable } from "../../domain/plan.ts";
import type { HeldItem } from "../../domain/sync.ts";
import { figure } from "./words.ts";

const shownNames = 6;

const list = (names: readonly string[]): string =>
  names.length > shownNames
    ? `${names.slice(0, shownNames).join(", ")} and ${figure(names.length - shownNames)} more`
    : names.join(", ");

/** Whom or what a change is about. */
export const subjectOf = (change: Change): string => ("email" in change ? change.email : change.name);

/** The rest of what a change says: who joins or leaves. Empty where the op says it all. */
export function detailOf(change: Change): string {
  switch (change.op) {
    case "setMembers":
      return joinLeave(
        change.add.map(({ email }) => email),
        change.remove.map(({ email }) => email),
      );
    case "setGroups":
      return joinLeave(
        change.add.map(({ name }) => name),
        change.remove.map(({ name }) => name),
      );
    case "removeGroup":
      return `${figure(change.memberCount)} ${change.memberCount === 1 ? "person loses" : "people lose"} it`;
    case "invite":
    case "adopt":
    case "restore":
    case "reinvite":
    case "suspend":
    case "remove":
    case "createGroup":
    case "adoptGroup":
    case "renameGroup":
      return "";
    default:
      return unreachable(change);
  }
}

const joinLeave = (add: readonly string[], remove: readonly string[]): string =>
  [add.length > 0 && `in: ${list(add)}`, remove.length > 0 && `out: ${list(remove)}`].filter(Boolean).join("; ");

/** What somebody would lose by a held removal. */
export function lossOf({ change }: HeldItem, target: string): string {
  switch (change.op) {
    case "suspend":
      return "access: suspended, can be undone";
    case "remove":
      return `the account in ${target}: removed`;
    case "removeGroup":
      return `the group, with ${figure(change.memberCount)} in it`;
    case "setMembers":
      return `the group ${change.name}`;
    case "setGroups":
      return `the group${change.remove.length === 1 ? "" : "s"} ${list(change.remove.map(({ name }) => name))}`;
    default:
      return change.op;
  }
}

/** Whom a held removal is about; one of `setMembers` is stored for each member that is taken out. */
export function heldSubject({ change, entityId }: HeldItem): string {
  if (change.op !== "setMembers") return subjectOf(change);
  return (
    change.remove.find(({ userId }) => userId === entityId)?.email ?? list(change.remove.map(({ email }) => email))
  );
}

/** How often each op occurs, most frequent first. */
export function opCounts(changes: readonly Change[]): readonly (readonly [op: ChangeOp, changes: readonly Change[]])[] {
  return [...Map.groupBy(changes, ({ op }) => op)].sort(([, a], [, b]) => b.length - a.length);
}
