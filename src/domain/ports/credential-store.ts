import type { Cause } from "../model/entities.ts";

/** The credential of one target, stored by `connect`. `sealed` opens only with the master key. */
export interface StoredCredential {
  /** The target's name, 1 to 63 characters. */
  readonly name: string;
  /** `bitwarden`, `onepassword`. Not encrypted, so that it can be listed without the key. */
  readonly type: string;
  /** The key that sealed it: 16 hex digits. */
  readonly keyId: string;
  /** Base64. */
  readonly sealed: string;
  readonly createdAtMs: number;
  /** When the content last changed. A change of the master key does not count. */
  readonly changedAtMs: number;
  /** When the target last accepted it in `connect`. */
  readonly verifiedAtMs: number;
}

export interface CredentialStore {
  /** Sorted by name. */
  credentials(): Promise<readonly StoredCredential[]>;
  /** Adds the credential, or replaces the one with that name, which keeps its `createdAtMs`. */
  putCredential(credential: StoredCredential, cause: Cause): Promise<void>;
  /** Returns false if there is no credential with that name. */
  removeCredential(name: string, cause: Cause): Promise<boolean>;
  /** Seals every credential with another key, in one transaction. If `reseal` throws, nothing changes. Returns the number. */
  resealCredentials(
    reseal: (row: StoredCredential) => Pick<StoredCredential, "keyId" | "sealed">,
    nowMs: number,
    cause: Cause,
  ): Promise<number>;
}
