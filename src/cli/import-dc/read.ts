import { z } from "zod";
import { RollcallError } from "../../domain/model/errors.ts";

// What `bwdc` keeps in data.json (bitwarden/directory-connector d9afa86, libs/models/*.ts, state.model.ts). Nothing is
// required: each version left out what it did not know, and the GUI writes null for an empty field.
const text = z
  .string()
  .nullish()
  .transform((value) => value?.trim() || null);
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? null);
const number = z
  .union([z.number(), z.string().regex(/^\d+$/).transform(Number)])
  .nullish()
  .transform((value) => value ?? null);

const ldap = z.object({
  ssl: flag,
  startTls: flag,
  tlsCaPath: text,
  sslAllowUnauthorized: flag,
  sslCertPath: text,
  sslKeyPath: text,
  sslCaPath: text,
  hostname: text,
  port: number,
  domain: text,
  rootPath: text,
  currentUser: flag,
  username: text,
  password: text,
  ad: flag,
  pagedSearch: flag,
});

/** The other directories are asked over their own APIs; all that matters here is which one, and whether a secret is there. */
const cloud = z.object({
  key: text,
  privateKey: text,
  token: text,
  clientSecret: text,
  domain: text,
  orgUrl: text,
  tenant: text,
  identityAuthority: text,
});

const sync = z.object({
  users: flag,
  groups: flag,
  interval: number,
  userFilter: text,
  groupFilter: text,
  removeDisabled: flag,
  overwriteExisting: flag,
  largeImport: flag,
  inviteUsersAfterProvisioning: flag,
  groupObjectClass: text,
  userObjectClass: text,
  groupPath: text,
  userPath: text,
  groupNameAttribute: text,
  userEmailAttribute: text,
  memberAttribute: text,
  useEmailPrefixSuffix: flag,
  emailPrefixAttribute: text,
  emailSuffix: text,
  creationDateAttribute: text,
  revisionDateAttribute: text,
});

const urls = z.object({ base: text, api: text, identity: text });

/** LDAP settings of Directory Connector. */
export type LdapSettings = z.output<typeof ldap>;
/** Sync settings of Directory Connector. */
export type SyncSettings = z.output<typeof sync>;
/** Where its Bitwarden server is; all null: the cloud in the United States. */
export type ServerUrls = z.output<typeof urls>;

/** Says what could not be carried over, or is different from now on: one sentence each, with the setting's name first. */
export type Warn = (setting: string, message: string) => void;

/** The directories, in the order of Directory Connector's numbers (libs/enums/directoryType.ts). */
export const directories = ["ldap", "entra", "gsuite", "okta", "onelogin"] as const;
export type DirectoryName = (typeof directories)[number];

/** A configuration of Directory Connector, whichever layout it had. Secrets stay behind: only their being there is told. */
export interface ConnectorConfig {
  readonly layout: "flat" | "account" | "first";
  readonly directory: DirectoryName;
  /** Null where another directory is used. */
  readonly ldap: LdapSettings | null;
  readonly cloud: Omit<z.output<typeof cloud>, "key" | "privateKey" | "token" | "clientSecret"> | null;
  readonly sync: SyncSettings;
  readonly urls: ServerUrls;
  /** A GUID; the client id of the organization's API key is `organization.` and this. */
  readonly organizationId: string | null;
  /** True when data.json holds the directory's secret in clear text. */
  readonly hasClearSecret: boolean;
}

/** Stands in data.json where the secret is in the system's keychain. */
const storedSecurely = "[STORED SECURELY]";

interface Parts {
  readonly layout: ConnectorConfig["layout"];
  readonly type: unknown;
  readonly configs: readonly unknown[];
  readonly sync: unknown;
  readonly urls: unknown;
  readonly organizationId: unknown;
}

type Tree = Readonly<Record<string, unknown>>;
const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);
const at = (tree: unknown, ...keys: readonly string[]): unknown =>
  keys.reduce<unknown>((node, key) => (isTree(node) && Object.hasOwn(node, key) ? node[key] : undefined), tree);

/**
 * Reads data.json in any of its three layouts: flat keys (state version 5 and newer), one account each (3 and 4), and the
 * first one (`directoryConfig_0`, `syncConfig`).
 * @throws `CONFIG_INVALID` with what is missing or of a wrong type; the message never holds a value
 */
