import type { BitwardenSettings } from "./bitwarden/model.ts";
import { BitwardenState } from "./bitwarden/state.ts";
import { bitwardenVendor } from "./bitwarden/vendor.ts";
import { Faults } from "./kit/faults.ts";
import { type Persistable, Persistence } from "./kit/persist.ts";
import { RequestLog } from "./kit/request-log.ts";
import { startServer, type Vendor } from "./kit/server.ts";
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

/** Options of both emulators. */
export interface SandboxOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Milliseconds since 1970; default `Date.now`. */
  readonly clock?: () => number;
  /** Returns at least 0 and below 1, for ids and for faults with a probability. Default `Math.random`. */
  readonly random?: () => number;
  readonly clientId?: string;
  readonly clientSecret?: string;
  /** Loaded at the start and written before each answer. Default: the state is only in memory. */
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
  /** Writes changes that were made through `state` to `persistFile`. Requests write theirs themselves. */
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
export async function startBitwarden({
  organizationId = "5a1db0c5-0000-4000-8000-000000000001",
  clientId = `organization.${organizationId}`,
  clientSecret = "sandbox-bitwarden-secret-000",
  ...options
}: BitwardenOptions = {}): Promise<BitwardenSandbox> {
  const { host, port, persistFile, latencyMs, clock = Date.now, random = Math.random, ...settings } = options;
  const state = new BitwardenState({ organizationId, clock, newId: () => randomGuid(random), settings });
  const { url, ...sandbox } = await start(options, state, clientId, clientSecret, (tokens) =>
    bitwardenVendor({ state, tokens, clock, clientId, clientSecret }),
  );
  return { ...sandbox, apiUrl: `${url}/api`, identityUrl: `${url}/identity` };
}

/** Starts an emulated 1Password account, empty unless `persistFile` holds one. */
export async function startOnePassword({
  accountId = "SANDBOXACCOUNTABCDEFGHIJKL",
  clientId = "7d2b9c1e-5f04-4c3a-9e62-000000000001",
  clientSecret = "sandbox-1password-secret~000",
  ...options
}: OnePasswordOptions = {}): Promise<OnePasswordSandbox> {
  const { host, port, persistFile, latencyMs, clock = Date.now, random = Math.random, ...settings } = options;
  const state = new OnePasswordState({ accountId, clock, random, settings });
  const { url, ...sandbox } = await start(options, state, clientId, clientSecret, (tokens) =>
    onePasswordVendor({ state, tokens, clientId, clientSecret }),
  );
  return { ...sandbox, apiUrl: url, accountId };
}

async function start<State extends Persistable>(
  options: SandboxOptions,
  state: State,
  clientId: string,
  clientSecret: string,
  makeVendor: (tokens: Tokens) => Vendor,
) {
  const { host = "127.0.0.1", port = 0, clock = Date.now, random = Math.random, persistFile, latencyMs = 0 } = options;
  const faults = new Faults(random);
  faults.latencyMs = latencyMs;
  const tokens = new Tokens(clock);
  const requests = new RequestLog();
  const persistence = persistFile === undefined ? undefined : new Persistence(persistFile, state);
  await persistence?.load();
  const flush = async (): Promise<void> => persistence?.flush();
  const { url, close } = await startServer({ host, port, clock, faults, requests, flush, vendor: makeVendor(tokens) });
  return { url, state, clientId, clientSecret, faults, requests, tokens, flush, close };
}

/** A version 4 GUID, lower case as ASP.NET Core writes them. */
function randomGuid(random: () => number): string {
  return "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () => Math.floor(random() * 16).toString(16));
}
