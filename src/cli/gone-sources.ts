import type { Config } from "../config/index.ts";
import type { DirectoryStore } from "../domain/store.ts";
import type { GoneSource } from "../domain/sync.ts";
import { count } from "./render.ts";

/** Sources that are not in the configuration any more, with what is left of them. */
export const goneSources = (config: Config, store: DirectoryStore): Promise<readonly GoneSource[]> =>
  store.goneSources(config.sources.map(({ name }) => name));

/** What it means, and what to do. */
export const goneSourceText = ({ name, users, groups }: GoneSource): string =>
  `source ${name} is not in the configuration any more: what ${count(users, "active user")} and ${count(groups, "group")} of it have in the targets stays as it is, and nobody says who of them leaves, until another source has the same addresses and names. If that is not meant, put it back; a source that is renamed is another one`;
