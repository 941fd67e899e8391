import { ldapSourceOf } from "./ldap.ts";
import type { ConnectorConfig, Warn } from "./read.ts";

export interface Converted {
  /** A configuration of Rollcall as in its file, with references instead of secrets. */
  readonly config: object;
  readonly warnings: readonly { readonly setting: string; readonly message: string }[];
  /** Environment variables that the configuration refers to. */
  readonly variables: readonly string[];
}

const sourceNames: Readonly<Record<ConnectorConfig["directory"], string>> = {
  ldap: "directory",
  entra: "entra",
  gsuite: "google",
  okta: "okta",
  onelogin: "onelogin",
};

/** Converts a configuration of Directory Connector as far as Rollcall has equivalents. */
export function convertConnectorConfig(from: ConnectorConfig, preset: string | null): Converted {
  const warnings: { readonly setting: string; readonly message: string }[] = [];
  const warn: Warn = (setting, message) => warnings.push({ setting, message });
  if (from.hasClearSecret)
    warn("secret", "is in data.json in clear text. It is not copied: set the variable, and delete the file at the end");
  const config = {
    server: { listen: "127.0.0.1:8080" },
    admin: { listen: "127.0.0.1:8081", token: "${ROLLCALL_ADMIN_TOKEN}" },
    store: "sqlite:./data/rollcall.db",
    sources: {
      [sourceNames[from.directory]]:
        from.directory === "ldap"
          ? ldapSourceOf(from.ldap, from.sync, preset, warn)
          : scimSourceOf(from.directory, from, warn),
    },
    targets: { bitwarden: bitwardenTargetOf(from, warn) },
  };
  const variables = [...new Set([...JSON.stringify(config).matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name ?? ""))];
  return { config, warnings, variables };
}

const pushGuides: Readonly<Record<Exclude<ConnectorConfig["directory"], "ldap">, string>> = {
  entra:
    "Microsoft Entra ID pushes over SCIM (docs/guides/entra-id.md). Directory Connector's app registration is not needed any more. The address was mail, or the user principal name if mail was missing or ended in onmicrosoft.com: map emails the same way",
  gsuite: "Google Workspace pushes over SCIM (docs/guides/google-workspace.md). It sends people and sends no groups",
  okta: "Okta pushes over SCIM (docs/guides/okta.md). Directory Connector's API token is not needed any more",
  onelogin: "OneLogin pushes over SCIM (docs/guides/onelogin.md). Directory Connector made groups from its roles",
};

/** Cloud directories push to Rollcall. Assignments there replace the filters of Directory Connector. */
function scimSourceOf(directory: keyof typeof pushGuides, { sync }: ConnectorConfig, warn: Warn): object {
  warn("directoryType", `${pushGuides[directory]}.`);
  if (sync.userFilter !== null)
    warn(
      "sync.userFilter",
      `"${sync.userFilter}" has no equivalent: assign exactly these people or groups to the app there`,
    );
  if (sync.users === false) warn("sync.users", "was off. Here people always come with their groups");
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
      "has no equivalent: Rollcall never removes members that the directory never listed. Remove them by hand",
    );
  if (sync.inviteUsersAfterProvisioning === false)
    warn(
      "sync.inviteUsersAfterProvisioning",
      "was off. Bitwarden mails an invitation to everybody whom Rollcall adds. Present members get no mail",
    );
  if (sync.largeImport === true) warn("sync.largeImport", "is not needed: Rollcall sends changes one by one");
  warn(
    "removals",
    "were deletions in Directory Connector. Rollcall revokes, which can be undone (onDelete: remove deletes as before). The number per day is limited: see guard",
  );
  if (sync.removeDisabled !== true)
    warn(
      "sync.removeDisabled",
      'was off: people disabled in the directory kept their access. onDeactivate: ignore keeps that. "revoke", the default, takes their access away',
    );
  return {
    type: "bitwarden",
    ...serverOf(from, warn),
    clientId: `organization.${organizationId ?? "00000000-0000-0000-0000-000000000000"}`,
    clientSecret: "${BW_CLIENT_SECRET}",
    ...scopeOf(from, warn),
    // The move alone takes access from nobody.
    onDeactivate: sync.removeDisabled === true ? "revoke" : "ignore",
  };
}

function serverOf({ urls }: ConnectorConfig, warn: Warn): object {
  const { base, api, identity } = urls;
  const given = api ?? base;
  if (given === null) return { region: "us" };
  const url = URL.parse(/^https?:\/\//i.test(given) ? given : `https://${given}`);
  const region = /^(?:(?:vault|api)\.)?bitwarden\.(com|eu)$/.exec(url?.hostname ?? "")?.[1];
  if (region !== undefined) return { region: region === "eu" ? "eu" : "us" };
  const own = base?.replace(/\/+$/, "");
  const apiUrl = api ?? `${own}/api`;
  const identityUrl = identity ?? (own === undefined ? null : `${own}/identity`);
  if (identityUrl === null)
    warn("environmentUrls", "names an API but no identity server: put it in targets.bitwarden.identityUrl");
  const isPlain = /^http:/i.test(apiUrl) && !/^http:\/\/(localhost|127\.|\[::1\])/i.test(apiUrl);
  if (isPlain)
    warn("environmentUrls", "is plain http. Rollcall refuses to send the organization's key over it: use https");
  return { apiUrl, identityUrl: identityUrl ?? "https://identity.example.com" };
}

/** Which groups are pushed, whose members get accounts, and which groups are adopted by name. */
function scopeOf({ directory, ldap, sync }: ConnectorConfig, warn: Warn): object {
  if (sync.groups !== true) return directory === "ldap" ? {} : { groups: { exclude: ["*"] } };
  // For Active Directory both products write the object GUID as external id. For the others the ids differ.
  const isSameId = ldap?.ad === true;
  const takeOver = isSameId ? {} : { takeOver: ["*"] };
  if (!isSameId)
    warn(
      "external ids",
      "differ. The first sync finds people by address and groups by name, and gives them Rollcall's ids. Nobody is invited again. Remove groups.takeOver after it",
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
  const [first = "", query = ""] = (filter ?? "").split("|").map((part) => part.trim());
  if (query !== "")
    warn("sync.groupFilter", `"${query}" is a query of that directory and has no equivalent: assign groups there`);
  const [, keyword = "", list = ""] = /^(\w+)\s*:([^:]*)$/.exec(first) ?? [];
  const kind = keyword.toLowerCase();
  const names = list
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  if ((kind === "include" || kind === "exclude") && names.length > 0) return { kind, names };
  if (first !== "")
    warn("sync.groupFilter", `"${first}" has no equivalent: assign exactly these groups in the identity provider`);
  return null;
}
