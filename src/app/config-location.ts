import { existsSync } from "node:fs";
import { type Config, type ConfigFile, readConfigFile, type StoredTarget } from "../config/index.ts";
import { RollcallError } from "../domain/model/errors.ts";
import { targetDefinitions } from "../targets/registry.ts";
import type { Context, GlobalOptions } from "./context.ts";
import { keyRingOf, openStored } from "./stored-credentials.ts";

/** The configuration that `serve` makes for the sandbox. Other commands find it there. */
export const sandboxConfigPath = "data/sandbox/rollcall.yaml";
/** The usual name of a configuration. Never used by itself: the current folder must not decide which target is changed. */
export const usualConfigPath = "rollcall.yaml";

/** Path of the configuration: `-c`, else `ROLLCALL_CONFIG`, else null. */
export const givenPath = ({ env }: Context, options: GlobalOptions): string | null =>
  options.config ?? (env["ROLLCALL_CONFIG"] || null);

/** Reads the configuration, with the stored connections. @throws `CONFIG_INVALID` */
export const locateConfig = (context: Context, options: GlobalOptions): Promise<Config> =>
  composeConfig(context, locateFile(context, options));

/** Adds the stored connections to the file. @throws `CONFIG_INVALID`, `STORE_UNAVAILABLE` */
export async function composeConfig(context: Context, file: ConfigFile): Promise<Config> {
  return file.compose(await storedTargets(context, file));
}

async function storedTargets(context: Context, file: ConfigFile): Promise<readonly StoredTarget[]> {
  const settings = file.settings();
  const ring = keyRingOf(settings);
  return (await context.database(settings).storedCredentials()).map((row) => openStored(ring, row));
}

/**
 * The same for commands that need no target: leaves out stored connections that can't be opened. A token can then be
 * revoked, and the audit trail verified, without the right master key.
 * @throws `CONFIG_INVALID`
 */
export async function locateConfigOpenable(context: Context, options: GlobalOptions): Promise<Config> {
  const file = locateFile(context, options);
  const stored = await storedTargets(context, file);
  const locked = stored.filter((each) => "problem" in each).map(({ name }) => name);
  return file.compose(
    stored.filter((each) => "keys" in each),
    new Set(locked),
  );
}

/**
 * Reads the file alone, without targets that have stored credentials. For `health`: the process may be unhealthy because
 * its database is lost.
 * @throws `CONFIG_INVALID`
 */
export function locateConfigAlone(context: Context, options: GlobalOptions): Config {
  const file = locateFile(context, options);
  const stored = Object.entries(file.targets).filter(([, own]) => own["clientSecret"] === undefined);
  return file.compose([], new Set(stored.map(([name]) => name)));
}

/** Reads the file without validating it, for commands that report its mistakes. @throws `CONFIG_INVALID` if it is missing or is not YAML */
export function locateFile(context: Context, options: GlobalOptions): ConfigFile {
  const path = givenPath(context, options);
  if (path !== null) return readConfigFile(path, context.env, targetDefinitions);
  if (existsSync(sandboxConfigPath)) return readConfigFile(sandboxConfigPath, context.env, targetDefinitions);
  const how = existsSync(usualConfigPath) ? `-c ${usualConfigPath}` : "-c FILE";
  throw new RollcallError(
    "CONFIG_INVALID",
    `no configuration: give one with ${how} or ROLLCALL_CONFIG, or run "rollcall serve" without one for a sandbox`,
  );
}
