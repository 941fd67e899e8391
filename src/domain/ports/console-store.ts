import type { AuditFilter, AuditRow } from "../model/audit.ts";
import type { Cause, DirectoryGroup, DirectoryUser, EntityKind } from "../model/entities.ts";
import type { HeldItem } from "../model/held-change.ts";
import type { Link, LinkNote, ObservedState } from "../model/link.ts";

export const syncStates = ["inSync", "pending", "failed", "held", "missing"] as const;
/**
 * State of an entity in one target. The first that fits counts: `held`, `failed`, `pending`, `missing` (no account, and the
 * target can't invite), `inSync`. The same as in `TargetCounts`.
 */
export type SyncState = (typeof syncStates)[number];

/** One entity in one target. */
export interface SyncStatus
  extends Pick<
    Link,
    | "target"
    | "note"
    | "remoteId"
    | "ownership"
    | "hasAccess"
    | "attempts"
    | "retryAtMs"
    | "errorCode"
    | "errorMessage"
    | "lastSuccessAtMs"
  > {
  /** Null: deleted in the source, and the target has nothing of it. */
  readonly state: SyncState | null;
  /** See `Link.observedState`. */
  readonly seenState: ObservedState | null;
  /** See `Link.observedSinceMs`. */
  readonly seenSinceMs: number | null;
  /** When somebody asked to send the invitation again. Null: nobody, or it was sent. */
  readonly reinviteAskedAtMs: number | null;
}

/** A user in a list. */
export interface PersonItem
  extends Pick<DirectoryUser, "id" | "source" | "displayName" | "email" | "isActive" | "absentSinceMs"> {
  readonly userName: string;
  /** One for each target of the query, in that order. */
  readonly syncStatuses: readonly SyncStatus[];
}

/** A group in a list. */
export interface GroupItem extends Pick<DirectoryGroup, "id" | "source" | "displayName" | "absentSinceMs"> {
  /** Number of present members. */
  readonly memberCount: number;
  readonly syncStatuses: readonly SyncStatus[];
}

/** Part of a list, in a stable order. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Cursor of the next page. Null at the end. */
  readonly nextCursor: string | null;
  /** Number of items on all pages. */
  readonly total: number;
}

/** Selects entities by their state in a target. */
export type SyncStatusFilter =
  | { readonly by: "state"; readonly state: SyncState }
  | { readonly by: "note"; readonly note: LinkNote }
  /** `accepted`: the person accepted, and an administrator of the target must confirm. */
  | { readonly by: "seen"; readonly seen: ObservedState };

export const presences = ["present", "inactive", "gone"] as const;

interface EntityQuery {
  /** Names of the targets to show. The store does not know the configuration. */
  readonly targets: readonly string[];
  /**
   * Part of the name, or of a user's e-mail address or userName; letter case does not count. Or the whole id. Empty: all. Maximum
   * 200 characters count.
   */
  readonly search: string;
  readonly source: string | null;
  /** `present`: the source has it. `inactive`: the source has it disabled. `gone`: deleted. Null: all. */
  readonly presence: (typeof presences)[number] | null;
  /** Selects entities that are in this state in any of `targets`. */
  readonly syncStatus: SyncStatusFilter | null;
  /** `nextCursor` of the page before. Null, or a cursor of another method: from the start. */
  readonly cursor: string | null;
  /** 1 to 200. */
  readonly limit: number;
}

/** Selects users. They are sorted by name. */
export interface PeopleQuery extends EntityQuery {
  /** Selects members of that group. Null: all. */
  readonly groupId: string | null;
}

/** Selects groups. They are sorted by name. */
export type GroupsQuery = EntityQuery;

/** One user with everything but the history (see `activity`). */
export interface PersonDetail extends PersonItem, EntityTimes {
  /** Sorted by name, maximum 1000. */
  readonly groups: readonly { readonly id: string; readonly displayName: string }[];
  readonly held: readonly (HeldItem & { readonly target: string })[];
}

/** One group. Its members come from `people` with its id. */
export interface GroupDetail extends GroupItem, EntityTimes {}

interface EntityTimes {
  readonly externalId: string;
  readonly rev: number;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
}

