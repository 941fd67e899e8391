import type { DirectoryGroup, DirectoryUser } from "./entities.ts";
import type { Link } from "./link.ts";

/** What is left of a source that is not in the configuration any more. */
export interface RemovedSource {
  readonly name: string;
  readonly users: number;
  readonly groups: number;
}

/** A person with all that deciding about one target needs. */
export interface InputUser {
  readonly user: DirectoryUser;
  readonly link: Link | null;
  /** Ids of the person's groups. */
  readonly groupIds: readonly string[];
  /** Who keeps this e-mail address: the first that came of those present, else the person; null without an address. */
  readonly emailOwnerId: string | null;
}

/** Somebody who is linked to a member, as last known. */
export type LinkedUser = Pick<DirectoryUser, "id" | "source" | "email" | "displayName" | "absentSinceMs">;

export interface InputGroup {
  readonly group: DirectoryGroup;
  readonly link: Link | null;
}

/** The part of the directory that one run looks at. `groups` is always all of them; `dirtyGroupIds` says which to look at. */
export interface SyncInput {
  readonly isComplete: boolean;
  readonly users: readonly InputUser[];
  readonly groups: readonly InputGroup[];
  readonly dirtyGroupIds: ReadonlySet<string>;
  /** At least those who keep the e-mail address of somebody in `users` who is gone, by id. */
  readonly owners: ReadonlyMap<string, InputUser>;
  /** People whose invitation somebody asked to have sent again, with when; by id. */
  readonly reinvites: ReadonlyMap<string, number>;
  /** Sources that have people or groups and are not in the configuration any more: nobody speaks for these. Default none. */
  readonly removedSources?: ReadonlySet<string>;
}

/**
 * Everything, or what is dirty and due. With `hints` only those entities are looked at: an optimisation, never the
 * truth, because dirtiness is derived and a scan without hints finds the same.
 */
export type RunScope =
  | { readonly kind: "all" }
  | { readonly kind: "dirty"; readonly hints: readonly string[] | null; readonly limit: number };
