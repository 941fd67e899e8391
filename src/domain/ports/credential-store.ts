import type { Cause } from "../model/entities.ts";

/** What `connect` stored for one target; `sealed` opens only with the master key. Times are no secret. */
export interface StoredCredential {
  /** The target's name, 1 to 63 characters. */
  readonly name: string;
  /** Which vendor: `bitwarden`, `onepassword`. In the clear, so that it can be listed without the key. */
  readonly type: string;
  /** Which key sealed it, 16 hex digits. */
  readonly keyId: string;
  /** Base64. */
  readonly sealed: string;
  readonly createdAtMs: number;
  /** When its content last changed; sealing it anew under another key is no change. */
  readonly changedAtMs: number;
  /** When the vendor last accepted it in `connect`. */
  readonly verifiedAtMs: number;
}

export interface CredentialStore {
  /** By name. */
  credentials(): Promise<readonly StoredCredential[]>;
  /** Adds it, or replaces the one of that name (which keeps its `createdAtMs`). */
  putCredential(credential: StoredCredential, cause: Cause): Promise<void>;
  /** @returns false when there is none of that name. */
  removeCredential(name: string, cause: Cause): Promise<boolean>;
  /**
   * Replaces how every credential is sealed, all of them in one transaction. `reseal` sees each row, and what it throws
   * leaves everything as it was. @returns how many rows it changed.
   */
  resealCredentials(
    reseal: (row: StoredCredential) => Pick<StoredCredential, "keyId" | "sealed">,
    nowMs: number,
    cause: Cause,
  ): Promise<number>;
}
