import { ldapSourceOf } from "./ldap.ts";
import type { ConnectorConfig, DirectoryName, Warn } from "./read.ts";

export interface Converted {
  /** A configuration of Rollcall as its file has it; references in place of secrets. */
  readonly config: object;
  readonly warnings: readonly { readonly setting: string; readonly message: string }[];
  /** Environment variables that the configuration refers to. */
  readonly variables: readonly string[];
}

const names: Readonly<Record<DirectoryName, string>> = {
  ldap: "directory",
  entra: "entra",
  gsuite: "google",
  okta: "okta",
  onelogin: "onelogin",
};

/** The configuration of Rollcall that does what this one of Directory Connector did, as far as there is one. */
export function convertConnectorConfig(from: ConnectorConfig, preset: string | null): Converted {
  const warnings: { readonly setting: string; readonly message: string }[] = [];
  const warn: Warn = (setting, message) => warnings.push({ setting, message });
  if (from.hasClearSecret)
    warn(
      "secret",
      "data.json holds the directory's secret in clear text; it is not copied: give it in the variable, and delete the file when you are done",
    );
  const source = from.ldap === null ? scimSourceOf(from, warn) : ldapSourceOf(from.ldap, from.sync, preset, warn);
  const config = {
    server: { listen: "127.0.0.1:8080" },
    admin: { listen: "127.0.0.1:8081", token: "${ROLLCALL_ADMIN_TOKEN}" },
    store: "sqlite:./data/rollcall.db",
    sources: { [names[from.directory]]: source },
    targets: { bitwarden: bitwardenTargetOf(from, warn) },
  };
  const variables = [...new Set([...JSON.stringify(config).matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name ?? ""))];
  return { config, warnings, variables };
}

const pushGuides: Readonly<Record<Exclude<DirectoryName, "ldap">, string>> = {
  entra:
    "Microsoft Entra ID pushes over SCIM (docs/guides/entra-id.md). Its app registration for Directory Connector is not needed any more. The address was mail, or the user principal name where mail was missing or ended in onmicrosoft.com: map emails the same way",
  gsuite: "Google Workspace pushes over SCIM (docs/guides/google-workspace.md), people only: it sends no groups",
  okta: "Okta pushes over SCIM (docs/guides/okta.md); its API token for Directory Connector is not needed any more",
  onelogin:
    "OneLogin pushes over SCIM (docs/guides/onelogin.md); what Directory Connector made groups of were its roles",
};

/** Rollcall asks no cloud directory: they push, and what Directory Connector filtered is assigned there. */
function scimSourceOf({ directory, sync }: ConnectorConfig, warn: Warn): object {
  if (directory === "ldap") return {};
  warn("directoryType", `${pushGuides[directory]}.`);
  if (sync.userFilter !== null)
    warn(
      "sync.userFilter",
      `"${sync.userFilter}" has no equivalent: assign exactly these people or groups to the app there`,
    );
  if (sync.users === false) warn("sync.users", "was off; people always come with their groups here");
  if (sync.useEmailPrefixSuffix === true)
    warn("sync.useEmailPrefixSuffix", "has no equivalent: map an address to emails in the identity provider");
  return { type: "scim", token: "${ROLLCALL_SCIM_TOKEN}" };
}

function bitwardenTargetOf(from: ConnectorConfig, warn: Warn): object {
  const { sync, organizationId } = from;
  if (organizationId === null)
    warn("organizationId", "is missing: put the client_id of the organization's API key in targets.bitwarden.clientId");
  if (sync.overwriteExisting === true)
    warn(
      "sync.overwriteExisting",
      "has no equivalent: Rollcall never removes members whom the directory has not named to it. Remove those who are too many by hand",
    );
  if (sync.inviteUsersAfterProvisioning === false)
    warn(
      "sync.inviteUsersAfterProvisioning",
      "was off; Bitwarden mails an invitation to everybody whom Rollcall adds. Who is a member already gets none",
    );
  if (sync.largeImport === true) warn("sync.largeImport", "is not needed: there is no limit to split at");
  warn(
    "removals",
    "Directory Connector removed people; Rollcall revokes them, which can be undone (onDelete: remove is as before). At most a budget of them a day: see guard",
  );
  return {
    type: "bitwarden",
    ...serverOf(from, warn),
    clientId: `organization.${organizationId ?? "00000000-0000-0000-0000-000000000000"}`,
    clientSecret: "${BW_CLIENT_SECRET}",
    ...scopeOf(from, warn),
    ...deactivationOf(from, warn),
  };
}

