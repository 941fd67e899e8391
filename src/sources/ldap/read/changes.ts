import { createHash } from "node:crypto";
import { AndFilter, EqualityFilter, type Filter, GreaterThanEqualsFilter, NotFilter, OrFilter } from "ldapts";
import {
  readSyncDone,
  readSyncInfo,
  readSyncState,
  ShowDeletedControl,
  SyncRequestControl,
  syncDoneOid,
  syncInfoOid,
  syncStateOid,
} from "../protocol/controls.ts";
import { isWithin, normalizeDn } from "../protocol/dn.ts";
import type { LdapEntry } from "../protocol/entry.ts";
import { incomplete } from "../protocol/result-codes.ts";
import { searchPages } from "../protocol/search.ts";
import type { LdapSession } from "../protocol/session.ts";
import type { LdapMessage, LdapResult, ResponseControl } from "../protocol/wire.ts";
import { printSyncUuid, readId } from "../servers/identifiers.ts";
import type { LdapSettings } from "../servers/options.ts";
import { parseFilter } from "../servers/presets.ts";
import type { ServerFacts } from "../servers/root-dse.ts";
import { advanceMark, markAfterFull, type StampMark } from "./stamp.ts";

/**
 * How far the changes of a directory have been read; stored between polls.
 * `sync`: one cookie for each context (RFC 4533). `usn`: good for one domain controller's database only.
 */
export type Cursor = {
  readonly contexts: readonly string[];
  /** Of the places of all containers: another one means that one was moved, and all that lie below it with it. */
  readonly containers: string;
} & (
  | { readonly mode: "sync"; readonly cookies: readonly string[] }
  | { readonly mode: "usn"; readonly invocationId: string; readonly usn: number }
  | { readonly mode: "stamp"; readonly mark: StampMark | null }
);

/** What changed, or why only a complete poll can tell. */
export type Changes =
  | {
      readonly kind: "changes";
      readonly changedIds: readonly string[];
      readonly goneIds: readonly string[];
      readonly touchesGroups: boolean;
      readonly touchesContainers: boolean;
      readonly cursor: Cursor;
    }
  | { readonly kind: "stale"; readonly reason: string };

/** More than this many changed entries are read sooner by a complete poll than one by one. */
const changesLimit = 1000;

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

/** What a feed collects while it reads. */
interface Collected {
  readonly changed: Set<string>;
  readonly gone: Set<string>;
  touchesGroups: boolean;
  touchesContainers: boolean;
  newestStamp: string | null;
}

