import { createHash } from "node:crypto";
import type { EntityRef } from "./entities.ts";

/** A person inside a change of memberships. */
export interface MemberRef {
  readonly userId: string;
  readonly email: string;
  /** Null when the person is invited by an earlier change of the same plan. */
  readonly remoteId: string | null;
}

/** A group inside a change of memberships. */
export interface GroupRef {
  readonly groupId: string;
  readonly name: string;
  /** Null when the group is created by an earlier change of the same plan. */
  readonly remoteId: string | null;
}

interface OnPerson {
  readonly userId: string;
  readonly email: string;
}
interface OnRemotePerson extends OnPerson {
  readonly remoteId: string;
}
interface OnGroup {
  readonly groupId: string;
  readonly name: string;
}
interface OnRemoteGroup extends OnGroup {
  readonly remoteId: string;
}

/** What is to be done in one target: plain data, printed, hashed, audited, stored (architecture, idea 6). */
export type Change =
  | ({ readonly op: "invite"; readonly externalId: string } & OnPerson)
  | ({ readonly op: "adopt"; readonly externalId: string } & OnRemotePerson)
  | ({ readonly op: "restore" } & OnRemotePerson)
  | ({ readonly op: "reinvite" } & OnRemotePerson)
  | ({ readonly op: "suspend" } & OnRemotePerson)
  | ({ readonly op: "remove" } & OnRemotePerson)
  | ({ readonly op: "createGroup"; readonly externalId: string } & OnGroup)
  | ({ readonly op: "adoptGroup"; readonly externalId: string } & OnRemoteGroup)
  | ({ readonly op: "renameGroup"; readonly externalId: string } & OnRemoteGroup)
  | ({ readonly op: "removeGroup"; readonly memberCount: number } & OnRemoteGroup)
  | ({
      readonly op: "setMembers";
      readonly add: readonly MemberRef[];
      readonly remove: readonly MemberRef[];
    } & GroupRef)
  | ({ readonly op: "setGroups"; readonly add: readonly GroupRef[]; readonly remove: readonly GroupRef[] } & MemberRef);

export type ChangeOp = Change["op"];

/**
 * Why a change waits for a person. `restored`: only the restored copy of the database asks for it, nothing that a source
 * has told since (see `RestoredState`). `scope`: no group matches `userGroups`, so everybody would lose access: a slip, far
 * more often than not. `returning`: more people come back than is usual (`returnsOf`). `handed-on`:
 * the member was that of somebody who is gone and who, by name, was another person with the same address. All can be approved
 * but `seats`, which needs a higher `maxSeats`.
 */
export type HeldReason = "budget" | "scope" | "restored" | "returning" | "handed-on" | "seats";

export interface HeldChange {
  readonly change: Change;
  readonly reason: HeldReason;
  /** Somebody said no to it: it waits whatever the budget allows. */
  readonly isDismissed: boolean;
}

export interface SkippedChange {
  readonly change: Change;
  readonly reason: string;
}

/** What one reconcile run would do in one target (architecture, idea 7). */
export interface Plan {
  /** In running order: what takes access away first, it never waits. */
  readonly changes: readonly Change[];
  readonly held: readonly HeldChange[];
  readonly skipped: readonly SkippedChange[];
  /** Of what is held and can be approved; null when there is nothing. */
  readonly heldDigest: string | null;
  /** The part of it that nobody has decided about; null when there is nothing. */
  readonly undecidedDigest: string | null;
  /** The part of it that somebody has dismissed; null when there is nothing. */
  readonly dismissedDigest: string | null;
}

/** The directory entities that a change is about. */
export function entitiesOf(change: Change): readonly EntityRef[] {
  switch (change.op) {
    case "invite":
    case "adopt":
    case "restore":
    case "reinvite":
    case "suspend":
    case "remove":
      return [{ kind: "user", id: change.userId }];
    case "createGroup":
    case "adoptGroup":
    case "renameGroup":
    case "removeGroup":
      return [{ kind: "group", id: change.groupId }];
    case "setGroups":
      return [{ kind: "user", id: change.userId }];
    case "setMembers":
      return [...change.add, ...change.remove].map((member) => ({ kind: "user", id: member.userId }));
    default:
      return unreachable(change);
  }
}

/**
 * The stable names of what a removal takes away, one for each access: `access:<userId>`, `member:<groupId>:<userId>`,
 * `group:<groupId>`. Empty for a change that takes nothing away. A held removal is stored and approved under these.
 */
export function removalKeys(change: Change): readonly string[] {
  switch (change.op) {
    case "suspend":
    case "remove":
      return [`access:${change.userId}`];
    case "removeGroup":
      return [`group:${change.groupId}`];
    case "setMembers":
      return change.remove.map((member) => `member:${change.groupId}:${member.userId}`);
    case "setGroups":
      return change.remove.map((group) => `member:${group.groupId}:${change.userId}`);
    case "invite":
    case "adopt":
    case "restore":
    case "reinvite":
    case "createGroup":
    case "adoptGroup":
    case "renameGroup":
      return [];
    default:
      return unreachable(change);
  }
}

/** Under what the removal limit counts an account instead of a user: it has no user, or its removal leaves no link. */
export const accountChargeId = (remoteId: string): string => `remote:${remoteId}`;

/**
 * The stable names of what a change gives, under which it is held after a restore: `invite:<userId>` and the like,
 * `join:<groupId>:<userId>`. Empty for a change that gives nothing.
 */
export function grantKeys(change: Change): readonly string[] {
  switch (change.op) {
    case "invite":
    case "restore":
    case "reinvite":
      return [`${change.op}:${change.userId}`];
    case "setMembers":
      return change.add.map((member) => `join:${change.groupId}:${member.userId}`);
    case "setGroups":
      return change.add.map((group) => `join:${group.groupId}:${change.userId}`);
    case "adopt":
    case "suspend":
    case "remove":
    case "createGroup":
    case "adoptGroup":
    case "renameGroup":
    case "removeGroup":
      return [];
    default:
      return unreachable(change);
  }
}

/** Names a set of held removals: 16 hex digits of SHA-256, independent of order; null for none. */
export function digestOf(keys: readonly string[]): string | null {
  if (keys.length === 0) return null;
  return createHash("sha256")
    .update([...keys].sort().join("\n"))
    .digest("hex")
    .slice(0, 16);
}

/** Makes a `switch` exhaustive: the compiler refuses a missing case. */
export function unreachable(value: never): never {
  throw new TypeError(`no case for ${JSON.stringify(value)}`);
}
