import type { HeldItem } from "../domain/model/held-change.ts";
import { type Change, type ChangeOp, unreachable } from "../domain/model/plan.ts";
import { figure } from "../web/console/words.ts";

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

/** What would happen to somebody if a held change was approved: what they lose, or are given by what only a restored copy asks for. */
export function consequenceOf({ change }: HeldItem, target: string): string {
  switch (change.op) {
    case "suspend":
      return "loses access: suspended, can be undone";
    case "remove":
      return `loses the account in ${target}: removed`;
    case "removeGroup":
      return `the group goes, with ${figure(change.memberCount)} in it`;
    case "setMembers":
      return change.remove.length > 0 ? `loses the group ${change.name}` : `is put into the group ${change.name}`;
    case "setGroups":
      return change.remove.length > 0
        ? `loses the group${change.remove.length === 1 ? "" : "s"} ${list(change.remove.map(({ name }) => name))}`
        : `is put into ${list(change.add.map(({ name }) => name))}`;
    case "invite":
      return `is invited to ${target}`;
    case "restore":
      return `has access to ${target} again`;
    case "reinvite":
      return `is invited to ${target} again`;
    case "adopt":
    case "createGroup":
    case "adoptGroup":
    case "renameGroup":
      return change.op;
    default:
      return unreachable(change);
  }
}

/** Whom a held change is about; one of `setMembers` is stored for each member that is taken out or put in. */
export function heldSubject({ change, entityId }: HeldItem): string {
  if (change.op !== "setMembers") return subjectOf(change);
  const members = [...change.remove, ...change.add];
  return members.find(({ userId }) => userId === entityId)?.email ?? list(members.map(({ email }) => email));
}

/** How often each op occurs, most frequent first. */
export function opCounts(changes: readonly Change[]): readonly (readonly [op: ChangeOp, changes: readonly Change[]])[] {
  return [...Map.groupBy(changes, ({ op }) => op)].sort(([, a], [, b]) => b.length - a.length);
}
