import { createHash } from "node:crypto";
import {
  AndFilter,
  type Control,
  EqualityFilter,
  type Filter,
  GreaterThanEqualsFilter,
  NotFilter,
  OrFilter,
} from "ldapts";
import {
  readSyncDone,
  readSyncInfo,
  readSyncState,
  showDeleted,
  syncDoneOid,
  syncInfoOid,
  syncRequest,
  syncStateOid,
} from "../protocol/controls.ts";
import { isWithin, normalizeDn } from "../protocol/dn.ts";
import type { LdapEntry } from "../protocol/entry.ts";
import { incomplete } from "../protocol/result-codes.ts";
import { anyEntry, searchPages } from "../protocol/search.ts";
import type { LdapSession } from "../protocol/session.ts";
import type { LdapMessage } from "../protocol/wire.ts";
import { printSyncUuid, readId } from "../servers/identifiers.ts";
import type { LdapSettings } from "../servers/options.ts";
import type { ServerFacts } from "../servers/root-dse.ts";
import { advanceMark, markAfterFull, newerStamp, type StampedPoll, type StampMark } from "./stamp.ts";

/**
 * Read position in the changes of a directory, stored between polls.
 * `sync`: one cookie per context (RFC 4533). `usn`: valid for the database of one domain controller only.
 */
export type Cursor = {
  readonly contexts: readonly string[];
  /** Digest of the places of all containers. A moved container moves every entry below it. */
  readonly containers: string;
} & (
  | { readonly mode: "sync"; readonly cookies: readonly string[] }
  | { readonly mode: "usn"; readonly invocationId: string; readonly usn: number }
  | { readonly mode: "stamp"; readonly mark: StampMark | null }
);

interface Stale {
  readonly kind: "stale";
  /** Why a full poll is necessary. */
  readonly reason: string;
}

/** Ids of the entries that changed since a cursor, or why a full poll is necessary. */
export type Changes =
  | Stale
  | {
      readonly kind: "changes";
      readonly changedIds: readonly string[];
      readonly goneIds: readonly string[];
      readonly touchesGroups: boolean;
      readonly cursor: Cursor;
    };

/** Maximum changed entries. A full poll reads more entries faster than searches by id. */
const maxChanges = 1000;

const groupClasses = new Set([
  "group",
  "groupofnames",
  "groupofuniquenames",
  "posixgroup",
  "ipausergroup",
  "groupofurls",
]);
const containerClasses = new Set([
  "organizationalunit",
  "container",
  "nscontainer",
  "builtindomain",
  "organization",
  "dcobject",
  "locality",
  "country",
]);
const anyContainer = new OrFilter({
  filters: [...containerClasses].map((value) => new EqualityFilter({ attribute: "objectClass", value })),
});

/** The changes collected so far. */
interface Collected {
  readonly changed: Set<string>;
  readonly gone: Set<string>;
  touchesGroups: boolean;
  touchesContainers: boolean;
  newestStamp: string | null;
}

const newCollected = (): Collected => ({
  changed: new Set(),
  gone: new Set(),
  touchesGroups: false,
  touchesContainers: false,
  newestStamp: null,
});

/** State of one refresh under way. */
interface Refresh {
  cookie: Buffer | null;
  isPresentPhase: boolean;
  refusal: string | null;
}

const stale = (reason: string): Stale => ({ kind: "stale", reason });

/** Lists the changes of one server by id. The entries are read by id afterwards. */
export class ChangeFeed {
  readonly #session: LdapSession;
  readonly #settings: LdapSettings;
  readonly #facts: ServerFacts;
  readonly #signal: AbortSignal;

  constructor(session: LdapSession, settings: LdapSettings, facts: ServerFacts, signal: AbortSignal) {
    this.#session = session;
    this.#settings = settings;
    this.#facts = facts;
    this.#signal = signal;
  }

