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
  /** Adds `next` and lets token `id` expire at `untilMs` or earlier. Returns false, and adds nothing, if `id` is not valid. */
  rotateToken(id: string, next: StoredToken, untilMs: number, cause: Cause): Promise<boolean>;
  /** Stores the last use of tokens, by id, if it is later than the stored one. Writes no audit row. */
  noteTokenUse(usedAtMs: ReadonlyMap<string, number>): Promise<void>;
  /** Returns false if the token is not valid. */
  revokeToken(id: string, nowMs: number, cause: Cause): Promise<boolean>;
}

/** A message to the process that reconciles. */
export type Notice =
  | { readonly kind: "changed"; readonly refs: readonly EntityRef[] }
  /** Somebody wants a full run of that target. */
  | { readonly kind: "look"; readonly target: string };

/** The right to reconcile on a database. Only one process has it. */
export interface ReconcileLock {
  /** Aborted when the lock is lost without a release. Never for a SQLite file. */
  readonly lost: AbortSignal;
  /** Calls the listener with messages of other processes. There are none for a SQLite file. */
  listen(listener: (notice: Notice) => void): void;
  release(): Promise<void>;
}

/** The database. */
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
  /** Calls the listener after each commit with the changed entities. Returns how to stop listening. */
  onChange(listener: (changed: readonly EntityRef[]) => void): () => void;
  /** Calls the `onChange` listeners with changes of another process. */
  changedElsewhere(refs: readonly EntityRef[]): void;
  /** Asks the process that reconciles for a full run of a target. */
  requestFullRun(target: string): void;
  /** Throws `STORE_UNAVAILABLE` with the reason if the database takes no writes. */
  assertWritable(): Promise<void>;
  close(): Promise<void>;
}
