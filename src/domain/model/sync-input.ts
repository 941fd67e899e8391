import type { DirectoryGroup, DirectoryUser } from "./entities.ts";
import type { Link } from "./link.ts";

/** The remaining users and groups of a source that is no longer in the configuration. */
export interface RemovedSource {
  readonly name: string;
  readonly users: number;
  readonly groups: number;
}

/** A user with everything that a decision about one target needs. */
export interface InputUser {
  readonly user: DirectoryUser;
  readonly link: Link | null;
  /** Ids of the user's groups. */
  readonly groupIds: readonly string[];
  /** The user who keeps this e-mail address: the oldest present one, else this user. Null without an address. */
  readonly emailOwnerId: string | null;
}

/** A present or deleted user who is linked to an account. */
export type LinkedUser = Pick<DirectoryUser, "id" | "source" | "email" | "displayName" | "absentSinceMs">;

export interface InputGroup {
  readonly group: DirectoryGroup;
  readonly link: Link | null;
}

/** The input of one run. `groups` are always all groups; the run compares those in `dirtyGroupIds`. */
export interface SyncInput {
  readonly isComplete: boolean;
  readonly users: readonly InputUser[];
  readonly groups: readonly InputGroup[];
  readonly dirtyGroupIds: ReadonlySet<string>;
  /** By id: at least the present owners of e-mail addresses of deleted `users`. */
  readonly owners: ReadonlyMap<string, InputUser>;
  /** By user id: when somebody asked to send the invitation again. */
  readonly reinvites: ReadonlyMap<string, number>;
  /** Sources that have users or groups and are no longer in the configuration. Default none. */
  readonly removedSources?: ReadonlySet<string>;
}

/** Everything, or what is dirty and due. `hints` name entities to check. They save time: a scan finds the same without. */
export type RunScope =
  | { readonly kind: "all" }
  | { readonly kind: "dirty"; readonly hints: readonly string[] | null; readonly limit: number };
