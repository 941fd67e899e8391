import { type Config, parseConfigFile, readConfigFile } from "../../src/config/index.ts";
import type { ParseOptions } from "../../src/config/load.ts";
import type { StoredTarget } from "../../src/config/stored.ts";
import { targetDefinitions } from "../../src/targets/registry.ts";

/** Reads a configuration from a text, for the targets of the registry. Nothing is stored beside it. */
export const parseConfig = (text: string, options: Omit<ParseOptions, "types">): Config =>
  parseConfigFile(text, { ...options, types: targetDefinitions }).compose([]);

/** Reads a configuration file, for the targets of the registry. */
export const loadConfig = (path: string, env: NodeJS.ProcessEnv, stored: readonly StoredTarget[] = []): Config =>
  readConfigFile(path, env, targetDefinitions).compose(stored);