/** `removeDisabled` off let disabled people keep their access: nobody loses it by the move alone. */
function deactivationOf({ sync }: ConnectorConfig, warn: Warn): object {
  if (sync.removeDisabled === true) return { onDeactivate: "revoke" };
  warn(
    "sync.removeDisabled",
    'was off: people disabled in the directory kept their access, and keep it with onDeactivate: ignore. "revoke", the default, takes it away',
  );
  return { onDeactivate: "ignore" };
}

const clouds: Readonly<Record<string, string>> = {
  "bitwarden.com": "us",
  "vault.bitwarden.com": "us",
  "api.bitwarden.com": "us",
  "bitwarden.eu": "eu",
  "vault.bitwarden.eu": "eu",
  "api.bitwarden.eu": "eu",
};

function serverOf({ urls }: ConnectorConfig, warn: Warn): object {
  const { base, api, identity } = urls;
  const given = api ?? base;
  if (given === null) return { region: "us" };
  const url = URL.parse(/^https?:\/\//i.test(given) ? given : `https://${given}`);
  const region = clouds[url?.hostname ?? ""];
  if (region !== undefined) return { region };
  const own = base?.replace(/\/+$/, "");
  const apiUrl = api ?? `${own}/api`;
  const identityUrl = identity ?? (own === undefined ? null : `${own}/identity`);
  if (identityUrl === null)
    warn("environmentUrls", "names an API but no identity server: put it in targets.bitwarden.identityUrl");
  const isPlain = /^http:/i.test(apiUrl) && !/^http:\/\/(localhost|127\.|\[::1\])/i.test(apiUrl);
  if (isPlain)
    warn("environmentUrls", "is plain http: Rollcall refuses to send the organization's key over it; use https");
  return { apiUrl, identityUrl: identityUrl ?? "https://identity.example.com" };
}

/** Which groups are pushed, whose members belong here, and by which name a group that is there already is found. */
function scopeOf({ directory, ldap, sync }: ConnectorConfig, warn: Warn): object {
  if (sync.groups !== true) return directory === "ldap" ? {} : { groups: { exclude: ["*"] } };
  // The object GUID is what both write for groups and people of Active Directory; everywhere else ids are others.
  const isSameId = ldap?.ad === true;
  const takeOver = isSameId ? {} : { takeOver: ["*"] };
  if (!isSameId)
    warn(
      "external ids",
      "people are found by their address and groups by their name, once, and get Rollcall's ids then: nobody is invited again. Remove groups.takeOver after the first sync",
    );
  const set = directory === "ldap" ? null : groupSetOf(sync.groupFilter, warn);
  if (set === null) return isSameId ? {} : { groups: takeOver };
  if (set.kind === "include") return { users: { groups: set.names }, groups: { include: set.names, ...takeOver } };
  warn(
    "sync.groupFilter",
    "also kept out people who were in none of the other groups: assign only those groups in the identity provider",
  );
  return { groups: { exclude: set.names, ...takeOver } };
}

interface GroupSet {
  readonly kind: "include" | "exclude";
  readonly names: readonly string[];
}

/** `include:A,B` or `exclude:A,B`, then perhaps `|query` (libs/services/baseDirectory.service.ts). */
function groupSetOf(filter: string | null, warn: Warn): GroupSet | null {
  if (filter === null) return null;
  const [first = "", query = ""] = filter.split("|");
  if (query.trim() !== "")
    warn(
      "sync.groupFilter",
      `"${query.trim()}" is a query of that directory and has no equivalent: assign groups there`,
    );
  const [, keyword = "", list = ""] = /^\s*(\w+)\s*:([^:]*)$/.exec(first) ?? [];
  const kind = keyword.toLowerCase();
  const listed = list
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  if ((kind === "include" || kind === "exclude") && listed.length > 0) return { kind, names: listed };
  if (first.trim() !== "")
    warn(
      "sync.groupFilter",
      `"${first.trim()}" has no equivalent: assign exactly these groups in the identity provider`,
    );
  return null;
}