/** Selects audit rows. Null: no filter. */
export interface ActivityQuery extends Omit<AuditFilter, "person"> {
  /** A user or a group. */
  readonly entityId: string | null;
  /** The beginning of the actor: `scim:`, `scim:okta`, `reconcile`. */
  readonly actor: string | null;
  readonly isFailureOnly: boolean;
  /** Selects rows with a smaller `seq`. Null: from the newest. */
  readonly beforeSeq: number | null;
  /** 1 to 500. */
  readonly limit: number;
}

/** Newest first. */
export interface ActivityPage {
  readonly rows: readonly AuditRow[];
  /** For `beforeSeq`. Null at the end. */
  readonly nextBeforeSeq: number | null;
}

/** One hour of one target. Hours without activity are left out. */
export interface HourlyCounts {
  readonly target: string;
  /** Start of the hour, in milliseconds since the epoch. */
  readonly hourMs: number;
  /** Calls by outcome. A call about several users counts once per user. */
  readonly applied: number;
  readonly unconfirmed: number;
  readonly failed: number;
  /** Changes of sources that the target was observed to have. */
  readonly delivered: number;
  /** Median time from the change in the source until then, to within 41 %. Null: there were none. */
  readonly medianMs: number | null;
  /** 95th percentile of the same. */
  readonly p95Ms: number | null;
}

export const attentionKinds = [
  /** Undecided removals beyond the limit. */
  "held",
  /** Undecided changes that only a restored copy of the database asks for. */
  "restored",
  /** Restores beyond the return limit. */
  "returning",
  /** Users who would get the account of a deleted user with the same address. */
  "handed-on",
  /** Users who would lose access because no group matches `users.groups`. */
  "scope",
  /** Invitations beyond `maxSeats`. */
  "seats",
  /** Changes that the target refused, or that failed five times or more. */
  "failing",
  /** Accepted invitations that an administrator of the target must confirm. */
  "accepted",
  /** Users without an account in a target that can't invite. */
  "missing",
  /** Invitations that have expired, or will within a day. */
  "invitation",
] as const;
/** Why an administrator should act. */
export type AttentionKind = (typeof attentionKinds)[number];

/** All of one kind in one target. */
export interface Attention {
  readonly target: string;
  readonly kind: AttentionKind;
  /** At least 1. */
  readonly count: number;
  /** Since when the first of them waits. Null: not known. */
  readonly sinceMs: number | null;
  /** The first few. Those that wait longest come first. */
  readonly first: readonly AttentionItem[];
}

/** A user or group with its name. */
export interface AttentionItem {
  readonly kind: EntityKind;
  readonly entityId: string;
  readonly name: string;
  readonly sinceMs: number | null;
  /** The answer of the target, if it gave one. */
  readonly error: string | null;
}

/** Queries of console and API. Large queries run in parts, so that they do not block other work. */
export interface ConsoleStore {
  people(query: PeopleQuery): Promise<Page<PersonItem>>;
  person(id: string, targets: readonly string[]): Promise<PersonDetail | null>;
  groups(query: GroupsQuery): Promise<Page<GroupItem>>;
  group(id: string, targets: readonly string[]): Promise<GroupDetail | null>;
  activity(query: ActivityQuery): Promise<ActivityPage>;
  /** For live updates: matching rows after `afterSeq`, oldest first, and the last `seq` that was checked. Ignores `beforeSeq`. */
  activityAfter(
    query: ActivityQuery,
    afterSeq: number,
  ): Promise<{ readonly rows: readonly AuditRow[]; readonly lookedAtSeq: number }>;
  /** The `seq` of the newest row. 0: there is none. */
  newestSeq(): Promise<number>;
  /** Hours that begin at or after `sinceMs`, oldest first. Maximum 14 days back. */
  hourly(targets: readonly string[], sinceMs: number): Promise<readonly HourlyCounts[]>;
  /** Everything in these targets that needs an administrator. */
  attention(targets: readonly string[], nowMs: number): Promise<readonly Attention[]>;
  /** Makes an entity due at once in a target, whatever it waits for. Returns false if it does not exist. */
  askSync(target: string, entityId: string, cause: Cause, nowMs: number): Promise<boolean>;
  /** Lets the next run send an invitation again, if it is still open. Returns false if the target shows no invitation. */
  askReinvite(target: string, userId: string, cause: Cause, nowMs: number): Promise<boolean>;
}

/** How long a Bitwarden invitation is valid (server 2026.8: `OrganizationInviteExpirationHours`, 120). */
export const invitationLifeMs = 5 * 24 * 60 * 60_000;
