import type { GroupOptions, ScimStore } from "../../domain/ports/scim-store.ts";
import type { Tracer } from "../../telemetry/index.ts";
import type { Authenticate } from "./auth.ts";

/** What one request may cost. */
export interface ScimLimits {
  /** Default 1 MiB. */
  readonly bodyBytes: number;
  /** Default 4 MiB. */
  readonly bulkBytes: number;
  /** Default 1000; identity providers use it as the size of their PATCH parts (requirement 38). */
  readonly bulkOperations: number;
  /** Operations of one PATCH; default 2000. */
  readonly patchOperations: number;
  /** Most resources of a page; default 1000. */
  readonly maxResults: number;
  /** Resources of a page when the client names no `count`; default 100. */
  readonly defaultResults: number;
  /** Filters that columns cannot decide, run at once; default 2. */
  readonly scans: number;
  /** Such filters that may wait for their turn; default 32, beyond is a 503. */
  readonly waitingScans: number;
}

export const DEFAULT_LIMITS: ScimLimits = {
  bodyBytes: 1024 * 1024,
  bulkBytes: 4 * 1024 * 1024,
  bulkOperations: 1000,
  patchOperations: 2000,
  maxResults: 1000,
  defaultResults: 100,
  scans: 2,
  waitingScans: 32,
};

/** What the SCIM service provider is given. */
export interface ScimOptions {
  readonly store: ScimStore;
  readonly authenticate: Authenticate;
  /** The URL before `/scim/v2` as clients see it; null derives it from each request's Host. */
  readonly publicUrl: () => string | null;
  /** Settings of a source: are its group names unique, and what becomes of a member id that names nobody (requirement 27)? */
  readonly groupOptions: (source: string) => GroupOptions;
  /** Published in `/Schemas`: do all sources refuse a second group of the same name? */
  readonly groupNamesUnique: boolean;
  readonly log?: (level: "info" | "warn" | "error", message: string, fields: Record<string, unknown>) => void;
  /** Told once per answer; `source` is empty before authentication. */
  readonly onRequest?: (info: RequestInfo) => void;
  readonly limits?: Partial<ScimLimits>;
  /** Default: none. */
  readonly tracer?: Tracer;
  /** Asked after authentication, before the body is read. Default: everything is let in. */
  readonly admit?: Admit;
  /** Told of the client address of a wrong token; how long it should wait, in milliseconds, or null. Default: never. */
  readonly wrongToken?: (address: string) => number | null;
  /** Default: a random UUID. */
  readonly newRequestId?: () => string;
}

/** Lets a request in, or says when to come again. `bodyBytes` is the most that its body can have. */
export type Admit = (request: { readonly source: string; readonly bodyBytes: number }) => Admittance;

/** `leave` is called once or more when the request is over. */
export type Admittance =
  | { readonly kind: "admitted"; readonly leave: () => void }
  | {
      readonly kind: "refused";
      readonly status: 429 | 503;
      readonly retryAfterMs: number;
      readonly detail: string;
    };

export interface RequestInfo {
  /** The same as the answer's `X-Request-Id` and the audit trail's. */
  readonly requestId: string;
  readonly source: string;
  /** Of the client, or of the proxy in front of it; empty when it has gone. */
  readonly address: string;
  readonly method: string;
  /** `Users`, `Groups`, `Bulk`, … or `other`. */
  readonly resource: string;
  readonly status: number;
  readonly seconds: number;
}
