import { AndFilter, EqualityFilter, type Filter, OrFilter } from "ldapts";
import { RollcallError } from "../../../domain/model/errors.ts";
import type { LdapEntry } from "../protocol/entry.ts";
import { anyEntry, parseFilter, type SearchPage, searchAll, searchPages } from "../protocol/search.ts";
import type { LdapSession } from "../protocol/session.ts";
import { idFilter, readId } from "../servers/identifiers.ts";
import type { LdapSettings } from "../servers/options.ts";
import { type GroupEntry, groupAttributes, userAttributes } from "./convert.ts";

/** Maximum ids in one filter: servers limit its size (389 DS: nsslapd-maxbersize, Active Directory: MaxReceiveBuffer). */
const maxIdsPerFilter = 100;

/** The searches of one source over one session. An iteration that ends without an error is complete. */
export class DirectoryReader {
  readonly #session: LdapSession;
  readonly #settings: LdapSettings;
  readonly #signal: AbortSignal;

  constructor(session: LdapSession, settings: LdapSettings, signal: AbortSignal) {
    this.#session = session;
    this.#settings = settings;
    this.#signal = signal;
  }

  /** Pages of users: those with these entry ids, or all. `more` adds attributes. */
  users(ids: readonly string[] | null, more: readonly string[] = []): AsyncGenerator<SearchPage> {
    const { users } = this.#settings;
    return this.#pages(users.baseDn, parseFilter(users.filter), [...userAttributes(this.#settings), ...more], ids);
  }

  /** Entry ids of the users that match `inactiveWhen`. */
  async inactiveIds(ids: readonly string[] | null): Promise<ReadonlySet<string | null>> {
    const { users, entryId } = this.#settings;
    const found = new Set<string | null>();
    if (users.inactiveWhen === null) return found;
    const filter = new AndFilter({ filters: [parseFilter(users.filter), parseFilter(users.inactiveWhen)] });
    for await (const { entries } of this.#pages(users.baseDn, filter, [entryId], ids))
      for (const entry of entries) found.add(readId(entry, entryId));
    return found;
  }

  /** Pages of groups with all their members. */
  async *groups(
    ids: readonly string[] | null,
    more: readonly string[] = [],
  ): AsyncGenerator<SearchPage & { readonly groups: readonly GroupEntry[] }> {
    const { groups } = this.#settings;
    if (groups === null) return;
    const attributes = [...groupAttributes(this.#settings), ...more];
    for await (const page of this.#pages(groups.baseDn, parseFilter(groups.filter), attributes, ids))
      yield { ...page, groups: await this.#withMembers(page.entries, groups.members) };
  }

  /** Groups that have one of these DNs as a member now. */
  async groupsNaming(dns: readonly string[]): Promise<readonly GroupEntry[]> {
    const { groups } = this.#settings;
    const found: GroupEntry[] = [];
    if (groups === null) return found;
    for (const filter of narrowed(parseFilter(groups.filter), dns, (value) => equals(groups.members, value)))
      for await (const { entries } of this.#pages(groups.baseDn, filter, groupAttributes(this.#settings), null))
        found.push(...(await this.#withMembers(entries, groups.members)));
    return found;
  }

  async *#pages(
    base: string,
    filter: Filter,
    attributes: readonly string[],
    ids: readonly string[] | null,
  ): AsyncGenerator<SearchPage> {
    const { entryId, pageSize } = this.#settings;
    const filters = ids === null ? [filter] : narrowed(filter, ids, (id) => idFilter(entryId, id));
    for (const each of filters)
      yield* searchPages(this.#session, { base, scope: "sub", filter: each, attributes }, pageSize, this.#signal);
  }

  async #withMembers(entries: readonly LdapEntry[], attribute: string): Promise<readonly GroupEntry[]> {
    const found: GroupEntry[] = [];
    for (const entry of entries) found.push({ entry, members: await this.#members(entry, attribute) });
    return found;
  }

  /** Active Directory sends 1,500 values at a time (MaxValRange). The other ranges follow (MS-ADTS 3.1.1.3.1.3.3). */
  async #members(entry: LdapEntry, attribute: string): Promise<readonly string[]> {
    let range = entry.range(attribute);
    if (range === null) return entry.texts(attribute);
    const members = [...range.values];
    while (range !== null && range.next !== null) {
      const attributes = [`${attribute};range=${range.next}-*`];
      const parameters = { base: entry.dn, scope: "base", filter: anyEntry, attributes } as const;
      const [found]: readonly LdapEntry[] = await searchAll(this.#session, parameters, this.#signal);
      if (found === undefined)
        throw new RollcallError("SOURCE_INCOMPLETE", `group ${entry.dn} was removed while its members were read`);
      range = found.range(attribute);
      for (const member of range?.values ?? []) members.push(member);
    }
    return members;
  }
}

const equals = (attribute: string, value: string): Filter => new EqualityFilter({ attribute, value });

/** Filters for the entries of `filter` that have one of these values, a batch of values each. */
function narrowed(filter: Filter, values: readonly string[], filterFor: (value: string) => Filter): readonly Filter[] {
  const filters: Filter[] = [];
  for (let start = 0; start < values.length; start += maxIdsPerFilter) {
    const some = new OrFilter({ filters: values.slice(start, start + maxIdsPerFilter).map(filterFor) });
    filters.push(new AndFilter({ filters: [filter, some] }));
  }
  return filters;
}
