import type { CheckFinding } from "../domain/ports/target.ts";

/**
 * The fields that a person fills in to connect a target: name, type, and the keys of `targets.NAME` that its definition
 * asks for. The configuration file may have the keys that are missing or empty here. The secret is never logged and
 * never shown again.
 */
export interface ConnectionDraft extends ConnectionKeys {
  /** 1 to 63 of A-Z, a-z, 0-9, -, _ and ., beginning with a letter or a digit. */
  readonly name: string;
  /** A type of the registry of targets. */
  readonly type: string;
}

/** Text by key of `targets.NAME`: `region`, or the URLs, and the credentials. */
export interface ConnectionKeys {
  readonly [key: string]: string | undefined;
}

/** Messages by key of the draft, as plain text without secrets. The key `""` is for the whole form. */
export type FieldErrors = Readonly<Record<string, string>>;

/** Facts about an organization or account, from the vendor's API. */
export interface Survey {
  readonly name: string;
  readonly type: string;
  /** The vendor's id of the organization or account. */
  readonly accountId: string;
  /** Host of the API. */
  readonly host: string;
  readonly members: number;
  /** Null if the API has no groups. */
  readonly groups: number | null;
  /** Number of accounts by state. Only states that occur. */
  readonly states: Readonly<Record<string, number>>;
  /** Warnings: a key that acts as an owner, a permission that seems missing. */
  readonly findings: readonly CheckFinding[];
}

export type Verification =
  | { readonly ok: true; readonly survey: Survey }
  | { readonly ok: false; readonly errors: FieldErrors };

/** One connection in a list. */
export interface ListedConnection {
  readonly name: string;
  readonly type: string;
  /**
   * The origin of its credentials: the configuration file, `connect`, or `connect` with settings of the file.
   */
  readonly from: "file" | "stored" | "stored and file";
  /** `failing`: see `error`. `new`: no run has ended yet. `unreadable`: no masterKey decrypts it. */
  readonly state: "working" | "failing" | "new" | "unreadable";
  readonly error: string | null;
  readonly lastSuccessAtMs: number | null;
  /** Null if it is only in the file. */
  readonly verifiedAtMs: number | null;
  readonly changedAtMs: number | null;
  /** Host of the API; null when unreadable. */
  readonly host: string | null;
  /** `organization.<guid>` or the OAuth application's id: no secret. Null when unreadable. */
  readonly clientId: string | null;
}

/** Everything that commands and the console do with connections. `actor` goes into the audit trail, e.g. `admin:ada`. */
export interface Connections {
  /** Returns null if credentials can be stored. Otherwise says why not, and what to do. */
  cannotStore(): string | null;
  listConnections(): Promise<readonly ListedConnection[]>;
  /** Signs in with the draft and reads once. Stores nothing. A vendor may take a minute. */
  verifyConnection(draft: ConnectionDraft, signal: AbortSignal): Promise<Verification>;
  /** Verifies, then stores. This process uses it within two seconds, if it serves. */
  saveConnection(draft: ConnectionDraft, actor: string, signal: AbortSignal): Promise<Verification>;
  /** Replaces the secret of a stored connection after it has verified the new one. */
  rotateSecret(name: string, clientSecret: string, actor: string, signal: AbortSignal): Promise<Verification>;
  /** Returns sentences about the consequences, to show before `removeConnection`. */
  removalConsequences(name: string): Promise<readonly string[]>;
  /** Removes a stored connection. Nobody loses access. Returns false if none is stored under that name. */
  removeConnection(name: string, actor: string): Promise<boolean>;
  /** Starts a complete comparison of a target. Returns false if no such target runs here. */
  syncNow(name: string): boolean;
}
