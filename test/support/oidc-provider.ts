import { createHash, createSign, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { listen } from "./listen.ts";

/** What the next ID token says otherwise than it should. */
export interface Flaws {
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Signed with a key that the provider does not publish. */
  readonly foreignKey?: true;
}

/** A strict OpenID provider on loopback: the code flow with PKCE and a confidential client, RS256. */
export interface OidcProvider {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Who is signed in there now; the claims of the ID token. */
  person: Readonly<Record<string, unknown>>;
  flaws: Flaws;
  /** Claims that only userinfo tells. */
  userinfo: Readonly<Record<string, unknown>>;
  /** Answers 503 to everything. */
  isDown: boolean;
  /** How often each path was asked for. */
  readonly asked: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

interface Grant {
  readonly redirectUri: string;
  readonly challenge: string;
  readonly nonce: string;
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

function sign(key: KeyObject, kid: string, payload: object): string {
  const text = `${base64url({ alg: "RS256", kid, typ: "JWT" })}.${base64url(payload)}`;
  return `${text}.${createSign("RSA-SHA256").update(text).sign(key, "base64url")}`;
}

/** `redirectUri` is the only one that is registered. */
export async function startOidcProvider(redirectUri: () => string): Promise<OidcProvider> {
  const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const foreign = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const codes = new Map<string, Grant>();
  const accessTokens = new Set<string>();
  const asked = new Map<string, number>();
  const clientId = "rollcall";
  const clientSecret = randomBytes(16).toString("hex");
  const json = (response: ServerResponse, status: number, body: unknown): void =>
    void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));

  const authorize = (query: URLSearchParams, response: ServerResponse): unknown => {
    const ask = Object.fromEntries(query);
    if (ask["client_id"] !== clientId || ask["redirect_uri"] !== redirectUri())
      return json(response, 400, { error: "invalid_request" });
    const wrong =
      ask["response_type"] !== "code" ||
      ask["code_challenge_method"] !== "S256" ||
      !/^[\w-]{43}$/.test(ask["code_challenge"] ?? "") ||
      (ask["state"] ?? "").length < 20 ||
      (ask["nonce"] ?? "").length < 20 ||
      !ask["scope"]?.split(" ").includes("openid");
    const back = new URL(redirectUri());
    back.searchParams.set("state", ask["state"] ?? "");
    if (wrong) back.searchParams.set("error", "invalid_request");
    else {
      const code = randomBytes(16).toString("hex");
      codes.set(code, {
        redirectUri: redirectUri(),
        challenge: ask["code_challenge"] ?? "",
        nonce: ask["nonce"] ?? "",
      });
      back.searchParams.set("code", code);
    }
    return response.writeHead(302, { location: back.href }).end();
  };

  const token = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const expected = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}`;
    if (request.headers.authorization !== expected) return json(response, 401, { error: "invalid_client" });
    const form = new URLSearchParams(await textOf(request));
    const grant = codes.get(form.get("code") ?? "");
    // A code is good once.
    codes.delete(form.get("code") ?? "");
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    if (
      form.get("grant_type") !== "authorization_code" ||
      grant?.redirectUri !== form.get("redirect_uri") ||
      grant?.challenge !== challenge
    )
      return json(response, 400, { error: "invalid_grant" });
    const now = Math.floor(Date.now() / 1000);
    const accessToken = randomBytes(16).toString("hex");
    accessTokens.add(accessToken);
    const claims = {
      iss: provider.issuer,
      aud: clientId,
      iat: now,
      exp: now + 300,
      nonce: grant.nonce,
      ...provider.person,
      ...provider.flaws.claims,
    };
    json(response, 200, {
      access_token: accessToken,
      token_type: "Bearer",
      expires_in: 300,
      id_token: sign(provider.flaws.foreignKey ? foreign.privateKey : keys.privateKey, "k1", claims),
    });
  };

  const server: Server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", provider.issuer);
    asked.set(url.pathname, (asked.get(url.pathname) ?? 0) + 1);
    if (provider.isDown) return json(response, 503, {});
    switch (url.pathname) {
      case "/.well-known/openid-configuration":
        return json(response, 200, {
          issuer: provider.issuer,
          authorization_endpoint: `${provider.issuer}/authorize`,
          token_endpoint: `${provider.issuer}/token`,
          userinfo_endpoint: `${provider.issuer}/userinfo`,
          jwks_uri: `${provider.issuer}/jwks`,
          response_types_supported: ["code"],
          subject_types_supported: ["public"],
          id_token_signing_alg_values_supported: ["RS256"],
          code_challenge_methods_supported: ["S256"],
        });
      case "/jwks":
        return json(response, 200, {
          keys: [{ ...keys.publicKey.export({ format: "jwk" }), kid: "k1", use: "sig", alg: "RS256" }],
        });
      case "/authorize":
        return void authorize(url.searchParams, response);
      case "/token":
        return void token(request, response);
      case "/userinfo": {
        const presented = (request.headers.authorization ?? "").replace("Bearer ", "");
        if (!accessTokens.has(presented)) return json(response, 401, { error: "invalid_token" });
        return json(response, 200, { sub: provider.person["sub"], ...provider.userinfo });
      }
      default:
        return json(response, 404, {});
    }
  });
  const { url: issuer, close } = await listen(server);
  const provider: OidcProvider = {
    issuer,
    clientId,
    clientSecret,
    person: { sub: "u1", email: "ada@example.com", groups: ["staff"] },
    flaws: {},
    userinfo: {},
    isDown: false,
    asked,
    close,
  };
  return provider;
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}
