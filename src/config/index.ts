export type { ListenAddress } from "./fields.ts";
export {
  type BitwardenTargetConfig,
  type Config,
  type GuardConfig,
  jsonSchema,
  loadConfig,
  type OnePasswordTargetConfig,
  type ParseOptions,
  parseConfig,
  type ScimSourceConfig,
  type SourceConfig,
  type TargetConfig,
} from "./load.ts";
export { Secret } from "./secret.ts";
