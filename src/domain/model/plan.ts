import { createHash } from "node:crypto";
import type { EntityRef } from "./entities.ts";

/** A user inside a change of memberships. */
export interface MemberRef {
  readonly userId: string;
  readonly email: string;
  /** Null: an earlier change of the same plan invites the user. */
  readonly remoteId: string | null;
}

/** A group inside a change of memberships. */
export interface GroupRef {
  readonly groupId: string;
  readonly name: string;
  /** Null: an earlier change of the same plan creates the group. */
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

/** One operation in one target, as plain data. It is printed, hashed, audited and stored. */
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

export const heldReasons = ["budget", "scope", "restored", "returning", "handed-on", "seats"] as const;
/** Why a change is held. Each reason has its guard in `decide/guards`. All but `seats` can be approved. */
export type HeldReason = (typeof heldReasons)[number];

export interface HeldChange {
  readonly change: Change;
  readonly reason: HeldReason;
  /** True if somebody dismissed it: it waits, whatever the limit allows. */
  readonly isDismissed: boolean;
}

export interface SkippedChange {
  readonly change: Change;
  readonly reason: string;
}

/** The changes of one run in one target. */
export interface Plan {
  /** In running order. Removals of access come first. */
  readonly changes: readonly Change[];
  readonly held: readonly HeldChange[];
  readonly skipped: readonly SkippedChange[];
  /** Names the held changes that can be approved. Null: there are none. */
  readonly heldDigest: string | null;
  /** Names the undecided ones of them. Null: there are none. */
  readonly undecidedDigest: string | null;
  /** Names the dismissed ones of them. Null: there are none. */
  readonly dismissedDigest: string | null;
}

/** Returns the users and groups that a change is about. */
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
 * Returns the stable keys of what a change takes away: `access:<userId>`, `member:<groupId>:<userId>`, `group:<groupId>`. A
 * held removal is stored and approved under them. Empty: the change takes nothing away.
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

/** Returns the stable keys of what a change gives: `invite:<userId>` and so on, `join:<groupId>:<userId>`. */
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

/** Names a set of held changes: 16 hex digits of SHA-256, in whatever order the keys come. Null: no keys. */
export function digestOf(keys: readonly string[]): string | null {
  if (keys.length === 0) return null;
  return createHash("sha256")
    .update([...keys].sort().join("\n"))
    .digest("hex")
    .slice(0, 16);
}

/** Makes a `switch` exhaustive: a missing case does not compile. */
export function unreachable(value: never): never {
  throw new TypeError(`no case for ${JSON.stringify(value)}`);
}
