export type { ListenAddress } from "./fields.ts";
export {
  type BitwardenTargetConfig,
  type Config,
  type GuardConfig,
  jsonSchema,
  type LdapSourceConfig,
  ldapSources,
  loadConfig,
  type OnePasswordTargetConfig,
  type ParseOptions,
  parseConfig,
  type ScimSourceConfig,
  type SourceConfig,
  scimSources,
  type TargetConfig,
} from "./load.ts";
export { Secret } from "./secret.ts";
