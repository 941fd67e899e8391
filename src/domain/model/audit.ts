import type { EntityKind, Json } from "./entities.ts";

/** What an audit row tells: who asked, what changed, which target call followed, with what outcome. */
export interface AuditEntry {
  readonly actor: string;
  readonly requestId: string | null;
  /** e.g. `user.create`, `group.members`, `invite`, `suspend`, `approve`. */
  readonly action: string;
  readonly kind: EntityKind | null;
  readonly entityId: string | null;
  /** The person's e-mail address or userName, or the group's name, as it was then. */
  readonly name: string | null;
  readonly target: string | null;
  /** The entity's `rev` that this belongs to: joins a target call to the change that caused it. */
  readonly rev: number | null;
  readonly detail: { readonly [key: string]: Json };
}

export interface AuditRow extends AuditEntry {
  readonly seq: number;
  readonly atMs: number;
}

/** A place in the chain, to be kept elsewhere: everything up to it can then be proved not to have changed. */
export interface AuditHead {
  readonly seq: number;
  /** SHA-256, 64 hex digits. */
  readonly hash: string;
}

/** A row with its place in the chain: SHA-256, hex, over the row and all before it. */
export interface ChainedRow extends AuditRow {
  readonly hash: string;
}

/** What a walk over the whole trail found. */
export interface AuditVerdict {
  /** Rows that were looked at. */
  readonly rows: number;
  readonly firstAtMs: number | null;
  readonly lastAtMs: number | null;
  /** The last row that follows from all before it; null for an empty trail. */
  readonly head: AuditHead | null;
  /** Null: intact. */
  readonly broken: {
    /** The first row that does not follow from the one before it, or the first that is missing. */
    readonly seq: number;
    readonly reason: string;
  } | null;
}

/** Which rows; each filter that is not null narrows it down. */
export interface AuditFilter {
  /** At or after. */
  readonly sinceMs: number | null;
  /** Before. */
  readonly untilMs: number | null;
  /** An e-mail address, userName or id: rows about who has it now, and about who had that address then. */
  readonly person: string | null;
  /** Calls to that target and decisions about it. */
  readonly target: string | null;
  /** Exactly, or as the beginning before a dot: `user` finds `user.create`. */
  readonly action: string | null;
}

/** How access was lost; the same words as in audit rows. */
export type LossKind = "suspend" | "remove" | "removeFromGroup" | "removeGroup";

/** A decision that led to a removal. */
export interface LossCause {
  readonly seq: number;
  readonly atMs: number;
  readonly action: string;
  readonly actor: string;
  readonly requestId: string | null;
  readonly detail: { readonly [key: string]: Json };
}

/** Somebody, or a group, that lost something in a target: what, when, why, on whose word. */
export interface LostAccess {
  readonly seq: number;
  readonly atMs: number;
  readonly target: string;
  readonly what: LossKind;
  readonly kind: EntityKind | null;
  readonly entityId: string | null;
  readonly name: string | null;
  /** The group, where one was lost. */
  readonly group: string | null;
  /** `unconfirmed`: the target did not say whether it did it. */
  readonly outcome: "applied" | "unconfirmed";
  /**
   * The change of the directory behind it. Null: nothing changed there; a full look found access that the directory or
   * the configuration does not provide for (drift).
   */
  readonly cause: LossCause | null;
  /** Who let it pass, when the guard had held it. */
  readonly approval: LossCause | null;
}

/** A part of those who lost access, newest first. */
export interface LossPage {
  readonly losses: readonly LostAccess[];
  /** For `beforeSeq`; null at the end. A page may have none and yet be followed by one: so many are looked at and no more. */
  readonly nextBeforeSeq: number | null;
}
