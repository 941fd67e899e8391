import type { AuditRow } from "../model/audit.ts";
import type { Cause, EntityKind } from "../model/entities.ts";
import type { HeldItem } from "../model/held-change.ts";
import type { LinkNote, ObservedState, Ownership } from "../model/link.ts";

/**
 * How an entity stands with one target; exactly one holds, the first that fits: `held`, `failed`, `pending`, `missing`
 * (the target does not know the person and cannot be given them), `inSync`. The same as in `TargetCounts`.
 */
export type SyncState = "inSync" | "pending" | "failed" | "held" | "missing";

/** One entity in one target. */
export interface SyncStatus {
  readonly target: string;
  /** Null: gone from the directory, and the target has nothing of it (any more). */
  readonly state: SyncState | null;
  readonly note: LinkNote | null;
  readonly remoteId: string | null;
  readonly ownership: Ownership | null;
  /** Always false for groups. */
  readonly hasAccess: boolean;
  /** What the target showed when it was last looked at; null: not looked at yet, or changed by a call since. Null for groups. */
  readonly seenState: ObservedState | null;
  /** Since when, as far as Rollcall saw: when it was first seen so, or when the call that made it so was answered. */
  readonly seenSinceMs: number | null;
  /** When somebody asked for a new invitation that has not been sent yet. */
  readonly reinviteAskedAtMs: number | null;
  readonly attempts: number;
  readonly retryAtMs: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly lastSuccessAtMs: number | null;
}

/** A person in a list. */
export interface PersonItem {
  readonly id: string;
  readonly source: string;
  readonly displayName: string;
  readonly userName: string;
  readonly email: string | null;
  readonly isActive: boolean;
  /** Since when the source no longer has this person; null while it has. */
  readonly absentSinceMs: number | null;
  /** One for each target that was asked for, in that order. */
  readonly syncStatuses: readonly SyncStatus[];
}

/** A group in a list. */
export interface GroupItem {
  readonly id: string;
  readonly source: string;
  readonly displayName: string;
  /** People in it whom the source has. */
  readonly memberCount: number;
  readonly absentSinceMs: number | null;
  readonly syncStatuses: readonly SyncStatus[];
}

/** A part of a list, in a stable order. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Give it back for what follows; null at the end. */
  readonly nextCursor: string | null;
  /** How many there are in all. */
  readonly total: number;
}

/** Whom to show by how they stand with a target. */
export type SyncStatusFilter =
  | { readonly by: "state"; readonly state: SyncState }
  | { readonly by: "note"; readonly note: LinkNote }
  /** `accepted`: took up the invitation, and waits for an administrator of the target to confirm them. */
  | { readonly by: "seen"; readonly seen: ObservedState };

interface EntityQuery {
  /** Names of the targets to tell about: the store knows links, not the configuration. */
  readonly connections: readonly string[];
  /**
   * Empty: everybody. Else what the name contains, of a person also the e-mail address, the userName (letter case does
   * not count) or the whole id. At most 200 characters are looked at.
   */
  readonly search: string;
  readonly source: string | null;
  /** `present`: the source has it; `inactive`: has it, switched off (no group is); `gone`: had it. Null: all. */
  readonly presence: "present" | "inactive" | "gone" | null;
  /** Only entities that stand so with any of `connections`. Ask with one name there for one target. */
  readonly standing: SyncStatusFilter | null;
  /** `nextCursor` of the page before; null: from the start. One that was not given by the same method is taken for null. */
  readonly cursor: string | null;
  /** 1 to 200. */
  readonly limit: number;
}

/** Which people, by name. */
export interface PeopleQuery extends EntityQuery {
  /** Only members of that group; null: all. */
  readonly groupId: string | null;
}

/** Which groups, by name. */
export interface GroupsQuery extends EntityQuery {}

/** One person with all but the history (see `activity`). */
export interface PersonDetail extends PersonItem {
  readonly externalId: string;
  readonly rev: number;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  /** By name, at most 1000. */
  readonly groups: readonly { readonly id: string; readonly displayName: string }[];
  readonly held: readonly (HeldItem & { readonly target: string })[];
}

/** One group; its members are `people` with its id. */
export interface GroupDetail extends GroupItem {
  readonly externalId: string;
  readonly rev: number;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
}