  /**
   * The cursor for changes during a full poll that starts now; null if the server lists no changes.
   * A `stamp` cursor still has the mark of the previous poll. `completeCursor` updates it after the poll.
   */
  async begin(before: Cursor | null): Promise<Cursor | null> {
    const { delta, changeStamp } = this.#settings;
    const { contexts, usn, offersSync } = this.#facts;
    const allows = (mode: Cursor["mode"]): boolean => delta === "auto" || delta === mode;
    if (delta === "off") return null;
    const all = { contexts, containers: await this.#containers() };
    if (usn !== null && allows("usn")) return { mode: "usn", ...all, ...usn };
    const cookies = offersSync && allows("sync") ? await this.#firstCookies() : null;
    if (cookies !== null) return { mode: "sync", ...all, cookies };
    if (changeStamp === null || !allows("stamp")) return null;
    return { mode: "stamp", ...all, mark: before?.mode === "stamp" ? before.mark : null };
  }

  /** The changes since the cursor. @throws `SOURCE_INCOMPLETE`, `ABORTED` */
  async since(cursor: Cursor, nowMs: () => number): Promise<Changes> {
    if (cursor.contexts.join("\n") !== this.#facts.contexts.join("\n"))
      return stale("the server's naming contexts changed");
    const collected = newCollected();
    const next = await this.#collect(cursor, nowMs, collected);
    if (next.kind === "stale") return next;
    const { changed, gone, touchesGroups, touchesContainers } = collected;
    if (changed.size > maxChanges) return stale(`more than ${maxChanges} entries changed`);
    if (touchesContainers && (await this.#containers()) !== cursor.containers)
      return stale("a container was added, moved or removed, and perhaps every entry below it");
    return { kind: "changes", changedIds: [...changed], goneIds: [...gone], touchesGroups, cursor: next.cursor };
  }

  async #collect(
    cursor: Cursor,
    nowMs: () => number,
    into: Collected,
  ): Promise<Stale | { readonly kind: "next"; readonly cursor: Cursor }> {
    switch (cursor.mode) {
      case "sync": {
        const cookies: string[] = [];
        for (const [index, context] of cursor.contexts.entries()) {
          const before = cursor.cookies[index] ?? "";
          const found = await this.#refresh(context, "sub", Buffer.from(before, "base64"), into);
          if (found.kind === "stale") return found;
          cookies.push(found.cookie ?? before);
        }
        return { kind: "next", cursor: { ...cursor, cookies } };
      }
      case "usn": {
        const now = this.#facts.usn;
        if (now === null || now.invocationId !== cursor.invocationId)
          return stale("another domain controller answers, or this one was restored");
        if (now.usn < cursor.usn) return stale("the domain controller's update number went back");
        const filter = new GreaterThanEqualsFilter({ attribute: "uSNChanged", value: String(cursor.usn + 1) });
        if (now.usn > cursor.usn) await this.#list(filter, ["isDeleted"], into, [showDeleted]);
        return { kind: "next", cursor: { ...cursor, usn: now.usn } };
      }
      case "stamp": {
        const { changeStamp: attribute } = this.#settings;
        const value = cursor.mark?.since ?? null;
        if (attribute === null || cursor.mark === null || value === null) return stale(`no entry shows ${attribute}`);
        const startedAtMs = nowMs();
        // LDAP filters have no "greater": "at least" and "not equal" instead.
        const after = new AndFilter({
          filters: [
            new GreaterThanEqualsFilter({ attribute, value }),
            new NotFilter({ filter: new EqualityFilter({ attribute, value }) }),
          ],
        });
        await this.#list(after, [attribute], into, []);
        const poll = { startedAtMs, endedAtMs: nowMs(), newest: into.newestStamp };
        return { kind: "next", cursor: { ...cursor, mark: advanceMark(cursor.mark, poll) } };
      }
      default:
        return cursor satisfies never;
    }
  }

  /** Digest of the ids and places of all containers that can hold users and groups. */
  async #containers(): Promise<string> {
    const { entryId } = this.#settings;
    const places: string[] = [];
    for await (const entry of this.#entries(anyContainer, [entryId]))
      if (this.#canHoldEntities(entry.dn)) places.push(`${readId(entry, entryId)} ${normalizeDn(entry.dn)}`);
    return createHash("sha256").update(places.sort().join("\n")).digest("hex").slice(0, 16);
  }

  /** A search of the base entry alone returns the current cookie without a list of the directory. */
  async #firstCookies(): Promise<readonly string[] | null> {
    const cookies: string[] = [];
    for (const context of this.#facts.contexts) {
      const found = await this.#refresh(context, "base", null, newCollected());
      if (found.kind === "stale" || found.cookie === null) return null;
      cookies.push(found.cookie);
    }
    return cookies;
  }

  /** One refresh (RFC 4533 §3.3). Intermediate messages list deleted ids. */
  async #refresh(
    base: string,
    scope: "base" | "sub",
    before: Buffer | null,
    into: Collected,
  ): Promise<Stale | { readonly kind: "refreshed"; readonly cookie: string | null }> {
    const run: Refresh = { cookie: null, isPresentPhase: false, refusal: null };
    const request = { base, scope, filter: anyEntry, attributes: ["objectClass"] } as const;
    for await (const message of this.#session.search(request, [syncRequest(before)], this.#signal))
      this.#take(message, base, run, into);
    if (run.refusal !== null) return stale(run.refusal);
    if (before !== null && run.isPresentPhase) return stale("the server's log does not reach back to the last poll");
    // OpenLDAP answers an unreadable cookie with all entries and an empty cookie.
    if (run.cookie?.length === 0) return stale("the server did not accept the cookie");
    return { kind: "refreshed", cookie: run.cookie?.toString("base64") ?? null };
  }

  #take(message: LdapMessage, base: string, run: Refresh, into: Collected): void {
    const { entryId, reportsRefreshDeletes } = this.#settings;
    const control = (oid: string): Buffer | null => {
      const value = message.controls.find((each) => each.oid === oid)?.value ?? null;
      if (value === null) run.refusal = "the server ignores the synchronization control";
      return value;
    };
    if (message.kind === "entry") {
      const value = control(syncStateOid);
      if (value === null) return;
      const { isDelete, uuid } = readSyncState(value);
      if (isDelete) into.gone.add(printSyncUuid(entryId, uuid));
      else this.#note(message.entry, printSyncUuid(entryId, uuid), into);
    } else if (message.kind === "intermediate" && message.oid === syncInfoOid) {
      const { kind, cookie, uuids } = readSyncInfo(message.value);
      if (kind === "present") run.isPresentPhase = true;
      else for (const uuid of uuids) into.gone.add(printSyncUuid(entryId, uuid));
      run.cookie = cookie ?? run.cookie;
    } else if (message.kind === "done" && message.result.code !== 0) {
      // The cookie is too old (4096), or newer than a server restored from a backup (53).
      run.refusal = incomplete(`synchronization of ${base}`, message.result).message;
    } else if (message.kind === "done") {
      const value = control(syncDoneOid);
      if (value === null) return;
      const { cookie, refreshDeletes } = readSyncDone(value);
      // OpenLDAP lists all present entries if its session log starts after the cookie. A restart empties the log.
      if (reportsRefreshDeletes && !refreshDeletes) run.isPresentPhase = true;
      run.cookie = cookie ?? run.cookie;
    }
  }

  /** Collects the ids of all entries that match. It stops early if they are too many. */
  async #list(
    filter: Filter,
    attributes: readonly string[],
    into: Collected,
    controls: readonly Control[],
  ): Promise<void> {
    const { entryId, changeStamp } = this.#settings;
    for await (const entry of this.#entries(filter, [entryId, "objectClass", ...attributes], controls)) {
      const id = readId(entry, entryId);
      if (changeStamp !== null) into.newestStamp = newerStamp(into.newestStamp, entry.text(changeStamp));
      if (id === null) continue;
      if (entry.text("isDeleted")?.toUpperCase() === "TRUE") into.gone.add(id);
      else this.#note(entry, id, into);
      if (into.changed.size > maxChanges) return;
    }
  }

  async *#entries(
    filter: Filter,
    attributes: readonly string[],
    controls: readonly Control[] = [],
  ): AsyncGenerator<LdapEntry> {
    for (const base of this.#facts.contexts) {
      const parameters = { base, scope: "sub", filter, attributes } as const;
      const pages = searchPages(this.#session, parameters, this.#settings.pageSize, this.#signal, controls);
      for await (const { entries } of pages) yield* entries;
    }
  }

  #note(entry: LdapEntry, id: string, into: Collected): void {
    into.changed.add(id);
    const classes = entry.texts("objectClass").map((name) => name.toLowerCase());
    if (classes.some((name) => groupClasses.has(name))) into.touchesGroups = true;
    // A renamed container moves every entry below it. Servers list the container only.
    if (classes.some((name) => containerClasses.has(name)) && this.#canHoldEntities(entry.dn))
      into.touchesContainers = true;
  }

  /** True if users or groups can lie below this DN. */
  #canHoldEntities(dn: string): boolean {
    const { users, groups } = this.#settings;
    // Servers change the head of a naming context for their own reasons. It can't be renamed.
    if (this.#facts.contexts.some((context) => normalizeDn(context) === normalizeDn(dn))) return false;
    return [users.baseDn, groups?.baseDn ?? users.baseDn].some((base) => isWithin(dn, base) || isWithin(base, dn));
  }
}

/** The cursor to store after a full poll that started with `begun`. */
export const completeCursor = (begun: Cursor | null, poll: StampedPoll): Cursor | null =>
  begun?.mode === "stamp" ? { ...begun, mark: markAfterFull(begun.mark, poll) } : begun;