export function readConnectorConfig(fileName: string, content: string): ConnectorConfig {
  const invalid = (what: string, cause?: unknown): RollcallError =>
    new RollcallError("CONFIG_INVALID", `${fileName}: ${what}`, { cause });
  let tree: unknown;
  try {
    tree = JSON.parse(content.replace(/^\uFEFF/, ""));
  } catch {
    // The parser's message quotes the text, and with it a secret that stands there.
    throw invalid("is not JSON; Directory Connector's configuration is the data.json of its data folder");
  }
  const parts = partsOf(tree, invalid);
  const type = Number(parts.type);
  const directory = directories[type];
  if (parts.type === undefined || parts.type === null || directory === undefined)
    throw invalid("names no directory (directoryType 0 to 4): choose one in Directory Connector first");
  const parse = <T>(what: string, schema: z.ZodType<T>, value: unknown): T => {
    const result = schema.safeParse(value ?? {});
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    throw invalid(`${[what, ...(issue?.path ?? [])].join(".")} is not of the type that Directory Connector writes`);
  };
  const raw = parts.configs[type];
  if (!isTree(raw)) throw invalid(`has no settings for its directory (${directory})`);
  const { key, privateKey, token, clientSecret, ...rest } = parse(directory, cloud, raw);
  const ldapSettings = directory === "ldap" ? parse("ldap", ldap, raw) : null;
  const secrets = [key, privateKey, token, clientSecret, ldapSettings?.password ?? null];
  const organizationId = typeof parts.organizationId === "string" ? parts.organizationId : null;
  return {
    layout: parts.layout,
    directory,
    ldap: ldapSettings,
    cloud: directory === "ldap" ? null : rest,
    sync: parse("sync", sync, parts.sync),
    urls: parse("environmentUrls", urls, parts.urls),
    organizationId:
      organizationId !== null && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(organizationId)
        ? organizationId
        : null,
    hasClearSecret: secrets.some((secret) => secret !== null && secret !== storedSecurely),
  };
}

function partsOf(tree: unknown, invalid: (what: string) => RollcallError): Parts {
  if (!isTree(tree)) throw invalid("is no configuration of Directory Connector");
  const common = { organizationId: tree["organizationId"], type: tree["directoryType"] };
  if (
    ["directoryLdap", "directoryEntra", "directoryGsuite", "directoryOkta", "directoryOnelogin"].some(
      (key) => key in tree,
    )
  )
    return {
      layout: "flat",
      ...common,
      configs: ["Ldap", "Entra", "Gsuite", "Okta", "Onelogin"].map((name) => tree[`directory${name}`]),
      sync: tree["sync"],
      urls: tree["environmentUrls"] ?? at(tree, "global", "environmentUrls"),
    };
  if (Object.keys(tree).some((key) => key.startsWith("directoryConfig_")))
    return {
      layout: "first",
      ...common,
      configs: directories.map((_, index) => tree[`directoryConfig_${index}`]),
      sync: tree["syncConfig"],
      urls: tree["environmentUrls"],
    };
  const account = accountOf(tree, invalid);
  const configs = at(account, "directoryConfigurations");
  const settings = at(account, "directorySettings");
  return {
    layout: "account",
    type: at(settings, "directoryType"),
    configs: [
      at(configs, "ldap"),
      at(configs, "entra") ?? at(configs, "azure"),
      ...["gsuite", "okta", "oneLogin"].map((key) => at(configs, key)),
    ],
    sync: at(settings, "sync"),
    urls: at(account, "settings", "environmentUrls") ?? at(tree, "global", "environmentUrls"),
    organizationId: at(settings, "organizationId"),
  };
}

/** The account in use, or the only one. */
function accountOf(tree: Tree, invalid: (what: string) => RollcallError): Tree {
  const accounts = Object.entries(tree).filter(
    (entry): entry is [string, Tree] => isTree(at(entry[1], "directoryConfigurations")) && isTree(entry[1]),
  );
  const active =
    accounts.find(([id]) => id === tree["activeUserId"]) ?? (accounts.length === 1 ? accounts[0] : undefined);
  if (active !== undefined) return active[1];
  if (accounts.length === 0)
    throw invalid(
      "is no configuration of Directory Connector (neither directoryLdap nor directoryConfigurations in it)",
    );
  throw invalid(`holds ${accounts.length} accounts and does not say which one is in use: sign in to one of them`);
}