/** What happened; each filter that is not null narrows it down. */
export interface ActivityQuery {
  /** A person or a group. */
  readonly entityId: string | null;
  /** Calls to that target and decisions about it. */
  readonly target: string | null;
  /** Exactly, or as the beginning before a dot: `user` finds `user.create`. */
  readonly action: string | null;
  /** The beginning of the actor: `scim:`, `scim:okta`, `reconcile`. */
  readonly actor: string | null;
  /** At or after. */
  readonly sinceMs: number | null;
  /** Before. */
  readonly untilMs: number | null;
  readonly isFailureOnly: boolean;
  /** Newest first: rows with a smaller `seq` than this; null: from the newest. */
  readonly beforeSeq: number | null;
  /** 1 to 500. */
  readonly limit: number;
}

/** Newest first. */
export interface ActivityPage {
  readonly rows: readonly AuditRow[];
  /** For `beforeSeq`; null at the end. */
  readonly nextBeforeSeq: number | null;
}

/** One hour of one target. Hours without anything are left out. */
export interface HourTally {
  readonly target: string;
  /** The hour's beginning, milliseconds since the epoch. */
  readonly hourMs: number;
  /** Calls by outcome; one call about several people counts for each. */
  readonly applied: number;
  readonly unconfirmed: number;
  readonly failed: number;
  /** Changes of the directory that the target was seen to have taken over. */
  readonly delivered: number;
  /** From the change in the directory to there: half of them took at most this long, to within 41 %; null without any. */
  readonly medianMs: number | null;
  /** The same for 95 of 100. */
  readonly p95Ms: number | null;
}

/** Why a person should look. */
export type AttentionKind =
  /** Removals beyond the budget that nobody has approved or dismissed. */
  | "held"
  /** The same of what only a restored copy of the database asks for, taking or giving access. */
  | "restored"
  /** People who would lose access as no group matches `users.groups`. */
  | "scope"
  /** People who would get access back, more than is usual. */
  | "returning"
  /** People who would be given what was somebody else's, who had the address before. */
  | "handed-on"
  /** Invitations beyond `maxSeats`. */
  | "seats"
  /** The target refuses, or has failed five times or more. */
  | "failing"
  /** Accepted their invitation: an administrator of the target must confirm them. */
  | "accepted"
  /** Not in the target, which cannot be given them. */
  | "missing"
  /** Invited so long ago that the invitation has expired, or does within a day. */
  | "invitation";

/** Those of one kind in one target. */
export interface Attention {
  readonly target: string;
  readonly kind: AttentionKind;
  /** At least 1. */
  readonly count: number;
  /** Since when the first of them waits; null where that is not known. */
  readonly sinceMs: number | null;
  /** The first few, those who wait longest first. */
  readonly first: readonly AttentionItem[];
}

/** Somebody, or a group, named. */
export interface AttentionItem {
  readonly kind: EntityKind;
  readonly entityId: string;
  readonly name: string;
  readonly sinceMs: number | null;
  /** What the target said, where it said something. */
  readonly error: string | null;
}

/** What the console and the API read. Nothing here holds other work up for long: large questions are asked in parts. */
export interface ConsoleStore {
  people(query: PeopleQuery): Promise<Page<PersonItem>>;
  person(id: string, connections: readonly string[]): Promise<PersonDetail | null>;
  groups(query: GroupsQuery): Promise<Page<GroupItem>>;
  group(id: string, connections: readonly string[]): Promise<GroupDetail | null>;
  activity(query: ActivityQuery): Promise<ActivityPage>;
  /** Rows after `afterSeq` that fit, oldest first, and up to where was looked: for following live. `beforeSeq` does not count. */
  activityAfter(
    query: ActivityQuery,
    afterSeq: number,
  ): Promise<{ readonly rows: readonly AuditRow[]; readonly lookedAtSeq: number }>;
  /** The newest row's `seq`; 0 without any. */
  newestSeq(): Promise<number>;
  /** Hours that begin at or after `sinceMs`, at most 14 days back, oldest first. */
  hourly(connections: readonly string[], sinceMs: number): Promise<readonly HourTally[]>;
  /** What asks for a person in these targets. */
  attention(connections: readonly string[], nowMs: number): Promise<readonly Attention[]>;
  /**
   * Has this entity looked at now in that target, whatever it waits for; nothing is recorded of the look itself.
   * @returns false when there is no such entity.
   */
  askSync(target: string, entityId: string, cause: Cause, nowMs: number): Promise<boolean>;
  /**
   * Has the next run send that person's invitation again; nothing is sent to who has taken it up meanwhile.
   * @returns false when there is no such person, or the target does not show them as invited.
   */
  askReinvite(target: string, userId: string, cause: Cause, nowMs: number): Promise<boolean>;
}

/** How long a Bitwarden invitation can be taken up (server 2026.8: `OrganizationInviteExpirationHours`, 120). */
export const invitationLifeMs = 5 * 24 * 60 * 60_000;
