import type { AccountState } from "../domain/model/account.ts";
import type { HeldItem } from "../domain/model/held-change.ts";
import {
  type Change,
  type ChangeOp,
  type HeldChange,
  type HeldReason,
  type Plan,
  unreachable,
} from "../domain/model/plan.ts";
import { listNames, people } from "./numbers.ts";
import { isoTime } from "./times.ts";

const operationNames: Readonly<Record<string, string>> = {
  invite: "Invite",
  adopt: "Adopt",
  restore: "Restore access",
  reinvite: "Invite again",
  suspend: "Suspend",
  remove: "Remove",
  createGroup: "Create group",
  adoptGroup: "Adopt group",
  renameGroup: "Rename group",
  removeGroup: "Delete group",
  setMembers: "Change members",
  setGroups: "Change groups",
  addToGroup: "Add to group",
  removeFromGroup: "Remove from group",
};

/** A product and its own words, where they differ from ours. A target definition has them. */
export interface ProductWords {
  readonly product: string;
  readonly operationNames: Readonly<Partial<Record<ChangeOp, string>>>;
  readonly stateNames: Readonly<Partial<Record<AccountState, string>>>;
}

/** "Restore access" for `restore`, or the product's own word: "Reactivate". Returns an operation without a name as it is. */
export function operationName(op: string, own: Readonly<Record<string, string | undefined>> = {}): string {
  const word = own[op];
  return word === undefined ? (operationNames[op] ?? op) : `${word.charAt(0).toUpperCase()}${word.slice(1)}`;
}

/** Returns the e-mail address or the group name that a change is about. */
export const subjectOf = (change: Change): string => ("email" in change ? change.email : change.name);

const addsAndRemoves = (add: readonly string[], remove: readonly string[]): string =>
  [add.length > 0 && `adds ${listNames(add)}`, remove.length > 0 && `removes ${listNames(remove)}`]
    .filter(Boolean)
    .join("; ");

/** Returns which members or groups a change adds and removes; empty where operation and subject say everything. */
export function detailOf(change: Change): string {
  switch (change.op) {
    case "setMembers":
      return addsAndRemoves(
        change.add.map(({ email }) => email),
        change.remove.map(({ email }) => email),
      );
    case "setGroups":
      return addsAndRemoves(
        change.add.map(({ name }) => name),
        change.remove.map(({ name }) => name),
      );
    case "removeGroup":
      return `${people(change.memberCount)} ${change.memberCount === 1 ? "loses" : "lose"} it`;
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

/** The effect of an approval on the person or group, in the words of the target's product. */
export function consequenceOf({ change }: Pick<HeldItem, "change">, words: ProductWords): string {
  const { product } = words;
  switch (change.op) {
    case "suspend":
      return `loses access: ${words.stateNames.suspended ?? "suspended"}, can be restored`;
    case "remove":
      return `loses the account in ${product}: removed`;
    case "removeGroup":
      return `the group is deleted, with ${people(change.memberCount)} in it`;
    case "setMembers":
      return change.remove.length > 0 ? `loses the group ${change.name}` : `is added to the group ${change.name}`;
    case "setGroups": {
      const isLoss = change.remove.length > 0;
      const groups = isLoss ? change.remove : change.add;
      const names = listNames(groups.map(({ name }) => name));
      return `${isLoss ? "loses" : "is added to"} the group${groups.length === 1 ? "" : "s"} ${names}`;
    }
    case "invite":
      return `is invited to ${product}`;
    case "restore":
      return `gets access to ${product} back`;
    case "reinvite":
      return `is invited to ${product} again`;
    case "adopt":
    case "createGroup":
    case "adoptGroup":
    case "renameGroup":
      return operationName(change.op, words.operationNames).toLowerCase();
    default:
      return unreachable(change);
  }
}

/** Returns whom a held change is about. A held `setMembers` is stored once for each member that it adds or removes. */
export function heldSubject({ change, entityId }: Pick<HeldItem, "change" | "entityId">): string {
  if (change.op !== "setMembers") return subjectOf(change);
  const members = [...change.remove, ...change.add];
  return members.find(({ userId }) => userId === entityId)?.email ?? listNames(members.map(({ email }) => email));
}

/** Returns the changes of each operation, most frequent first. */
export const byOperation = (
  changes: readonly Change[],
): readonly (readonly [op: ChangeOp, changes: readonly Change[]])[] =>
  [...Map.groupBy(changes, ({ op }) => op)].sort(([, a], [, b]) => b.length - a.length);

/** "3 invite, 1 suspend", with the product's own words. */
export const countOperations = (changes: readonly Change[], own: ProductWords["operationNames"]): string =>
  byOperation(changes)
    .map(([op, list]) => `${list.length} ${own[op] ?? op}`)
    .join(", ");

const heldReasonText: Readonly<Record<HeldReason, string>> = {
  budget: "over the removal limit",
  scope: "no group of the source matches users.groups",
  restored: "requested only by the restored backup",
  returning: "more people return at once than usual",
  "handed-on":
    "the address belonged to a deleted person with another name: approve if it is the same person; if not, remove the old account in the target",
  seats: "maxSeats is reached",
};

/** Why a change is held. */
export const heldBecause = ({ reason, isDismissed }: Pick<HeldChange, "reason" | "isDismissed">): string =>
  isDismissed ? "dismissed" : heldReasonText[reason];

/** "7 held", "7 held (2 dismissed)". */
export const heldCount = ({ held, dismissed }: { readonly held: number; readonly dismissed: number }): string =>
  dismissed === 0 ? `${held} held` : `${held} held (${dismissed === held ? "dismissed" : `${dismissed} dismissed`})`;

/** "removal", or "change" if something else is among them. */
export const heldNoun = (items: readonly Pick<HeldItem, "reason">[]): string =>
  items.every(({ reason }) => reason === "budget" || reason === "scope") ? "removal" : "change";

/** A held change as JSON. */
export const heldJson = ({ change, reason, sinceMs, dismissedAtMs, dismissedBy }: HeldItem) => ({
  ...change,
  reason,
  since: isoTime(sinceMs),
  dismissedAt: isoTime(dismissedAtMs),
  dismissedBy,
});

/** A plan as JSON, as `plan --json` prints it: each change with its `op` and the `email` or group `name`. */
export const planJson = (name: string, { changes, held, skipped, ...digests }: Plan) => ({
  name,
  changes,
  held: held.map(({ change, reason, isDismissed }) => ({ ...change, reason, dismissed: isDismissed })),
  skipped,
  ...digests,
});
