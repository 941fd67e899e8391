import * as client from "openid-client";
import { fetch } from "undici";
import { z } from "zod";
import type { Seal } from "../../crypto/seal.ts";
import { messageOf } from "../../domain/model/errors.ts";
import { refuseHost } from "../../net/addresses.ts";
import { createDispatcher } from "../../net/dispatcher.ts";
import { createProviderCallLimit } from "./attempts.ts";
import { ROLES, type Role } from "./role.ts";

/** How people sign in with an identity provider. */
export interface OidcSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scopes: readonly string[];
  /** A claim, or a path into one with dots: `groups`, `realm_access.roles`. */
  readonly rolesClaim: string;
  /** Values of that claim that give each role. */
  readonly roles: Readonly<Record<Role, readonly string[]>>;
}

/**
 * All that decides who is let in as what, as one text; it holds the secret. A role is sealed into the session: when a group
 * is taken out of `roles`, that must not have to wait until the session ends.
 */
export const termsOf = ({ issuer, clientId, clientSecret, rolesClaim, roles }: OidcSettings): string =>
  JSON.stringify([issuer, clientId, clientSecret, rolesClaim, roles.viewer, roles.operator, roles.admin]);

/** Somebody the provider vouches for; role null: none of their groups has one here. */
export interface OidcPerson {
  readonly name: string;
  readonly role: Role | null;
}

/** The authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0 §3.1). */
export interface Oidc {
  /** Where to send the browser, and what it must bring back in a cookie. @throws Error when the provider can't be reached */
  start(returnTo: string): Promise<{ readonly url: URL; readonly flow: string }>;
  /**
   * What the provider answered, checked: state, nonce, issuer, audience, times and the ID token's signature.
   * The provider is asked only about a sign-in that was begun in that browser, and so often from that address and from all.
   * @throws Error with what is wrong; nothing of it is secret. TooManySignIns when it has to wait
   */
  finish(
    query: URLSearchParams,
    flow: string | null,
    address: string,
  ): Promise<OidcPerson & { readonly returnTo: string }>;
}

/** Somebody who takes longer to sign in there begins anew. */
export const flowLifeMs = 10 * 60_000;
const timeoutSeconds = 10;
/** How long it is believed that the provider can't be asked how it is to be used. */
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
  /** What browsers reach. */
  readonly publicUrl: string;
  readonly seal: Seal;
  readonly now: () => number;
}

/** The path that has to be registered at the provider. */
export const callbackPath = "/sign-in/oidc/callback";

export function createOidc({ settings, publicUrl, seal, now }: OidcParts): Oidc {
  const redirectUri = `${publicUrl}${callbackPath}`;
  let discovered: Promise<client.Configuration> | null = null;
  let failedAtMs: number | null = null;
  // Asked for once somebody wants to sign in: Rollcall starts without the provider. Whoever reaches the page can have it
  // asked for, so a failure is the answer for a moment.
  const configuration = (): Promise<client.Configuration> => {
    if (failedAtMs !== null && Math.abs(now() - failedAtMs) >= failureLifeMs) [discovered, failedAtMs] = [null, null];
    discovered ??= discover(settings).catch((error: unknown) => {
      failedAtMs = now();
      throw error;
    });
    return discovered;
  };
  const calls = createProviderCallLimit(now);
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
        throw new Error("this sign-in was not begun in this browser, or more than ten minutes ago");
      const { returnTo, ...checks } = flow.data;
      const ask = async (): Promise<OidcPerson> => personOf(settings, await configuration(), answerAt(query), checks);
      // What has another state, or tells of an error, is refused without a call.
      const isAsked = query.has("code") && query.get("state") === checks.state;
      return { ...(await (isAsked ? calls.within(address, ask) : ask())), returnTo };
    },
  };

  function answerAt(query: URLSearchParams): URL {
    const answer = new URL(redirectUri);
    answer.search = query.toString();
    return answer;
  }
}

/** Exchanges the code, and reads who that is. */
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
  // Some providers tell groups only there.
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
  // Without a list it is basic (OpenID Connect Discovery 1.0 §3).
  const authenticate: client.ClientAuth = (server, ...rest) =>
    (server.token_endpoint_auth_methods_supported?.includes("client_secret_basic") === false ? post : basic)(
      server,
      ...rest,
    );
  return await client.discovery(new URL(issuer), clientId, undefined, authenticate, {
    timeout: timeoutSeconds,
    [client.customFetch]: outwardFetch(),
    // Plain http gets here only where the configuration allows it. The ID token's signature is checked too, not only the TLS that it came over.
    execute: [client.enableNonRepudiationChecks, ...(issuer.startsWith("http:") ? [client.allowInsecureRequests] : [])],
  });
}

/** The endpoints are the provider's word: they lead no further than any other URL that this process is given. */
function outwardFetch(): client.CustomFetch {
  const dispatcher = createDispatcher({ connectMs: timeoutSeconds * 1000 });
  return async (url, options) => {
    const refused = refuseHost(new URL(url).hostname);
    if (refused !== null) throw refused;
    // The same class, but the library's types know it by its global name.
    return (await fetch(url, { ...options, dispatcher } as Parameters<typeof fetch>[1])) as unknown as Response;
  };
}

/** The claim of that very name, else the one that the dots lead to. */
function claimAt(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

/** The highest role that any of the values gives. */
function roleOf(claim: unknown, roles: OidcSettings["roles"]): Role | null {
  const values = new Set((Array.isArray(claim) ? claim : [claim]).filter((each) => typeof each === "string"));
  return ROLES.findLast((role) => roles[role].some((value) => values.has(value))) ?? null;
}

/**
 * An unverified address could be somebody else's: then another name is used, but for one that is that address again. `name`
 * is what people write into their profile: no address is taken from there. Without what is not seen, or turns text around:
 * it names people in the audit trail.
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

/** What went wrong, for the log: never a token or a code. */
export function describeOidcError(error: unknown): string {
  if (error instanceof client.AuthorizationResponseError || error instanceof client.ResponseBodyError)
    return `the provider answered ${error.error}${error.error_description === undefined ? "" : `: ${error.error_description}`}`.slice(
      0,
      500,
    );
  return messageOf(error).slice(0, 500);
}
