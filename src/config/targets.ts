import { z } from "zod";
import { across, checkTransport, duration, durationOrNever, httpUrl, patterns, type Report, secret } from "./fields.ts";

/** The keys of a removal budget; each may be missing in a target. */
const guardKeys = {
  percent: z
    .number()
    .min(0)
    .max(100)
    .describe("Share of the people with access that may lose it, 0 to 100. Default 5."),
  atLeast: z.int().min(0).describe("The budget is never smaller than this. Default 3."),
  atMost: z.int().min(0).describe("The budget is never larger than this. Default 100."),
  window: duration("1s", "365d").describe("The rolling window that the budget is for. Default 24h."),
};
/** The removal budget of a target, as far as it differs from the general one. */
export const guardOverride = z
  .strictObject(guardKeys)
  .partial()
  .transform(({ window, ...rest }) => ({ ...rest, ...(window === undefined ? {} : { windowMs: window }) }));

/** The removal budget of every target that does not say otherwise. */
export const guard = z
  .strictObject({
    percent: guardKeys.percent.default(5),
    atLeast: guardKeys.atLeast.default(3),
    atMost: guardKeys.atMost.default(100),
    window: guardKeys.window.prefault("24h"),
  })
  .transform(({ window, ...rest }) => ({ ...rest, windowMs: window }));

/** What targets of every type have. */
const commonKeys = {
  clientSecret: secret.describe("Write it as ${ENV} or file:PATH."),
  users: z
    .strictObject({
      groups: patterns.min(1).describe("Members of these directory groups belong here: globs with * and ?."),
    })
    .optional()
    .describe("Who belongs in this target. Default everybody."),
  guard: guardOverride.optional().describe("Differences from the general removal budget."),
  allowInsecureHttp: z.boolean().default(false).describe("Allows plain http:// to other machines. Default false."),
  caFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      "PEM file of the authorities that sign the server's certificate; relative to this file. Default: the public ones.",
    ),
};

const BITWARDEN_CLOUD = {
  us: { apiUrl: "https://api.bitwarden.com", identityUrl: "https://identity.bitwarden.com" },
  eu: { apiUrl: "https://api.bitwarden.eu", identityUrl: "https://identity.bitwarden.eu" },
} as const;

/** Below the cloud's 5 a second and 60 a minute (contract sheet of the Bitwarden Public API, §8). */
const CLOUD_RATE_LIMIT = { perSecond: 4, perMinutePerPath: 55 };

const GUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
const whenGone = z.enum(["revoke", "remove", "ignore"]).default("revoke");

/** A Bitwarden organization, reached by its Public API. */
export const bitwarden = z
  .strictObject({
    type: z.literal("bitwarden"),
    ...commonKeys,
    region: z
      .enum(["us", "eu"])
      .optional()
      .describe("Bitwarden's cloud; self-hosted servers set apiUrl and identityUrl instead."),
    apiUrl: httpUrl.optional().describe("Base that /public/members is appended to."),
    identityUrl: httpUrl.optional().describe("Base that /connect/token is appended to."),
    clientId: z
      .string()
      .regex(
        new RegExp(`^organization\\.${GUID}$`),
        "must be organization.<guid>, the client_id of the organization's API key",
      ),
    groups: z
      .strictObject({
        include: patterns.default(["*"]).describe("Directory groups that are pushed. Default all."),
        exclude: patterns.default([]).describe("Directory groups that are not, although included. Default none."),
        takeOver: patterns
          .default([])
          .describe(
            "Directory groups that take over a group of their name although another system's external id is on it: set it when moving from Directory Connector or Bitwarden's SCIM, and remove it afterwards. Default none.",
          ),
      })
      .prefault({}),
    onDeactivate: whenGone.describe("What happens to a member who is deactivated or leaves the scope. Default revoke."),
    onDelete: whenGone.describe("What happens to a member who is deleted from the directory. Default revoke."),
    removeAfter: durationOrNever
      .prefault("never")
      .describe("Removes members who have been revoked and absent that long. Default never."),
    protect: z
      .array(z.enum(["owner", "admin"]))
      .default(["owner"])
      .describe("Roles that are never taken away. Default [owner]."),
    maxSeats: z.int().min(1).optional().describe("Invitations beyond are held. Default no limit."),
    rateLimit: z
      .strictObject({
        perSecond: z.number().positive().max(10_000).optional(),
        perMinutePerPath: z.number().positive().max(1_000_000).optional(),
      })
      .prefault({})
      .describe("Writes. Default 4 and 55 for Bitwarden's cloud, no limit for self-hosted servers."),
  })
  .check(across(checkBitwarden))
  .transform(({ region, removeAfter, ...rest }) => {
    const urls =
      region === undefined
        ? { apiUrl: rest.apiUrl ?? "", identityUrl: rest.identityUrl ?? "" }
        : BITWARDEN_CLOUD[region];
    const limits = bitwardenCloud(urls.apiUrl) === null ? {} : CLOUD_RATE_LIMIT;
    const { perSecond = null, perMinutePerPath = null } = { ...limits, ...rest.rateLimit };
    return {
      ...rest,
      ...urls,
      removeAfterMs: removeAfter,
      users: { groups: rest.users?.groups ?? null },
      maxSeats: rest.maxSeats ?? null,
      rateLimit: { perSecond, perMinutePerPath },
    };
  });

