import * as client from "openid-client";
import { fetch } from "undici";
import { z } from "zod";
import type { Seal } from "../../crypto/seal.ts";
import { messageOf } from "../../domain/model/errors.ts";
import { refuseHost } from "../../net/addresses.ts";
import { createDispatcher } from "../../net/dispatcher.ts";
import { createProviderCallLimit } from "./attempts.ts";
import { ROLES, type Role } from "./role.ts";

/** Settings of sign-in with an identity provider. */
export interface OidcSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scopes: readonly string[];
  /** Name of a claim, or a path with dots: `groups`, `realm_access.roles`. */
  readonly rolesClaim: string;
  /** The values of that claim that give each role. */
  readonly roles: Readonly<Record<Role, readonly string[]>>;
}

/**
 * Returns everything that decides about access and roles, as one text with the secret. Sessions end when it changes,
 * because they contain the role.
 */
export const termsOf = ({ issuer, clientId, clientSecret, rolesClaim, roles }: OidcSettings): string =>
  JSON.stringify([issuer, clientId, clientSecret, rolesClaim, roles.viewer, roles.operator, roles.admin]);

/** A person who signed in at the provider. Role null: none of their groups has a role here. */
export interface OidcPerson {
  readonly name: string;
  readonly role: Role | null;
}

/** The authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0 §3.1). */
export interface Oidc {
  /** Returns the address for the browser, and the cookie that it must send back. @throws Error if the provider cannot be reached */
  start(returnTo: string): Promise<{ readonly url: URL; readonly flow: string }>;
  /**
   * Checks the provider's answer: state, nonce, issuer, audience, times and the signature of the ID token. Calls the
   * provider only for a sign-in that began in this browser, within the limits per address and for all addresses.
   * @throws Error with the reason, which contains no secret. TooManySignIns if the person must wait
   */
  finish(
    query: URLSearchParams,
    flow: string | null,
    address: string,
  ): Promise<OidcPerson & { readonly returnTo: string }>;
}

/** Maximum time for a person to sign in at the provider. */
export const flowLifeMs = 10 * 60_000;
const timeoutSeconds = 10;
/** Time until discovery is tried again after a failure. */
const failureLifeMs = 5000;

const flowShape = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  returnTo: z.string(),
  atMs: z.number(),
});

export interface OidcParts {
  readonly settings: OidcSettings;
  /** Address for browsers. */
  readonly publicUrl: string;
  readonly seal: Seal;
  readonly now: () => number;
}

/** The redirect path that must be registered at the provider. */
export const callbackPath = "/sign-in/oidc/callback";

export function createOidc({ settings, publicUrl, seal, now }: OidcParts): Oidc {
  const redirectUri = `${publicUrl}${callbackPath}`;
  let discovered: Promise<client.Configuration> | null = null;
  let failedAtMs: number | null = null;
  // Discovered at the first sign-in, so that Rollcall starts without the provider. Strangers can cause this call too, so a
  // failure is remembered for a moment.
  const configuration = (): Promise<client.Configuration> => {
    if (failedAtMs !== null && Math.abs(now() - failedAtMs) >= failureLifeMs) [discovered, failedAtMs] = [null, null];
    discovered ??= discover(settings).catch((error: unknown) => {
      failedAtMs = now();
      throw error;
    });
    return discovered;
  };
  const withinLimit = createProviderCallLimit(now);
  return {
    async start(returnTo) {
      const provider = await configuration();
      const flow = {
        state: client.randomState(),
        nonce: client.randomNonce(),
        verifier: client.randomPKCECodeVerifier(),
        returnTo,
        atMs: now(),
      };
      const url = client.buildAuthorizationUrl(provider, {
        redirect_uri: redirectUri,
        scope: settings.scopes.join(" "),
        state: flow.state,
        nonce: flow.nonce,
        code_challenge: await client.calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: "S256",
      });
      return { url, flow: seal.seal(flow) };
    },
    async finish(query, sealed, address) {
      const flow = flowShape.safeParse(sealed === null ? null : seal.open(sealed));
      if (!flow.success || now() - flow.data.atMs > flowLifeMs)
        throw new Error("this sign-in did not begin in this browser, or it began more than ten minutes ago");
      const { returnTo, ...checks } = flow.data;
      const answer = new URL(`${redirectUri}?${query}`);
      const ask = async (): Promise<OidcPerson> => personOf(settings, await configuration(), answer, checks);
      // An answer with another state, or with an error, is refused without a call.
      const isAsked = query.has("code") && query.get("state") === checks.state;
      return { ...(await (isAsked ? withinLimit(address, ask) : ask())), returnTo };
    },
  };
}

