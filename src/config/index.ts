export type { ListenAddress } from "./fields.ts";
export {
  type AlertChannelConfig,
  type AlertsConfig,
  type BitwardenTargetConfig,
  type Config,
  type ConfigFile,
  type Draft,
  type GuardConfig,
  jsonSchema,
  type LdapSourceConfig,
  ldapSources,
  loadConfig,
  type OnePasswordTargetConfig,
  type ParseOptions,
  parseConfig,
  readConfigFile,
  type ScimSourceConfig,
  type SourceConfig,
  type StoreSettings,
  scimSources,
  type TargetConfig,
} from "./load.ts";
export { unreadable } from "./references.ts";
export { Secret } from "./secret.ts";
export type { SecretPlace } from "./secret-places.ts";
export { type StoreConfig, storeName } from "./store.ts";
export type { StoredTarget } from "./stored.ts";