function checkBitwarden(section: Readonly<Record<string, unknown>>, report: Report): void {
  const { region, apiUrl, identityUrl } = section;
  const count = Number(apiUrl !== undefined) + Number(identityUrl !== undefined);
  if (region !== undefined && count > 0)
    report(["region"], "cannot stand beside apiUrl or identityUrl: keep one or the other");
  else if (region === undefined && count === 0)
    report(["region"], "is missing: us or eu, or apiUrl and identityUrl instead");
  else if (count === 1)
    report([apiUrl === undefined ? "apiUrl" : "identityUrl"], "is missing: apiUrl and identityUrl go together");
  else if (
    typeof apiUrl === "string" &&
    typeof identityUrl === "string" &&
    bitwardenCloud(apiUrl) !== bitwardenCloud(identityUrl)
  ) {
    report(["identityUrl"], "belongs to another Bitwarden cloud or server than apiUrl");
  }
  checkTransport(section, ["apiUrl", "identityUrl"], report);
}

/** `bitwarden.com`, `bitwarden.eu`, or null for a server of one's own. */
function bitwardenCloud(url: string): string | null {
  const host = URL.parse(url)?.hostname ?? "";
  return /(?:^|\.)(bitwarden\.(?:com|eu))$/.exec(host)?.[1] ?? null;
}

/** A 1Password account, reached by the Users API for Partners. */
export const onePassword = z
  .strictObject({
    type: z.literal("onepassword"),
    ...commonKeys,
    region: z.enum(["com", "ca", "eu"]).optional().describe("1Password.com, .ca or .eu; or apiUrl instead."),
    apiUrl: httpUrl.optional().describe("Base that /v1beta1/accounts/… is appended to."),
    apiVersion: z
      .enum(["auto", "v1", "v1beta1"])
      .default("auto")
      .describe("auto asks for a v1 token first and falls back on 404. Default auto."),
    accountId: z.string().regex(/^[^/:\s]{1,64}$/, "must be the account's id, 26 capital letters and digits"),
    clientId: z.string().min(1),
    onDeactivate: z.enum(["suspend", "ignore"]).default("suspend").describe("Default suspend."),
    onDelete: z.enum(["suspend", "ignore"]).default("suspend").describe("Default suspend."),
    reactivate: z
      .enum(["own", "always", "never"])
      .default("own")
      .describe("own: only people whom Rollcall suspended. Default own."),
    protect: z
      .array(z.string().includes("@", "must be an e-mail address").trim().toLowerCase())
      .default([])
      .describe("E-mail addresses of people who are never suspended. Default none."),
  })
  .check(across(checkOnePassword))
  .transform(({ region, ...rest }) => ({
    ...rest,
    apiUrl: rest.apiUrl ?? `https://api.1password.${region}`,
    users: { groups: rest.users?.groups ?? null },
  }));

function checkOnePassword(section: Readonly<Record<string, unknown>>, report: Report): void {
  const { region, apiUrl } = section;
  if (region !== undefined && apiUrl !== undefined)
    report(["region"], "cannot stand beside apiUrl: keep one or the other");
  if (region === undefined && apiUrl === undefined) report(["region"], "is missing: com, ca or eu, or apiUrl instead");
  checkTransport(section, ["apiUrl"], report);
}
