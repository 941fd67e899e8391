import { z } from "zod";
import { RollcallError } from "../../domain/model/errors.ts";

// data.json of `bwdc` (bitwarden/directory-connector d9afa86, libs/models/*.ts, state.model.ts). Each key is optional:
// each version left out unknown settings, and the GUI writes null for an empty field.
const text = z
  .string()
  .nullish()
  .transform((value) => value?.trim() || null);
const flag = z.boolean().nullish();
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
  rootPath: text,
  currentUser: flag,
  username: text,
  ad: flag,
});

/** The settings of all directories that are secrets. */
const secrets = z.object({ password: text, key: text, privateKey: text, token: text, clientSecret: text });

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
  revisionDateAttribute: text,
});

const urls = z.object({ base: text, api: text, identity: text });

/** LDAP settings of Directory Connector. */
export type LdapSettings = z.output<typeof ldap>;
/** Sync settings of Directory Connector. */
export type SyncSettings = z.output<typeof sync>;

/** Reports a setting without an equivalent, or with another effect in Rollcall. */
export type Warn = (setting: string, message: string) => void;

/** Directories by Directory Connector's numbers (libs/enums/directoryType.ts), with their keys of each layout. */
const directories = [
  { name: "ldap", flatKey: "directoryLdap", accountKeys: ["ldap"] },
  { name: "entra", flatKey: "directoryEntra", accountKeys: ["entra", "azure"] },
  { name: "gsuite", flatKey: "directoryGsuite", accountKeys: ["gsuite"] },
  { name: "okta", flatKey: "directoryOkta", accountKeys: ["okta"] },
  { name: "onelogin", flatKey: "directoryOnelogin", accountKeys: ["oneLogin"] },
] as const;

/** A configuration of Directory Connector, without its secrets. */
export type ConnectorConfig = {
  readonly sync: SyncSettings;
  /** Its Bitwarden server. All null: the cloud in the United States. */
  readonly urls: z.output<typeof urls>;
  /** A GUID. The client id of the organization's API key is `organization.` and this. */
  readonly organizationId: string | null;
  /** True if data.json holds the directory's secret in clear text. */
  readonly hasClearSecret: boolean;
} & (
  | { readonly directory: "ldap"; readonly ldap: LdapSettings }
  | { readonly directory: Exclude<(typeof directories)[number]["name"], "ldap">; readonly ldap: null }
);

/** data.json has this text instead of a secret that is in the keychain of the system. */
const storedSecurely = "[STORED SECURELY]";

type Tree = Readonly<Record<string, unknown>>;
const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);
const at = (tree: unknown, ...keys: readonly string[]): unknown =>
  keys.reduce<unknown>((node, key) => (isTree(node) && Object.hasOwn(node, key) ? node[key] : undefined), tree);

type Invalid = (what: string) => RollcallError;

/**
 * Reads data.json in each of its three layouts: flat keys (state version 5 and later), one account per key (3 and 4), and
 * the first one (`directoryConfig_0`, `syncConfig`).
 * @throws `CONFIG_INVALID` with the missing or wrong setting. The message never contains a value.
 */
export function readConnectorConfig(fileName: string, content: string): ConnectorConfig {
  const invalid: Invalid = (what) => new RollcallError("CONFIG_INVALID", `${fileName}: ${what}`);
  const tree = parseJson(content, invalid);
  const parts = partsOf(tree, invalid);
  const directory = directories[Number(parts.type ?? Number.NaN)];
  if (directory === undefined)
    throw invalid("names no directory (directoryType 0 to 4): choose one in Directory Connector first");
  const { name } = directory;
  const parse = <T>(what: string, schema: z.ZodType<T>, value: unknown): T => {
    const result = schema.safeParse(value ?? {});
    if (result.success) return result.data;
    const path = [what, ...(result.error.issues[0]?.path ?? [])].join(".");
    throw invalid(`${path} is not of the type that Directory Connector writes`);
  };
  const raw = parts.configOf(directory);
  if (!isTree(raw)) throw invalid(`has no settings for its directory (${name})`);
  const { organizationId } = parts;
  const isGuid =
    typeof organizationId === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(organizationId);
  return {
    ...(name === "ldap" ? { directory: name, ldap: parse(name, ldap, raw) } : { directory: name, ldap: null }),
    sync: parse("sync", sync, parts.sync),
    urls: parse("environmentUrls", urls, parts.urls),
    organizationId: isGuid ? organizationId : null,
    hasClearSecret: Object.values(parse(name, secrets, raw)).some(
      (value) => value !== null && value !== storedSecurely,
    ),
  };
}

function parseJson(content: string, invalid: Invalid): unknown {
  try {
    return JSON.parse(content.replace(/^\uFEFF/, ""));
  } catch {
    // No cause: the message of the parser quotes the text, which can be a secret.
    throw invalid("is not JSON; Directory Connector's configuration is the data.json of its data folder");
  }
}

type Directory = (typeof directories)[number];

function partsOf(tree: unknown, invalid: Invalid) {
  if (!isTree(tree)) throw invalid("is not a configuration of Directory Connector");
  const { organizationId, directoryType: type } = tree;
  if (directories.some(({ flatKey }) => flatKey in tree))
    return {
      ...{ organizationId, type, sync: tree["sync"] },
      configOf: ({ flatKey }: Directory): unknown => tree[flatKey],
      urls: tree["environmentUrls"] ?? at(tree, "global", "environmentUrls"),
    };
  if (Object.keys(tree).some((key) => key.startsWith("directoryConfig_")))
    return {
      ...{ organizationId, type, sync: tree["syncConfig"] },
      configOf: (directory: Directory): unknown => tree[`directoryConfig_${directories.indexOf(directory)}`],
      urls: tree["environmentUrls"],
    };
  const account = accountOf(tree, invalid);
  const settings = at(account, "directorySettings");
  return {
    organizationId: at(settings, "organizationId"),
    type: at(settings, "directoryType"),
    sync: at(settings, "sync"),
    configOf: ({ accountKeys }: Directory): unknown =>
      accountKeys.map((key) => at(account, "directoryConfigurations", key)).find((config) => config !== undefined),
    urls: at(account, "settings", "environmentUrls") ?? at(tree, "global", "environmentUrls"),
  };
}

/** The account in use, or the only one. */
function accountOf(tree: Tree, invalid: Invalid): unknown {
  const accounts = Object.entries(tree).filter(([, value]) => isTree(at(value, "directoryConfigurations")));
  const active =
    accounts.find(([id]) => id === tree["activeUserId"]) ?? (accounts.length === 1 ? accounts[0] : undefined);
  if (active !== undefined) return active[1];
  throw invalid(
    accounts.length === 0
      ? "is not a configuration of Directory Connector: directoryLdap and directoryConfigurations are missing"
      : `holds ${accounts.length} accounts and does not say which one is in use: sign in to one of them`,
  );
}