/** Exchanges the code and reads the name and the role. */
async function personOf(
  settings: OidcSettings,
  provider: client.Configuration,
  answer: URL,
  { state, nonce, verifier }: { readonly state: string; readonly nonce: string; readonly verifier: string },
): Promise<OidcPerson> {
  const tokens = await client.authorizationCodeGrant(provider, answer, {
    expectedState: state,
    expectedNonce: nonce,
    pkceCodeVerifier: verifier,
    idTokenExpected: true,
  });
  const claims: Record<string, unknown> = { ...tokens.claims() };
  const subject = String(claims["sub"]);
  // Some providers return groups only from the userinfo endpoint.
  if (claimAt(claims, settings.rolesClaim) === undefined && provider.serverMetadata().userinfo_endpoint !== undefined)
    Object.assign(claims, await client.fetchUserInfo(provider, tokens.access_token, subject));
  return {
    name: nameIn(claims) ?? visible(subject),
    role: roleOf(claimAt(claims, settings.rolesClaim), settings.roles),
  };
}

async function discover({ issuer, clientId, clientSecret }: OidcSettings) {
  const post = client.ClientSecretPost(clientSecret);
  const basic = client.ClientSecretBasic(clientSecret);
  // Without a list, basic is the default (OpenID Connect Discovery 1.0 §3).
  const authenticate: client.ClientAuth = (server, ...rest) =>
    (server.token_endpoint_auth_methods_supported?.includes("client_secret_basic") === false ? post : basic)(
      server,
      ...rest,
    );
  return await client.discovery(new URL(issuer), clientId, undefined, authenticate, {
    timeout: timeoutSeconds,
    [client.customFetch]: outwardFetch(),
    // The configuration decides whether plain http is allowed. The signature of the ID token is always checked.
    execute: [client.enableNonRepudiationChecks, ...(issuer.startsWith("http:") ? [client.allowInsecureRequests] : [])],
  });
}

/** The provider names its endpoints. They are checked like every other outgoing URL. */
function outwardFetch(): client.CustomFetch {
  const dispatcher = createDispatcher({ connectMs: timeoutSeconds * 1000 });
  return async (url, options) => {
    const refused = refuseHost(new URL(url).hostname);
    if (refused !== null) throw refused;
    // The same class at run time, but the library expects the global type.
    return (await fetch(url, { ...options, dispatcher } as Parameters<typeof fetch>[1])) as unknown as Response;
  };
}

/** Returns the claim with exactly this name, otherwise the one at the path. */
function claimAt(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

/** Returns the highest role that one of the values gives. */
function roleOf(claim: unknown, roles: OidcSettings["roles"]): Role | null {
  const values = new Set((Array.isArray(claim) ? claim : [claim]).filter((each) => typeof each === "string"));
  return ROLES.findLast((role) => roles[role].some((value) => values.has(value))) ?? null;
}

/**
 * Returns the name for the audit trail. An unverified address may belong to somebody else, so it is not used, also not as
 * the user name. People write `name` themselves, so it must not look like an address. Invisible characters and those that
 * change the direction of text are removed.
 */
function nameIn(claims: Readonly<Record<string, unknown>>): string | null {
  const said = (claim: string): string => {
    const value = claims[claim];
    return typeof value === "string" ? visible(value) : "";
  };
  const [email, username, name] = [said("email"), said("preferred_username"), said("name")];
  // A boolean (OpenID Connect Core 1.0 §5.1); some providers send text.
  const isUnverified = String(claims["email_verified"]) === "false";
  const isAddressAgain = isUnverified && username.toLowerCase() === email.toLowerCase();
  const names = [isUnverified ? "" : email, isAddressAgain ? "" : username, name.includes("@") ? "" : name];
  return names.find((each) => each !== "") ?? null;
}

const visible = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "")
    .trim()
    .slice(0, 200);

/** Returns the reason for the log, without tokens and codes. */
export function describeOidcError(error: unknown): string {
  if (error instanceof client.AuthorizationResponseError || error instanceof client.ResponseBodyError)
    return `the provider answered ${error.error}${error.error_description === undefined ? "" : `: ${error.error_description}`}`.slice(
      0,
      500,
    );
  return messageOf(error).slice(0, 500);
}
