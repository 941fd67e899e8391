import type { Config } from "../config/index.ts";
import { RollcallError } from "../domain/model/errors.ts";
import type { RemovedSource } from "../domain/model/sync-input.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import { count } from "../text/numbers.ts";

/** Returns the sources that are no longer in the configuration, with the number of their users and groups. */
export const removedSources = (config: Config, store: DirectoryStore): Promise<readonly RemovedSource[]> =>
  store.removedSources(config.sources.map(({ name }) => name));

/** The message about such a source: what it means, and what to do. */
export const goneSourceText = ({ name, users, groups }: RemovedSource): string =>
  `source ${name} is no longer in the configuration: the access of its ${count(users, "active user")} and ${count(groups, "group")} stays as it is. Leavers keep their access too, until another source has the same addresses and names. If this is a mistake, put the source back. A source with another name is a new source`;

interface SourceFinding {
  readonly name: string;
  readonly level: "warning" | "error";
  readonly message: string;
}

/** Compares the sources of the configuration with those of the database: sources of another type, and removed sources. */
export async function sourceFindings(config: Config, store: DirectoryStore): Promise<readonly SourceFinding[]> {
  const findings: SourceFinding[] = [];
  for (const { name, type } of config.sources) {
    const origin = await store.originOf(name);
    const was = origin === "polled" ? "ldap" : origin === "written" ? "scim" : type;
    // The database knows its users by ids that the new source never sends: they would never leave.
    if (was !== type)
      findings.push({
        name,
        level: "error",
        message: `source ${name} was of type ${was} and is now of type ${type}. Give the new source another name, and remove the old one. Rollcall finds the users by their addresses, and invites nobody again`,
      });
  }
  for (const source of await removedSources(config, store))
    findings.push({ name: source.name, level: "warning", message: goneSourceText(source) });
  return findings;
}

/** Calls `warn` for each removed source. @throws `CONFIG_INVALID` if a source has another type than before */
export async function reviewSources(
  config: Config,
  store: DirectoryStore,
  warn: (message: string) => void,
): Promise<void> {
  for (const { level, message } of await sourceFindings(config, store)) {
    if (level === "error") throw new RollcallError("CONFIG_INVALID", message);
    warn(message);
  }
}
