import type { GroupOptions, ScimStore } from "../../domain/ports/scim-store.ts";
import type { Tracer } from "../../telemetry/index.ts";
import type { Authenticate } from "./auth.ts";

/** Limits of one request, and of scans. */
export interface ScimLimits {
  /** Default 1 MiB. */
  readonly bodyBytes: number;
  /** Default 4 MiB. */
  readonly bulkBytes: number;
  /** Operations of one Bulk request. Default 1000. Identity providers also split large PATCH requests by this number. */
  readonly bulkOperations: number;
  /** Operations of one PATCH. Default 2000. */
  readonly patchOperations: number;
  /** Maximum number of resources of a page. Default 1000. */
  readonly maxResults: number;
  /** Resources of a page if the client sends no `count`. Default 100. */
  readonly defaultResults: number;
  /** Scans that run at once, for filters that columns cannot decide. Default 2. */
  readonly scans: number;
  /** Scans that may wait. Default 32. Further ones are answered with 503. */
  readonly waitingScans: number;
}

export const defaultLimits: ScimLimits = {
  bodyBytes: 1024 * 1024,
  bulkBytes: 4 * 1024 * 1024,
  bulkOperations: 1000,
  patchOperations: 2000,
  maxResults: 1000,
  defaultResults: 100,
  scans: 2,
  waitingScans: 32,
};

/** Everything that the SCIM service provider depends on. */
export interface ScimOptions {
  readonly store: ScimStore;
  readonly authenticate: Authenticate;
  /** The URL before `/scim/v2` as clients see it. Null derives it from the Host of each request. */
  readonly publicUrl: () => string | null;
  /** Settings of a source for its groups. */
  readonly groupOptions: (source: string) => GroupOptions;
  /** True if all sources refuse a second group of the same name. Published in `/Schemas`. */
  readonly groupNamesUnique: boolean;
  readonly log?: (level: "info" | "warn" | "error", message: string, fields: Record<string, unknown>) => void;
  /** Called once per answer. */
  readonly onRequest?: (info: RequestInfo) => void;
  readonly limits?: Partial<ScimLimits>;
  /** Default: none. */
  readonly tracer?: Tracer;
  /** Called after authentication, before the body is read. Default: admits every request. */
  readonly admit?: Admit;
  /** Called with the client address of a wrong token. Returns how long the client must wait, in milliseconds, or null. */
  readonly wrongToken?: (address: string) => number | null;
  /** Default: a random UUID. */
  readonly newRequestId?: () => string;
}

/** Admits a request, or returns when to try again. `bodyBytes`: maximum size of its body. */
export type Admit = (request: { readonly source: string; readonly bodyBytes: number }) => Admittance;

/** `leave` is called at least once when the request is over. */
export type Admittance =
  | { readonly kind: "admitted"; readonly leave: () => void }
  | {
      readonly kind: "refused";
      readonly status: 429 | 503;
      readonly retryAfterMs: number;
      readonly detail: string;
    };

export interface RequestInfo {
  /** Also in `X-Request-Id` of the answer and in the audit trail. */
  readonly requestId: string;
  /** Empty before authentication. */
  readonly source: string;
  /** The address of the client, or of the proxy in front of it. Empty if the client has disconnected. */
  readonly address: string;
  readonly method: string;
  /** `Users`, `Groups`, `Bulk`, … or `other`. */
  readonly resource: string;
  readonly status: number;
  readonly seconds: number;
}
