import type { EntityKind, Json } from "./entities.ts";

/** One fact: who asked, what changed, which call followed, with which outcome. */
export interface AuditEntry {
  readonly actor: string;
  readonly requestId: string | null;
  /** e.g. `user.create`, `group.members`, `invite`, `suspend`, `approve`. */
  readonly action: string;
  readonly kind: EntityKind | null;
  readonly entityId: string | null;
  /** The user's e-mail address or userName, or the group's name, at that time. */
  readonly name: string | null;
  readonly target: string | null;
  /** The entity's `rev` at that time. It joins a call to the change that caused it. */
  readonly rev: number | null;
  readonly detail: { readonly [key: string]: Json };
}

export interface AuditRow extends AuditEntry {
  readonly seq: number;
  readonly atMs: number;
}

/** A place in the chain. Kept elsewhere, it proves that no row up to it has changed. */
export interface AuditHead {
  readonly seq: number;
  /** SHA-256, 64 hex digits. */
  readonly hash: string;
}

/** A row with its hash: SHA-256 in hex over this row and all before it. */
export interface ChainedRow extends AuditRow {
  readonly hash: string;
}

/** Result of a check of the whole trail. */
export interface AuditVerdict {
  /** Number of rows checked. */
  readonly rows: number;
  readonly firstAtMs: number | null;
  readonly lastAtMs: number | null;
  /** The last row that fits all before it. Null: the trail is empty. */
  readonly head: AuditHead | null;
  /** Null: intact. */
  readonly broken: {
    /** The first row that is missing or does not fit the one before it. */
    readonly seq: number;
    readonly reason: string;
  } | null;
}

/** Selects rows. Null: no filter. */
export interface AuditFilter {
  /** At or after. */
  readonly sinceMs: number | null;
  /** Before. */
  readonly untilMs: number | null;
  /** An e-mail address, userName or id. Selects rows about its present user and about users who had it at that time. */
  readonly person: string | null;
  /** Selects calls to that target and decisions about it. */
  readonly target: string | null;
  /** The whole action, or its part before a dot: `user` selects `user.create`. */
  readonly action: string | null;
}

export const lossKinds = ["suspend", "remove", "removeFromGroup", "removeGroup"] as const;
/** How access was lost. Audit rows use the same words. */
export type LossKind = (typeof lossKinds)[number];

/** A decision that led to a removal. */
export type LossCause = Pick<AuditRow, "seq" | "atMs" | "action" | "actor" | "requestId" | "detail">;

/** One loss of access in a target, with its cause. */
export interface LostAccess extends Pick<AuditRow, "seq" | "atMs" | "kind" | "entityId" | "name"> {
  readonly target: string;
  readonly what: LossKind;
  /** The group that was lost. Null: the whole access. */
  readonly group: string | null;
  /** `unconfirmed`: the target did not answer. */
  readonly outcome: "applied" | "unconfirmed";
  /** The change of the source behind it. Null: drift, or a change of the configuration. */
  readonly cause: LossCause | null;
  /** The approval, if the change was held. */
  readonly approval: LossCause | null;
}

/** A part of the list, newest first. */
export interface LossPage {
  readonly losses: readonly LostAccess[];
  /** For `beforeSeq`. Null at the end. An empty page can have a next one: each page reads a limited number of rows. */
  readonly nextBeforeSeq: number | null;
}
