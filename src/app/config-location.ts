import { existsSync } from "node:fs";
import { type Config, type ConfigFile, readConfigFile } from "../config/index.ts";
import { RollcallError } from "../domain/model/errors.ts";
import { targetDefinitions } from "../targets/registry.ts";
import type { Context, GlobalOptions } from "./context.ts";
import { keyRingOf, openStored } from "./stored-credentials.ts";

/** Where `serve` without a configuration keeps the one it makes, so that other commands find it. */
export const sandboxConfigPath = "data/sandbox/rollcall.yaml";
/** What people usually call theirs. It is not used unasked: a folder must not decide which vault is written to. */
export const usualConfigPath = "rollcall.yaml";

/** Path of the configuration: `-c`, then `ROLLCALL_CONFIG`; null when neither is given. */
export const givenPath = ({ env }: Context, options: GlobalOptions): string | null =>
  options.config ?? (env["ROLLCALL_CONFIG"] || null);

/** The configuration that a command works with, stored connections included. @throws `CONFIG_INVALID` */
export const locateConfig = (context: Context, options: GlobalOptions): Promise<Config> =>
  composeConfig(context, locateFile(context, options));

/** A file with what is stored beside it. @throws `CONFIG_INVALID`, `STORE_UNAVAILABLE` */
export async function composeConfig(context: Context, file: ConfigFile): Promise<Config> {
  const settings = file.settings();
  return file.compose(openStored(keyRingOf(settings), await context.storedCredentials(settings)));
}

/**
 * The same for a command that works with no target: a stored connection that can't be opened is left out. Without the
 * right master key a token can still be revoked, and the audit trail verified.
 * @throws `CONFIG_INVALID`
 */
export async function locateConfigOpenable(context: Context, options: GlobalOptions): Promise<Config> {
  const file = locateFile(context, options);
  const settings = file.settings();
  const stored = openStored(keyRingOf(settings), await context.storedCredentials(settings));
  const locked = stored.filter((each) => "problem" in each).map(({ name }) => name);
  return file.compose(
    stored.filter((each) => "keys" in each),
    new Set(locked),
  );
}

/**
 * The file alone, without the targets whose credentials are not in it: whether a process answers is asked without its
 * database, which may be what it has lost.
 * @throws `CONFIG_INVALID`
 */
export function locateConfigAlone(context: Context, options: GlobalOptions): Config {
  const file = locateFile(context, options);
  const stored = Object.entries(file.targets).filter(([, own]) => own["clientSecret"] === undefined);
  return file.compose([], new Set(stored.map(([name]) => name)));
}

/** The file alone, unchecked: for commands that put it right. @throws `CONFIG_INVALID` when there is none, or no YAML */
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
