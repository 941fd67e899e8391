import { z } from "zod";
import { across, httpUrl } from "../../config/fields.ts";
import { targetKeys } from "../../config/targets.ts";
import { checkPlace, placeOf, type Region, type UrlField } from "../definition.ts";

export const product = "1Password";

const cloud = <Value extends string>(value: Value) =>
  ({
    value,
    label: `1Password.${value}`,
    domain: `1password.${value}`,
    urls: { apiUrl: `https://api.1password.${value}` },
  }) as const;

export const regions = [cloud("com"), cloud("ca"), cloud("eu")] as const satisfies readonly Region[];

export const ownServer = {
  label: "Another address",
  urls: [{ key: "apiUrl", label: "API URL", placeholder: "https://api.1password.com" }],
} as const satisfies { readonly label: string; readonly urls: readonly UrlField[] };

/** Limits that `check` and the forms tell. */
export const limits = [
  "1Password does not support the Users API on accounts with automated provisioning (SCIM); use one or the other",
];

const takeAccess = z.enum(["suspend", "ignore"]).default("suspend").describe("Default suspend.");

/** A 1Password account. `protect` is lower case. */
export const onePasswordConfig = z
  .strictObject({
    type: z.literal("onepassword"),
    ...targetKeys,
    region: z
      .enum(regions.map(({ value }) => value))
      .optional()
      .describe("1Password.com, .ca or .eu; or apiUrl instead."),
    apiUrl: httpUrl.optional().describe("Base that /v1beta1/accounts/… is appended to."),
    apiVersion: z
      .enum(["auto", "v1", "v1beta1"])
      .default("auto")
      .describe("auto asks for a v1 token first and falls back on 404. Default auto."),
    accountId: z.string().regex(/^[^/:\s]{1,64}$/, "must be the account's id, 26 capital letters and digits"),
    clientId: z.string().min(1),
    onDeactivate: takeAccess,
    onDelete: takeAccess,
    reactivate: z
      .enum(["own", "always", "never"])
      .default("own")
      .describe("own: only people whom Rollcall suspended. Default own."),
    protect: z
      .array(z.string().includes("@", "must be an e-mail address").trim().toLowerCase())
      .default([])
      .describe("E-mail addresses of people who are never suspended. Default none."),
  })
  .check(across((section, report) => checkPlace(section, { product, regions, ownServer }, report)))
  .transform(({ region, apiUrl = "", ...rest }) => ({ ...rest, ...placeOf(regions, region, { apiUrl }) }));
