import { AndFilter, EqualityFilter, type Filter, OrFilter } from "ldapts";
import { RollcallError } from "../../../domain/model/errors.ts";
import type { LdapEntry } from "../protocol/entry.ts";
import { type SearchPage, searchAll, searchPages } from "../protocol/search.ts";
import type { LdapSession } from "../protocol/session.ts";
import { idFilter, readId } from "../servers/identifiers.ts";
import type { LdapSettings } from "../servers/options.ts";
import { parseFilter } from "../servers/presets.ts";
import { groupAttributes, userAttributes } from "./convert.ts";

/** A group entry with all its members. */
export interface GroupEntry {
  readonly entry: LdapEntry;
  readonly members: readonly string[];
}

/** Ids in one filter: servers limit its size (389 DS: nsslapd-maxbersize, Active Directory: MaxReceiveBuffer). */
const idsPerFilter = 100;

/** The searches of one source over one session. Each iteration is complete when it ends without an error. */
export class DirectoryReader {
  readonly #session: LdapSession;
  readonly #settings: LdapSettings;
  readonly #signal: AbortSignal;

  constructor(session: LdapSession, settings: LdapSettings, signal: AbortSignal) {
    this.#session = session;
    this.#settings = settings;
    this.#signal = signal;
  }

  /** Pages of people; `among` narrows to these entry ids. */
  users(among: readonly string[] | null, more: readonly string[]): AsyncGenerator<SearchPage> {
    const { users } = this.#settings;
    return this.#pages(users.baseDn, parseFilter(users.filter), [...userAttributes(this.#settings), ...more], among);
  }

  /** Entry ids of the people whom the server finds by `inactiveWhen`. */
  async inactive(among: readonly string[] | null): Promise<ReadonlySet<string>> {
    const { users, entryId } = this.#settings;
    const found = new Set<string>();
    if (users.inactiveWhen === null) return found;
    const filter = new AndFilter({ filters: [parseFilter(users.filter), parseFilter(users.inactiveWhen)] });
    for await (const { entries } of this.#pages(users.baseDn, filter, [entryId], among)) {
      for (const entry of entries) {
        const id = readId(entry, entryId);
        if (id !== null) found.add(id);
      }
    }
    return found;
  }

  /** Pages of groups with all their members, also of groups that the server gives in ranges. */
  async *groups(
    among: readonly string[] | null,
    more: readonly string[],
  ): AsyncGenerator<SearchPage & { readonly groups: readonly GroupEntry[] }> {
    const { groups } = this.#settings;
    if (groups === null) return;
    for await (const page of this.#pages(
      groups.baseDn,
      parseFilter(groups.filter),
      [...groupAttributes(this.#settings), ...more],
      among,
    )) {
      yield { ...page, groups: await this.#withMembers(page.entries) };
    }
  }

  /** Groups that name one of these DNs as a member now. */
  async groupsNaming(dns: readonly string[]): Promise<readonly GroupEntry[]> {
    const { groups } = this.#settings;
    const found: GroupEntry[] = [];
    if (groups === null) return found;
    for (const some of batches(dns)) {
      const naming = new OrFilter({
        filters: some.map((value) => new EqualityFilter({ attribute: groups.members, value })),
      });
      const filter = new AndFilter({ filters: [parseFilter(groups.filter), naming] });
      for await (const { entries } of this.#pages(groups.baseDn, filter, groupAttributes(this.#settings), null)) {
        found.push(...(await this.#withMembers(entries)));
      }
    }
    return found;
  }

  async *#pages(
    base: string,
    filter: Filter,
    attributes: readonly string[],
    among: readonly string[] | null,
  ): AsyncGenerator<SearchPage> {
    const filters = among === null ? [filter] : batches(among).map((ids) => this.#narrowed(filter, ids));
    for (const each of filters) {
      yield* searchPages(
        this.#session,
        { base, scope: "sub", filter: each, attributes },
        this.#settings.pageSize,
        this.#signal,
      );
    }
  }

  #narrowed(filter: Filter, ids: readonly string[]): Filter {
    const named = new OrFilter({ filters: ids.map((id) => idFilter(this.#settings.entryId, id)) });
    return new AndFilter({ filters: [filter, named] });
  }

  async #withMembers(entries: readonly LdapEntry[]): Promise<readonly GroupEntry[]> {
    const attribute = this.#settings.groups?.members ?? "";
    const found: GroupEntry[] = [];
    for (const entry of entries) found.push({ entry, members: await this.#members(entry, attribute) });
    return found;
  }

  /** Active Directory gives 1,500 values at a time (MaxValRange); the rest is asked for range by range (MS-ADTS 3.1.1.3.1.3.3). */
  async #members(entry: LdapEntry, attribute: string): Promise<readonly string[]> {
    let range = entry.range(attribute);
    if (range === null) return entry.texts(attribute);
    const members = [...range.values];
    while (range !== null && range.next !== null) {
      const next: string = `${attribute};range=${range.next}-*`;
      const found: readonly LdapEntry[] = await searchAll(
        this.#session,
        { base: entry.dn, scope: "base", filter: parseFilter("(objectClass=*)"), attributes: [next] },
        this.#signal,
      );
      if (found[0] === undefined)
        throw new RollcallError("SOURCE_INCOMPLETE", `group ${entry.dn} went away while its members were read`);
      range = found[0].range(attribute);
      for (const member of range?.values ?? []) members.push(member);
    }
    return members;
  }
}

function batches(values: readonly string[]): readonly (readonly string[])[] {
  const found: (readonly string[])[] = [];
  for (let start = 0; start < values.length; start += idsPerFilter)
    found.push(values.slice(start, start + idsPerFilter));
  return found;
}
