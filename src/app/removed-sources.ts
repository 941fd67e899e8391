import { count } from "../cli/output/print.ts";
import type { Config } from "../config/index.ts";
import { RollcallError } from "../domain/model/errors.ts";
import type { RemovedSource } from "../domain/model/sync-input.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";

/** Sources that are not in the configuration any more, with what is left of them. */
export const removedSources = (config: Config, store: DirectoryStore): Promise<readonly RemovedSource[]> =>
  store.removedSources(config.sources.map(({ name }) => name));

/** What it means, and what to do. */
export const goneSourceText = ({ name, users, groups }: RemovedSource): string =>
  `source ${name} is not in the configuration any more: what ${count(users, "active user")} and ${count(groups, "group")} of it have in the targets stays as it is, and nobody says who of them leaves, until another source has the same addresses and names. If that is not meant, put it back; a source that is renamed is another one`;

interface SourceFinding {
  readonly name: string;
  readonly level: "warning" | "error";
  readonly message: string;
}

/** The sources of the configuration held against those that the directory knows: names that stand for another type now, and sources that are gone. */
export async function sourceFindings(config: Config, store: DirectoryStore): Promise<readonly SourceFinding[]> {
  const findings: SourceFinding[] = [];
  for (const { name, type } of config.sources) {
    const origin = await store.originOf(name);
    const was = origin === "polled" ? "ldap" : origin === "written" ? "scim" : type;
    // Its people would be known by ids that nobody sends any more, keep their addresses, and never leave.
    if (was !== type)
      findings.push({
        name,
        level: "error",
        message: `source ${name} is of type ${type} and was of type ${was}: give the new one a name of its own and take the old one out; people are found by their address, and nobody is invited again`,
      });
  }
  for (const source of await removedSources(config, store))
    findings.push({ name: source.name, level: "warning", message: goneSourceText(source) });
  return findings;
}

/** @throws `CONFIG_INVALID` when the name of a source stands for one of another type now; `warn` is told of those that are gone. */
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
