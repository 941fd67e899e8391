import { messageOf, RollcallError } from "../../../domain/model/errors.ts";
import type { LdapGroupSettings, LdapSource, LdapUserSettings } from "../../../domain/model/ldap-source.ts";
import type { LdapTls } from "../protocol/connection.ts";
import { parseFilter } from "../protocol/search.ts";
import { presets, type ServerTraits } from "./presets.ts";

/** A configured LDAP source with its secrets revealed and its files read. */
export type LdapOptions = LdapSource<string, LdapTls>;

/** `LdapOptions` with the preset applied. */
export interface LdapSettings extends Omit<LdapOptions, "users" | "groups" | "changeStamp">, ServerTraits {
  /** Null if the server has no such attribute. */
  readonly changeStamp: string | null;
  readonly users: Required<Omit<LdapUserSettings, "emailPrefix" | "memberOf" | "inactiveWhen">> & {
    readonly emailPrefix: string | null;
    /** False if only `emailPrefix` gives addresses. */
    readonly readsEmail: boolean;
    readonly memberOf: string | null;
    readonly inactiveWhen: string | null;
  };
  readonly groups: Required<LdapGroupSettings> | null;
}

/**
 * Applies the preset.
 * @throws `CONFIG_INVALID` with the key of a filter that can't be parsed
 */
export function resolveLdapOptions(options: LdapOptions): LdapSettings {
  const { users: usersOfPreset, groups: groupsOfPreset, ...server } = presets[options.preset];
  const { users, groups } = options;
  const settings: LdapSettings = {
    ...options,
    ...server,
    changeStamp: server.changeStamp === null ? null : (options.changeStamp ?? server.changeStamp),
    users: {
      ...usersOfPreset,
      emailPrefix: null,
      emailSuffix: "",
      memberOf: null,
      inactiveWhen: null,
      ...users,
      readsEmail: users.emailPrefix === undefined || users.email !== undefined,
    },
    groups: groups === undefined ? null : { ...groupsOfPreset, ...groups },
  };
  const filters = {
    "users.filter": settings.users.filter,
    "users.inactiveWhen": settings.users.inactiveWhen,
    "groups.filter": settings.groups?.filter,
  };
  for (const [key, filter] of Object.entries(filters)) {
    try {
      if (typeof filter === "string") parseFilter(filter);
    } catch (cause) {
      const message = `sources.${options.name}.${key}: "${filter}" is not an LDAP filter: ${messageOf(cause)}`;
      throw new RollcallError("CONFIG_INVALID", message, { cause });
    }
  }
  return settings;
}