/** Reads the list of changes of one server. It tells ids only: the entries themselves are read by id afterwards. */
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
   * Where changes begin that a complete poll starting now may miss; null when the server tells of none.
   * The mark of a `stamp` cursor is that of the poll before, and filled in by `completeCursor` when the poll has ended.
   */
  async begin(before: Cursor | null): Promise<Cursor | null> {
    const { delta } = this.#settings;
    const { contexts, usn, offersSync } = this.#facts;
    if (delta === "off") return null;
    const all = { contexts, containers: await this.#containers() };
    if (usn !== null && (delta === "auto" || delta === "usn")) return { mode: "usn", ...all, ...usn };
    if (offersSync && (delta === "auto" || delta === "sync")) {
      const cookies = await this.#firstCookies();
      if (cookies !== null) return { mode: "sync", ...all, cookies };
    }
    if (delta === "sync" || delta === "usn" || this.#settings.preset === "activedirectory") return null;
    return { mode: "stamp", ...all, mark: before?.mode === "stamp" ? before.mark : null };
  }

  /** Ids and places of the containers in which people and groups may lie, as one digest. */
  async #containers(): Promise<string> {
    const { entryId, pageSize } = this.#settings;
    const places: string[] = [];
    const filter = new OrFilter({
      filters: [...containerClasses].map((value) => new EqualityFilter({ attribute: "objectClass", value })),
    });
    for (const base of this.#facts.contexts) {
      for await (const { entries } of searchPages(
        this.#session,
        { base, scope: "sub", filter, attributes: [entryId] },
        pageSize,
        this.#signal,
      )) {
        for (const entry of entries)
          if (this.#holdsPeople(entry.dn)) places.push(`${readId(entry, entryId)} ${normalizeDn(entry.dn)}`);
      }
    }
    return createHash("sha256").update(places.sort().join("\n")).digest("hex").slice(0, 16);
  }

  /** What changed since the cursor. @throws `SOURCE_INCOMPLETE`, `ABORTED` */
  async since(cursor: Cursor, nowMs: () => number): Promise<Changes> {
    if (cursor.contexts.join("\n") !== this.#facts.contexts.join("\n"))
      return stale("the server's naming contexts are others now");
    const changes = await this.#changesSince(cursor, nowMs);
    if (changes.kind === "changes" && changes.touchesContainers && (await this.#containers()) !== cursor.containers) {
      return stale("a container was added, moved or removed, and perhaps all that lies below it");
    }
    return changes;
  }

  async #changesSince(cursor: Cursor, nowMs: () => number): Promise<Changes> {
    switch (cursor.mode) {
      case "sync":
        return this.#sync(cursor);
      case "usn":
        return this.#usn(cursor);
      case "stamp":
        return this.#stamp(cursor, nowMs);
      default:
        return cursor satisfies never;
    }
  }

  /** A search of the base entry alone gives the cookie of now without reading the directory. */
  async #firstCookies(): Promise<readonly string[] | null> {
    const cookies: string[] = [];
    for (const context of this.#facts.contexts) {
      const found = await this.#refresh(context, "base", null, newCollected());
      if (found.kind !== "cookie" || found.cookie === null) return null;
      cookies.push(found.cookie);
    }
    return cookies;
  }

  async #sync(cursor: Extract<Cursor, { mode: "sync" }>): Promise<Changes> {
    const collected = newCollected();
    const cookies: string[] = [];
    for (const [index, context] of cursor.contexts.entries()) {
      const before = cursor.cookies[index] ?? "";
      const found = await this.#refresh(context, "sub", Buffer.from(before, "base64"), collected);
      if (found.kind === "stale") return found;
      cookies.push(found.cookie ?? before);
    }
    return conclude(collected, { ...cursor, cookies });
  }

  /** One refresh (RFC 4533 §3.3). The list of deleted ids comes in intermediate messages. */
  async #refresh(base: string, scope: "base" | "sub", before: Buffer | null, into: Collected): Promise<Refreshed> {
    const request = { base, scope, filter: parseFilter("(objectClass=*)"), attributes: ["objectClass"] } as const;
    const run: Refresh = { cookie: null, isPresentPhase: false, refusal: null };
    for await (const message of this.#session.search(request, [new SyncRequestControl(before)], this.#signal)) {
      if (message.kind === "entry") this.#takeEntry(message, run, into);
      else if (message.kind === "intermediate" && message.oid === syncInfoOid) this.#takeInfo(message.value, run, into);
      else if (message.kind === "done") this.#takeDone(message.result, message.controls, base, run);
    }
    if (run.refusal !== null) return stale(run.refusal);
    if (before !== null && run.isPresentPhase) return stale("the server's log does not reach back to the last poll");
    // OpenLDAP answers a cookie that it can't read with everything and an empty one.
    if (run.cookie?.length === 0) return stale("the server did not accept the cookie");
    return { kind: "cookie", cookie: run.cookie === null ? null : run.cookie.toString("base64") };
  }

  #takeEntry({ entry, controls }: Extract<LdapMessage, { kind: "entry" }>, run: Refresh, into: Collected): void {
    const state = controls.find(({ oid }) => oid === syncStateOid);
    if (state === undefined) {
      run.refusal = "the server ignores the synchronization control";
      return;
    }
    const { isDelete, uuid } = readSyncState(state.value);
    const id = printSyncUuid(this.#settings.entryId, uuid);
    if (isDelete) into.gone.add(id);
    else this.#note(entry, id, into);
  }

  #takeInfo(value: Buffer, run: Refresh, into: Collected): void {
    const info = readSyncInfo(value);
    if (info.kind === "present") run.isPresentPhase = true;
    else for (const uuid of info.uuids) into.gone.add(printSyncUuid(this.#settings.entryId, uuid));
    run.cookie = info.cookie ?? run.cookie;
  }

  #takeDone(result: LdapResult, controls: readonly ResponseControl[], base: string, run: Refresh): void {
    // The cookie is too old (4096), or newer than a server restored from a backup (53).
    if (result.code !== 0) {
      run.refusal = incomplete(`synchronization of ${base}`, result).message;
      return;
    }
    const control = controls.find(({ oid }) => oid === syncDoneOid);
    if (control === undefined) {
      run.refusal = "the server ignores the synchronization control";
      return;
    }
    const done = readSyncDone(control.value);
    // OpenLDAP lists what is still there when its session log does not reach back (a restart empties it).
    // 389 DS says the same in every answer although it lists deletions: there the flag means nothing.
    if (this.#settings.preset === "openldap" && !done.refreshDeletes) run.isPresentPhase = true;
    run.cookie = done.cookie ?? run.cookie;
  }

  async #usn(cursor: Extract<Cursor, { mode: "usn" }>): Promise<Changes> {
    const now = this.#facts.usn;
    if (now === null || now.invocationId !== cursor.invocationId)
      return stale("another domain controller answers, or this one was restored");
    if (now.usn < cursor.usn) return stale("the domain controller's update number went back");
    const collected = newCollected();
    if (now.usn === cursor.usn) return conclude(collected, cursor);
    const filter = new GreaterThanEqualsFilter({ attribute: "uSNChanged", value: String(cursor.usn + 1) });
    for (const context of cursor.contexts)
      await this.#list(context, filter, ["isDeleted"], collected, [new ShowDeletedControl()]);
    return conclude(collected, { ...cursor, usn: now.usn });
  }

  async #stamp(cursor: Extract<Cursor, { mode: "stamp" }>, nowMs: () => number): Promise<Changes> {
    const { changeStamp: attribute } = this.#settings;
    const since = cursor.mark?.since ?? null;
    if (cursor.mark === null || since === null) return stale(`no entry shows ${attribute}`);
    const collected = newCollected();
    const startedAtMs = nowMs();
    // LDAP has no "greater": at least, but not equal.
    const after = new AndFilter({
      filters: [
        new GreaterThanEqualsFilter({ attribute, value: since }),
        new NotFilter({ filter: new EqualityFilter({ attribute, value: since }) }),
      ],
    });
    for (const context of cursor.contexts) await this.#list(context, after, [attribute], collected, []);
    const mark = advanceMark(cursor.mark, { startedAtMs, endedAtMs: nowMs(), newest: collected.newestStamp });
    return conclude(collected, { ...cursor, mark });
  }

  async #list(
    base: string,
    filter: Filter,
    attributes: readonly string[],
    into: Collected,
    controls: readonly ShowDeletedControl[],
  ): Promise<void> {
    const { entryId, pageSize, changeStamp } = this.#settings;
    const parameters = { base, scope: "sub", filter, attributes: [entryId, "objectClass", ...attributes] } as const;
    for await (const { entries } of searchPages(this.#session, parameters, pageSize, this.#signal, controls)) {
      for (const entry of entries) {
        const id = readId(entry, entryId);
        const stamp = entry.text(changeStamp);
        if (stamp !== null && (into.newestStamp === null || stamp > into.newestStamp)) into.newestStamp = stamp;
        if (id === null) continue;
        if (entry.text("isDeleted")?.toUpperCase() === "TRUE") into.gone.add(id);
        else this.#note(entry, id, into);
      }
      if (into.changed.size > changesLimit) return;
    }
  }

  #note(entry: LdapEntry, id: string, into: Collected): void {
    into.changed.add(id);
    const classes = entry.texts("objectClass").map((name) => name.toLowerCase());
    if (classes.some((name) => groupClasses.has(name))) into.touchesGroups = true;
    // Renaming a container moves all that lie below it, and no server says so for each of them.
    if (classes.some((name) => containerClasses.has(name)) && this.#holdsPeople(entry.dn))
      into.touchesContainers = true;
  }

  #holdsPeople(dn: string): boolean {
    const { users, groups } = this.#settings;
    // Servers touch the head of a naming context for reasons of their own, and it can't be renamed.
    if (this.#facts.contexts.some((context) => normalizeDn(context) === normalizeDn(dn))) return false;
    return [users.baseDn, groups?.baseDn ?? users.baseDn].some((base) => isWithin(dn, base) || isWithin(base, dn));
  }
}

