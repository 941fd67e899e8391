import { z } from "zod";
import { across, checkTransport, httpUrl, listenAddress, type Report, secret } from "./fields.ts";
import { Secret } from "./secret.ts";
import { listenerTls, trustProxy } from "./server.ts";

const claimValues = z.array(z.string().min(1).max(256)).max(200).default([]);

const oidc = z
  .strictObject({
    issuer: z
      .string()
      .refine(isIssuer, "must be an http:// or https:// URL without user, query and fragment")
      .describe(
        "Exactly as the provider writes it, with or without a slash at its end; /.well-known/openid-configuration is below it.",
      ),
    clientId: z.string().min(1),
    clientSecret: secret,
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, "must be a scope: visible ASCII without a space"))
      .default(["openid", "profile", "email"])
      .refine((scopes) => scopes.includes("openid"), "must include openid")
      .describe("Default openid, profile, email. Some providers need one more for groups, such as groups."),
    rolesClaim: z
      .string()
      .min(1)
      .default("groups")
      .describe("The claim with groups or roles, or a path with dots such as realm_access.roles. Default groups."),
    roles: z
      .strictObject({ viewer: claimValues, operator: claimValues, admin: claimValues })
      .refine((roles) => Object.values(roles).flat().length > 0, "must name at least one group")
      .describe("Values of that claim for each role. People without any of them can't sign in."),
    allowInsecureHttp: z.boolean().default(false).describe("Allows an issuer of plain http://. Default false."),
  })
  .check(across((section, report) => checkTransport(section, ["issuer"], report)));

function isIssuer(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null && /^https?:$/.test(url.protocol) && `${url.username}${url.password}${url.search}${url.hash}` === ""
  );
}

/** The admin listener: its address, and the ways to sign in. */
export const admin = (baseDir: string) =>
  z
    .strictObject({
      listen: listenAddress
        .prefault("127.0.0.1:8081")
        .describe("host:port of pages, /api/v1 and /metrics. Default 127.0.0.1:8081."),
      publicUrl: httpUrl
        .optional()
        .describe(
          "The URL that browsers use, e.g. https://rollcall.example.com; with https, cookies are for https only. Default: the one of each request.",
        ),
      allowInsecureHttp: z.boolean().default(false).describe("Allows a publicUrl of plain http://. Default false."),
      token: secret.describe("Signs in to the admin pages and the API with all rights."),
      operatorToken: secret
        .optional()
        .describe("Signs in as operator: may read, sync, approve and reinvite. Default none."),
      viewerToken: secret.optional().describe("Signs in as viewer: may read; enough for /metrics. Default none."),
      trustProxy,
      tls: listenerTls(baseDir).optional(),
      oidc: oidc.optional().describe("People sign in at the identity provider. Needs publicUrl. Default: tokens only."),
    })
    .check(
      across((section, report) => checkTransport(section, ["publicUrl"], report)),
      across(checkOidc),
      across(checkDistinct),
    )
    .transform(({ publicUrl, tls, operatorToken, viewerToken, oidc: provider, allowInsecureHttp: _, ...rest }) => ({
      ...rest,
      publicUrl: publicUrl ?? null,
      operatorToken: operatorToken ?? null,
      viewerToken: viewerToken ?? null,
      tls: tls ?? null,
      oidc: provider ?? null,
    }));

function checkOidc({ oidc: provider, publicUrl }: Readonly<Record<string, unknown>>, report: Report): void {
  if (provider === undefined || publicUrl === undefined) {
    if (provider !== undefined) report(["publicUrl"], "is needed for oidc: the provider sends people back to it");
    return;
  }
  const url = typeof publicUrl === "string" ? URL.parse(publicUrl) : null;
  if (url !== null && url.pathname !== "/") report(["publicUrl"], "must have no path: the pages are at its root");
}

/** Reports one token for two roles, which is a mistake. */
function checkDistinct(section: Readonly<Record<string, unknown>>, report: Report): void {
  const seen = new Map<string, string>();
  for (const key of ["token", "operatorToken", "viewerToken"]) {
    const value = section[key];
    if (!(value instanceof Secret)) continue;
    const text = value.reveal();
    const other = seen.get(text);
    if (other !== undefined) report([key], `is the same as ${other}: each role needs its own`);
    seen.set(text, key);
  }
}
