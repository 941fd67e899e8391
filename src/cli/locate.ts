import { existsSync } from "node:fs";
import { type Config, loadConfig } from "../config/index.ts";
import { RollcallError } from "../domain/errors.ts";
import type { Composition, GlobalOptions } from "./composition.ts";

/** Where `serve` without a configuration keeps the one it makes, so that other commands find it. */
export const sandboxConfigPath = "data/sandbox/rollcall.yaml";
/** What people usually call theirs. It is not used unasked: a folder must not decide which vault is written to. */
export const usualConfigPath = "rollcall.yaml";

/** Path of the configuration: `-c`, then `ROLLCALL_CONFIG`; null when neither is given. */
export const givenPath = ({ env }: Composition, options: GlobalOptions): string | null =>
  options.config ?? (env["ROLLCALL_CONFIG"] || null);

/** The configuration that a command works with. @throws `CONFIG_INVALID` */
export function locateConfig(composition: Composition, options: GlobalOptions): Config {
  const path = givenPath(composition, options);
  if (path !== null) return loadConfig(path, composition.env);
  if (existsSync(sandboxConfigPath)) return loadConfig(sandboxConfigPath, composition.env);
  const how = existsSync(usualConfigPath) ? `-c ${usualConfigPath}` : "-c FILE";
  throw new RollcallError(
    "CONFIG_INVALID",
    `no configuration: give one with ${how} or ROLLCALL_CONFIG, or run "rollcall serve" without one for a sandbox`,
  );
}
