export type { ListenAddress } from "./fields.ts";
export {
  type BitwardenTargetConfig,
  type Config,
  type GuardConfig,
  jsonSchema,
  ldapSources,
  type LdapSourceConfig,
  loadConfig,
  type OnePasswordTargetConfig,
  type ParseOptions,
  parseConfig,
  scimSources,
  type ScimSourceConfig,
  type SourceConfig,
  type TargetConfig,
} from "./load.ts";
export { Secret } from "./secret.ts";
