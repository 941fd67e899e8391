import type { Cause, EntityRef } from "../model/entities.ts";
import type { AlertStore } from "./alert-store.ts";
import type { AuditStore, AuditTrail } from "./audit-store.ts";
import type { ConsoleStore } from "./console-store.ts";
import type { CredentialStore } from "./credential-store.ts";
import type { ImportStore } from "./import-store.ts";
import type { ScimStore, StoredToken } from "./scim-store.ts";
import type { SyncStore } from "./sync-store.ts";

export interface TokenStore {
  tokens(): Promise<readonly StoredToken[]>;
  addToken(token: StoredToken, cause: Cause): Promise<void>;
  /**
   * Adds `next` in the place of the token `id`, which is good until `untilMs`, or for less if it would have expired before.
   * @returns false when there is no such token that is still good; nothing is added then.
   */
  rotateToken(id: string, next: StoredToken, untilMs: number, cause: Cause): Promise<boolean>;
  /** Notes when tokens were last used, by id; of two times the later. Not in the audit trail. */
  noteTokenUse(usedAtMs: ReadonlyMap<string, number>): Promise<void>;
  /** @returns false when there is no such token that is still good. */
  revokeToken(id: string, nowMs: number, cause: Cause): Promise<boolean>;
}

/** What one process tells the one that reconciles. */
export type Notice =
  | { readonly kind: "changed"; readonly refs: readonly EntityRef[] }
  /** Somebody wants a full look at that target. */
  | { readonly kind: "look"; readonly target: string };

/** The right to reconcile on a database; one process has it. */
export interface ReconcileLock {
  /** Aborted when it is gone although nobody gave it back. Never for a SQLite file. */
  readonly lost: AbortSignal;
  /** Calls the listener with what other processes tell. Nobody else serves a SQLite file. */
  listen(listener: (notice: Notice) => void): void;
  release(): Promise<void>;
}

/** The one durable thing (architecture, idea 4). */
export interface DirectoryStore
  extends ScimStore,
    ImportStore,
    SyncStore,
    AuditStore,
    AuditTrail,
    TokenStore,
    CredentialStore,
    ConsoleStore,
    AlertStore {
  /** Called after each commit with the entities that it changed. Returns how to stop listening. */
  onChange(listener: (changed: readonly EntityRef[]) => void): () => void;
  /** Tells those who listen to `onChange` what another process has changed. */
  changedElsewhere(refs: readonly EntityRef[]): void;
  /** Asks the process that reconciles for a full look at a target. */
  askLook(target: string): void;
  /** Can it take writes now? @throws `STORE_UNAVAILABLE` with the reason. */
  assertWritable(): Promise<void>;
  close(): Promise<void>;
}