/** One refresh under way. */
interface Refresh {
  cookie: Buffer | null;
  isPresentPhase: boolean;
  refusal: string | null;
}

type Refreshed =
  | { readonly kind: "cookie"; readonly cookie: string | null }
  | { readonly kind: "stale"; readonly reason: string };

const newCollected = (): Collected => ({
  changed: new Set(),
  gone: new Set(),
  touchesGroups: false,
  touchesContainers: false,
  newestStamp: null,
});

const stale = (reason: string): { readonly kind: "stale"; readonly reason: string } => ({ kind: "stale", reason });

function conclude({ changed, gone, touchesGroups, touchesContainers }: Collected, cursor: Cursor): Changes {
  if (changed.size > changesLimit) return stale(`more than ${changesLimit} entries changed`);
  return { kind: "changes", changedIds: [...changed], goneIds: [...gone], touchesGroups, touchesContainers, cursor };
}

/** The cursor to store after a complete poll that began with `begun`. `newest` is the newest stamp that it met. */
export function completeCursor(
  begun: Cursor | null,
  startedAtMs: number,
  endedAtMs: number,
  newest: string | null,
): Cursor | null {
  if (begun?.mode !== "stamp") return begun;
  return { ...begun, mark: markAfterFull(begun.mark, { startedAtMs, endedAtMs, newest }) };
}
