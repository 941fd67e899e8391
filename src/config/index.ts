export type { ListenAddress } from "./fields.ts";
export {
  type AlertChannelConfig,
  type AlertsConfig,
  type Config,
  type ConfigFile,
  type Draft,
  type GuardConfig,
  jsonSchema,
  type LdapSourceConfig,
  ldapSources,
  type ParseOptions,
  parseConfigFile,
  readConfigFile,
  type ScimSourceConfig,
  type SourceConfig,
  type StoreSettings,
  scimSources,
  type TargetConfig,
} from "./load.ts";
export { unreadable } from "./references.ts";
export type { TargetTypes } from "./schema.ts";
export { Secret } from "./secret.ts";
export type { SecretPlace } from "./secret-places.ts";
export { type StoreConfig, storeName } from "./store.ts";
export type { StoredTarget } from "./stored.ts";
