import type { CheckFinding } from "../domain/ports/target.ts";

/** The vendors that can be connected. */
export type ConnectionType = "bitwarden" | "onepassword";

/** What a person fills in. A key that is left out (or empty) is asked of the configuration file, where it may stand. */
export interface ConnectionDraft {
  /** 1 to 63 of A-Z, a-z, 0-9, -, _ and ., beginning with a letter or a digit. */
  readonly name: string;
  readonly type: ConnectionType;
  /** `us`, `eu` for Bitwarden; `com`, `ca`, `eu` for 1Password. Either this or the URLs. */
  readonly region?: string;
  readonly apiUrl?: string;
  /** Bitwarden only. */
  readonly identityUrl?: string;
  /** 1Password only. */
  readonly accountId?: string;
  readonly clientId?: string;
  /** Never logged, never given back. */
  readonly clientSecret?: string;
}

/** What to say beside which field; `""` is about the whole form. Plain text, fit for people, without secrets. */
export type FieldErrors = Readonly<Partial<Record<keyof ConnectionDraft | "", string>>>;

/** What the vendor's API tells of an organization or account. */
export interface Survey {
  readonly name: string;
  readonly type: ConnectionType;
  /** The organization's guid, or the account's id. */
  readonly accountId: string;
  /** Host that the API was reached at. */
  readonly host: string;
  readonly members: number;
  /** Null where the API knows no groups. */
  readonly groups: number | null;
  /** People by state: `invited`, `accepted` (Bitwarden: someone must confirm them), `active`, `suspended`, … Only what occurs. */
  readonly states: Readonly<Record<string, number>>;
  /** Warnings and remarks: a key that acts as an owner, a permission that seems missing. */
  readonly findings: readonly CheckFinding[];
}

export type Verification =
  | { readonly ok: true; readonly survey: Survey }
  | { readonly ok: false; readonly errors: FieldErrors };

/** One connection, as it is listed. */
export interface ListedConnection {
  readonly name: string;
  readonly type: ConnectionType;
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
