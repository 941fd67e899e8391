import type { z } from "zod";
import { checkTransport, type Report } from "../config/fields.ts";
import type { OwnPolicy, TargetSection, TargetType } from "../config/targets.ts";
import type { TargetSupports } from "../domain/model/account.ts";
import type { Target, TargetEnvironment } from "../domain/ports/target.ts";
import type { ProductWords } from "../text/changes.ts";

/** One cloud of a vendor. */
export interface Region<UrlKey extends string = string> {
  readonly value: string;
  readonly label: string;
  /** This domain and the names below it belong to the cloud. */
  readonly domain: string;
  readonly urls: Readonly<Record<UrlKey, string>>;
}

/** A key that people fill in when they connect a target: in the console's form, at a prompt, as an option of `connect`. */
export interface InputField<Key extends string = string> {
  readonly key: Key;
  readonly label: string;
  readonly help?: string;
  readonly placeholder?: string;
}

/** One URL of a server that is none of the vendor's clouds. */
export interface UrlField<Key extends string = string> extends InputField<Key> {
  /** Returns what this URL probably is, given `apiUrl`. */
  readonly suggest?: (apiUrl: string) => string;
}

export interface CredentialField extends InputField {
  readonly isSecret?: true;
  /** Form of the text. Default: any text that is not empty. */
  readonly form?: z.ZodType<string, string>;
}

/** Facts about a type of target: texts for people, and the fields to connect one. */
export interface TargetFacts<UrlKey extends string = string> extends ProductWords {
  /** The value of the key `type`, and of `type` in JSON. */
  readonly type: string;
  /** Noun for the thing that credentials belong to: "organization", "account". */
  readonly accountNoun: string;
  readonly regions: readonly Region<UrlKey>[];
  /** The choice of a server that is in no region. `apiUrl` is the first of its URLs. */
  readonly ownServer: { readonly label: string; readonly urls: readonly UrlField<UrlKey>[] };
  /** In the order in which they are asked for. `clientId` and `clientSecret` are among them. */
  readonly credentials: readonly CredentialField[];
  readonly abilities: TargetSupports;
  /** Limits of the API or of its credentials that everybody must know. `check` reports each as a warning. */
  readonly limits: readonly string[];
  readonly setup: {
    /** Which plan and which role are needed. */
    readonly requires: string;
    /** How to get the credentials, one step each. */
    readonly steps: readonly string[];
    /** How to end the credentials at the vendor. */
    readonly revoke: string;
    /** The steps after a leak. */
    readonly afterLeak: string;
  };
}

/** One type of target. Code outside of its folder knows nothing else about it. */
export interface TargetDefinition extends TargetFacts, TargetType {}

/** A section as the schema of its type gives it, before `defineTarget` adds the keys of all targets. */
type OwnSection = Omit<TargetSection, "account" | "adminUrl" | "users" | "policy" | "open"> & {
  readonly users?: { readonly groups: readonly string[] } | undefined;
};

interface TargetParts<Own extends OwnSection, UrlKey extends string> extends TargetFacts<UrlKey> {
  /** Schema of the section, `targetKeys` included. */
  readonly config: z.ZodType<Own> & z.core.$ZodTypeDiscriminable;
  policyOf(own: Own): OwnPolicy;
  /** The vendor's id of the organization or account. */
  accountOf(own: Own): string;
  adminUrlOf(own: Own): string | null;
  /** `cloudDomains` are those of the regions. */
  create(own: Own, environment: TargetEnvironment & { readonly cloudDomains: readonly string[] }): Target;
}

/** Makes a definition. The functions see the section as the type's own schema gives it. */
export function defineTarget<Own extends OwnSection, UrlKey extends string>({
  config,
  policyOf,
  accountOf,
  adminUrlOf,
  create,
  ...facts
}: TargetParts<Own, UrlKey>): TargetDefinition {
  const cloudDomains = facts.regions.map(({ domain }) => domain);
  return {
    ...facts,
    placeKeys: ["region", ...facts.ownServer.urls.map(({ key }) => key)],
    credentialKeys: facts.credentials.map(({ key }) => key),
    config: config.transform((own) => ({
      ...own,
      users: { groups: own.users?.groups ?? null },
      account: accountOf(own),
      adminUrl: adminUrlOf(own),
      policy: policyOf(own),
      open: (environment) => create(own, { ...environment, cloudDomains }),
    })),
  };
}

/** The URLs of the region, or those that the section gives. */
export const placeOf = <UrlKey extends string>(
  regions: readonly Region<UrlKey>[],
  region: string | undefined,
  own: Readonly<Record<UrlKey, string>>,
): Readonly<Record<UrlKey, string>> => regions.find(({ value }) => value === region)?.urls ?? own;

/** The cloud that the URL belongs to. Null for any other server. */
export function cloudOf<UrlKey extends string>(regions: readonly Region<UrlKey>[], url: string): Region<UrlKey> | null {
  const host = URL.parse(url)?.hostname ?? "";
  return regions.find(({ domain }) => host === domain || host.endsWith(`.${domain}`)) ?? null;
}

/** Reports a section that says in two ways where requests go, or in none, and URLs that send secrets in the clear. */
export function checkPlace(
  section: Readonly<Record<string, unknown>>,
  { regions, ownServer, product }: Pick<TargetFacts, "regions" | "ownServer" | "product">,
  report: Report,
): void {
  const keys = ownServer.urls.map(({ key }) => key);
  const missing = keys.filter((key) => section[key] === undefined);
  const both = keys.join(" and ");
  if (section["region"] !== undefined && missing.length < keys.length)
    report(["region"], `cannot stand beside ${keys.join(" or ")}: keep one or the other`);
  else if (section["region"] === undefined && missing.length === keys.length)
    report(["region"], `is missing: ${oneOf(regions.map(({ value }) => value))}, or ${both} instead`);
  else if (section["region"] === undefined && missing.length > 0)
    for (const key of missing) report([key], `is missing: ${both} go together`);
  else {
    const [first = "", ...others] = keys;
    const domainOf = (key: string) => cloudOf(regions, String(section[key]))?.domain;
    for (const key of others)
      if (typeof section[first] === "string" && typeof section[key] === "string" && domainOf(first) !== domainOf(key))
        report([key], `belongs to another ${product} cloud or server than ${first}`);
  }
  checkTransport(section, keys, report);
}

/** "us or eu", "com, ca or eu". */
const oneOf = (values: readonly string[]): string => values.join(", ").replace(/, (?=[^,]*$)/, " or ");
