import type { CheckFinding } from "../domain/ports/target.ts";

/**
 * What a person fills in to connect a target: its name and type, and the keys of `targets.NAME` that its definition
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

/** What the vendor's API shows about an organization or account. */
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

/** One connection, as it is listed. */
export interface ListedConnection {
  readonly name: string;
  readonly type: string;
  /**
   * Where its credentials come from: all from the configuration file, all from `connect`, or the file adds settings to
   * stored credentials.
   */
  readonly from: "file" | "stored" | "stored and file";
  /** `working`, `failing` (see `error`), `new` (no run has ended yet), `unreadable` (masterKey does not open it). */
  readonly state: "working" | "failing" | "new" | "unreadable";
  readonly error: string | null;
  readonly lastSuccessAtMs: number | null;
  /** Null for what stands in the file only. */
  readonly verifiedAtMs: number | null;
  readonly changedAtMs: number | null;
  /** Host of the API; null when unreadable. */
  readonly host: string | null;
  /** `organization.<guid>` or the OAuth application's id: no secret. Null when unreadable. */
  readonly clientId: string | null;
}

/** What the console does with connections; implemented in `cli`. `actor` goes into the audit trail, e.g. `admin:ada`. */
export interface Connections {
  /** Null when credentials can be stored; otherwise why not, and what to do (no masterKey is configured). */
  cannotStore(): string | null;
  listConnections(): Promise<readonly ListedConnection[]>;
  /** Signs in with the draft and reads once; stores nothing. Give it a signal: a vendor may take a minute. */
  verifyConnection(draft: ConnectionDraft, signal: AbortSignal): Promise<Verification>;
  /** Verifies, then stores. A target that this process serves takes it up within two seconds. */
  saveConnection(draft: ConnectionDraft, actor: string, signal: AbortSignal): Promise<Verification>;
  /** Replaces the secret of a stored connection, after verifying the new one with everything else as it is. */
  rotateSecret(name: string, clientSecret: string, actor: string, signal: AbortSignal): Promise<Verification>;
  /** What will no longer happen, in sentences, to be shown before `removeConnection`. */
  removalConsequences(name: string): Promise<readonly string[]>;
  /** Forgets a stored connection; takes nobody's access away. False when none is stored under that name. */
  removeConnection(name: string, actor: string): Promise<boolean>;
  /** Asks for a full look at a target at once. False when no such target runs here. */
  syncNow(name: string): boolean;
}
