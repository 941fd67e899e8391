import { z } from "zod";
import type { TargetPolicy } from "../domain/model/policy.ts";
import type { Target, TargetEnvironment } from "../domain/ports/target.ts";
import { duration, patterns, secret } from "./fields.ts";
import type { Secret } from "./secret.ts";

/** The keys of a removal limit. */
const guardKeys = {
  percent: z
    .number()
    .min(0)
    .max(100)
    .describe("Share of the people with access that may lose it, 0 to 100. Default 5."),
  atLeast: z.int().min(0).describe("The removal limit is never smaller than this. Default 3."),
  atMost: z.int().min(0).describe("The removal limit is never larger than this. Default 100."),
  window: duration("1s", "365d").describe("The rolling window that the removal limit is for. Default 24h."),
};

/** The keys of the removal limit that one target sets for itself. */
const guardOverride = z
  .strictObject({
    percent: guardKeys.percent.exactOptional(),
    atLeast: guardKeys.atLeast.exactOptional(),
    atMost: guardKeys.atMost.exactOptional(),
    window: guardKeys.window.exactOptional(),
  })
  .transform(({ window, ...rest }) => ({ ...rest, ...(window !== undefined && { windowMs: window }) }));

/** The removal limit of every target that sets no key of its own. */
export const guard = z
  .strictObject({
    percent: guardKeys.percent.default(5),
    atLeast: guardKeys.atLeast.default(3),
    atMost: guardKeys.atMost.default(100),
    window: guardKeys.window.prefault("24h"),
  })
  .transform(({ window, ...rest }) => ({ ...rest, windowMs: window }));

/** Keys that targets of every type have. */
export const targetKeys = {
  clientSecret: secret.describe("Write it as ${ENV} or file:PATH."),
  users: z
    .strictObject({
      groups: patterns.min(1).describe("Members of these directory groups belong in this target: globs with * and ?."),
    })
    .optional()
    .describe("The people who belong in this target. Default everybody."),
  guard: guardOverride.optional().describe("Differences from the general removal limit."),
  allowInsecureHttp: z.boolean().default(false).describe("Allows plain http:// to other machines. Default false."),
  caFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      "PEM file of the authorities that sign the server's certificate; relative to this file. Default: the public ones.",
    ),
};

/** One target of a configuration, in a shape that is the same for every type. `guard` has only the keys that the target sets. */
export interface TargetSection {
  readonly type: string;
  /** Resolved from `region` where one is given. */
  readonly apiUrl: string;
  /** Id of the API key or of the OAuth application. No secret. */
  readonly clientId: string;
  readonly clientSecret: Secret;
  /** The vendor's id of the organization or account that the credentials belong to. */
  readonly account: string;
  /** Page of the vendor where people manage its accounts. Null if there is none, as for an emulator. */
  readonly adminUrl: string | null;
  /** Patterns of directory groups whose members belong here; null: everybody. */
  readonly users: { readonly groups: readonly string[] | null };
  readonly guard?: z.output<typeof guardOverride> | undefined;
  readonly allowInsecureHttp: boolean;
  readonly caFile?: string | undefined;
  /** The part of the policy that depends on the type. */
  readonly policy: OwnPolicy;
  /** Opens the target. It makes no call yet. */
  open(environment: TargetEnvironment): Target;
}

/** The part of a policy that depends on the target's type. */
export type OwnPolicy = Omit<TargetPolicy, "userGroups" | "settleMs" | "driftPolicy" | "removalLimit">;

/** One type of target, as far as the configuration needs it. `src/targets` defines the types. */
export interface TargetType {
  /** The value of the key `type`. */
  readonly type: string;
  /** Reads a section of `targets` with this `type`. */
  readonly config: z.ZodType<TargetSection> & z.core.$ZodTypeDiscriminable;
  /** Keys that say where requests go: `region` and the URLs. */
  readonly placeKeys: readonly string[];
  /** Keys of the credentials that `rollcall connect` asks for; `clientSecret` is one of them. */
  readonly credentialKeys: readonly string[];
}
