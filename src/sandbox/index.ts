import type { BitwardenSettings } from "./bitwarden/model.ts";
import { BitwardenState } from "./bitwarden/state.ts";
import { bitwardenVendor } from "./bitwarden/vendor.ts";
import { Faults } from "./kit/faults.ts";
import { startServer } from "./kit/http.ts";
import { type Persistable, Persistence } from "./kit/persist.ts";
import { RateLimiter } from "./kit/rate-limit.ts";
import { RequestLog } from "./kit/request-log.ts";
import { Tokens } from "./kit/tokens.ts";
import { type OnePasswordSettings, OnePasswordState } from "./onepassword/state.ts";
import { onePasswordVendor } from "./onepassword/vendor.ts";

export {
  type BitwardenSettings,
  type Collection,
  type CollectionAccess,
  type Group,
  type Member,
  type MemberStatus,
  type MemberType,
  memberStatus,
  memberType,
  type OrganizationEvent,
  type Permissions,
  type Policy,
} from "./bitwarden/model.ts";
export { BitwardenState, type NewMember } from "./bitwarden/state.ts";
export { type Company, type CompanyGroup, company, type Person, seedCompany } from "./company.ts";
export { type Fault, type FaultEffect, type FaultMatch, Faults } from "./kit/faults.ts";
export { type LoggedRequest, type RequestFilter, RequestLog } from "./kit/request-log.ts";
export { Tokens } from "./kit/tokens.ts";
export {
  type Layout,
  type NewOnePasswordUser,
  type OnePasswordSettings,
  OnePasswordState,
  type OnePasswordUser,
  type OnePasswordUserState,
  type Scope,
} from "./onepassword/state.ts";

/** What both emulators can be given. */
export interface SandboxOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Milliseconds since 1970; default `Date.now`. */
  readonly clock?: () => number;
  /** At least 0, below 1; for ids and for faults with a probability; default `Math.random`. */
  readonly random?: () => number;
  readonly clientId?: string;
  readonly clientSecret?: string;
  /** Loaded at the start, written through before each answer; default: memory only. */
  readonly persistFile?: string;
  /** Added to each answer; default 0. Also `faults.latencyMs`. */
  readonly latencyMs?: number;
}

export interface BitwardenOptions extends SandboxOptions, Partial<BitwardenSettings> {
  readonly organizationId?: string;
}

export interface OnePasswordOptions extends SandboxOptions, Partial<OnePasswordSettings> {
  readonly accountId?: string;
}

interface Sandbox {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly faults: Faults;
  readonly requests: RequestLog;
  readonly tokens: Tokens;
  /** Writes a state arranged by hand to `persistFile`; requests do so by themselves. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface BitwardenSandbox extends Sandbox {
  /** Base to which `/public/members` is appended. */
  readonly apiUrl: string;
  /** Base to which `/connect/token` is appended. */
  readonly identityUrl: string;
  readonly state: BitwardenState;
}

export interface OnePasswordSandbox extends Sandbox {
  /** Base to which `/v1beta1/accounts/...` is appended. */
  readonly apiUrl: string;
  readonly accountId: string;
  readonly state: OnePasswordState;
}

/** Starts an emulated Bitwarden server with one organization, empty unless `persistFile` holds one. */
export async function startBitwarden(options: BitwardenOptions = {}): Promise<BitwardenSandbox> {
  const {
    host,
    port,
    clock = Date.now,
    random = Math.random,
    clientId,
    clientSecret = "sandbox-bitwarden-secret-000",
    persistFile,
    latencyMs,
    organizationId = "5a1db0c5-0000-4000-8000-000000000001",
    ...settings
  } = options;
  const state = new BitwardenState({ organizationId, clock, newId: () => randomGuid(random), settings });
  const id = clientId ?? `organization.${organizationId}`;
  const tokens = new Tokens(clock);
  const { flush, ...shared } = await prepare(state, { clock, random, persistFile, latencyMs });
  const vendor = bitwardenVendor({
    state,
    tokens,
    limiter: new RateLimiter(clock),
    clock,
    clientId: id,
    clientSecret,
    persist: flush,
  });
  const server = await startServer({ host: host ?? "127.0.0.1", port: port ?? 0, clock, vendor, ...shared });
  return {
    apiUrl: `${server.url}/api`,
    identityUrl: `${server.url}/identity`,
    clientId: id,
    clientSecret,
    state,
    tokens,
    flush,
    close: server.close,
    ...shared,
  };
}

/** Starts an emulated 1Password account, empty unless `persistFile` holds one. */
export async function startOnePassword(options: OnePasswordOptions = {}): Promise<OnePasswordSandbox> {
  const {
    host,
    port,
    clock = Date.now,
    random = Math.random,
    clientId = "7d2b9c1e-5f04-4c3a-9e62-000000000001",
    clientSecret = "sandbox-1password-secret~000",
    persistFile,
    latencyMs,
    accountId = "SANDBOXACCOUNTABCDEFGHIJKL",
    ...settings
  } = options;
  const state = new OnePasswordState({ accountId, clock, random, settings });
  const tokens = new Tokens(clock);
  const { flush, ...shared } = await prepare(state, { clock, random, persistFile, latencyMs });
  const vendor = onePasswordVendor({ state, tokens, clientId, clientSecret, persist: flush });
  const server = await startServer({ host: host ?? "127.0.0.1", port: port ?? 0, clock, vendor, ...shared });
  return {
    apiUrl: server.url,
    accountId,
    clientId,
    clientSecret,
    state,
    tokens,
    flush,
    close: server.close,
    ...shared,
  };
}

interface Preparation {
  readonly clock: () => number;
  readonly random: () => number;
  readonly persistFile: string | undefined;
  readonly latencyMs: number | undefined;
}

async function prepare(
  state: Persistable,
  { random, persistFile, latencyMs }: Preparation,
): Promise<{ faults: Faults; requests: RequestLog; flush: () => Promise<void> }> {
  const faults = new Faults(random);
  faults.latencyMs = latencyMs ?? 0;
  const persistence = persistFile === undefined ? undefined : new Persistence(persistFile, state);
  await persistence?.load();
  return { faults, requests: new RequestLog(), flush: async () => persistence?.flush() };
}

/** A version 4 GUID, lower case as ASP.NET Core writes them. */
function randomGuid(random: () => number): string {
  return "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () => Math.floor(random() * 16).toString(16));
}
