import { z } from "zod";
import { across, durationOrNever, httpUrl, patterns } from "../../config/fields.ts";
import { targetKeys } from "../../config/targets.ts";
import { checkPlace, cloudOf, placeOf, type Region, type UrlField } from "../definition.ts";

export const product = "Bitwarden";

const cloud = <Value extends string>(value: Value, label: string, domain: string) =>
  ({
    value,
    label,
    domain,
    urls: { apiUrl: `https://api.${domain}`, identityUrl: `https://identity.${domain}` },
  }) as const;

export const regions = [
  cloud("us", "US cloud (vault.bitwarden.com)", "bitwarden.com"),
  cloud("eu", "EU cloud (vault.bitwarden.eu)", "bitwarden.eu"),
] as const satisfies readonly Region[];

export const ownServer = {
  label: "Self-hosted server, or Vaultwarden",
  urls: [
    { key: "apiUrl", label: "API URL", placeholder: "https://vault.example.com/api" },
    {
      key: "identityUrl",
      label: "Identity URL",
      help: "Of the same server as the API URL.",
      placeholder: "https://vault.example.com/identity",
      suggest: (apiUrl: string) => apiUrl.replace(/\/api\/*$/, "/identity"),
    },
  ],
} as const satisfies { readonly label: string; readonly urls: readonly UrlField[] };

/**
 * Writes to the cloud, below its limits of 5 a second and 60 a minute per path (`src/Api/appsettings.json` of
 * bitwarden/server 2026.8.0).
 */
const cloudRateLimit = { perSecond: 4, perMinutePerPath: 55 };

/** Limits that `check` and the forms tell. */
export const limits = [
  "Bitwarden's organization key acts as an owner and cannot be narrowed; keep it as safe as an owner's password",
];

const guid = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
export const clientId = z
  .string()
  .regex(
    new RegExp(`^organization\\.${guid}$`),
    "must be organization.<guid>, the client_id of the organization's API key",
  );

const takeAccess = z.enum(["revoke", "remove", "ignore"]).default("revoke");

/** A Bitwarden organization. Null limits mean no limit. */
export const bitwardenConfig = z
  .strictObject({
    type: z.literal("bitwarden"),
    ...targetKeys,
    region: z
      .enum(regions.map(({ value }) => value))
      .optional()
      .describe("Bitwarden's cloud; self-hosted servers set apiUrl and identityUrl instead."),
    apiUrl: httpUrl.optional().describe("Base that /public/members is appended to."),
    identityUrl: httpUrl.optional().describe("Base that /connect/token is appended to."),
    clientId,
    groups: z
      .strictObject({
        include: patterns.default(["*"]).describe("Directory groups that are pushed. Default all."),
        exclude: patterns
          .default([])
          .describe("Directory groups that are not pushed, even if include names them. Default none."),
        takeOver: patterns
          .default([])
          .describe(
            "Directory groups that may adopt a Bitwarden group of the same name that has the external id of another system. Set it while you move from Directory Connector or Bitwarden's SCIM. Default none.",
          ),
      })
      .prefault({}),
    onDeactivate: takeAccess.describe(
      "What happens to a member who is deactivated or leaves the scope. Default revoke.",
    ),
    onDelete: takeAccess.describe("What happens to a member who is deleted from the directory. Default revoke."),
    removeAfter: durationOrNever
      .prefault("never")
      .describe("Removes members who have been revoked and absent for this time. Default never."),
    protect: z
      .array(z.enum(["owner", "admin"]))
      .default(["owner"])
      .describe("Roles that are never taken away. Default [owner]."),
    maxSeats: z
      .int()
      .min(1)
      .optional()
      .describe("Maximum members with a seat. Further invitations are held. Default no limit."),
    rateLimit: z
      .strictObject({
        perSecond: z.number().positive().max(10_000).optional(),
        perMinutePerPath: z.number().positive().max(1_000_000).optional(),
      })
      .prefault({})
      .describe("Writes. Default 4 and 55 for Bitwarden's cloud, no limit for self-hosted servers."),
  })
  .check(across((section, report) => checkPlace(section, { product, regions, ownServer }, report)))
  .transform(({ region, removeAfter, maxSeats, rateLimit, apiUrl = "", identityUrl = "", ...rest }) => {
    const urls = placeOf(regions, region, { apiUrl, identityUrl });
    const limits = cloudOf(regions, urls.apiUrl) === null ? {} : cloudRateLimit;
    const { perSecond = null, perMinutePerPath = null } = { ...limits, ...rateLimit };
    return {
      ...rest,
      ...urls,
      removeAfterMs: removeAfter,
      maxSeats: maxSeats ?? null,
      rateLimit: { perSecond, perMinutePerPath },
    };
  });
export type BitwardenConfig = z.output<typeof bitwardenConfig>;
