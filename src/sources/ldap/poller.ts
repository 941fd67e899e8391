import { createHash, randomUUID } from "node:crypto";
import type { Cause } from "../../domain/model/entities.ts";
import { messageOf, RollcallError } from "../../domain/model/errors.ts";
import type {
  CommitOptions,
  CommitResult,
  ImportStore,
  PollFinding,
  PollState,
} from "../../domain/ports/import-store.ts";
import { noTracing, type Tracer } from "../../telemetry/index.ts";
import { connectLdap, type ResolveSrv } from "./protocol/connection.ts";
import { ChangeFeed, type Cursor, completeCursor } from "./read/changes.ts";
import { readDelta, usesMemberOf } from "./read/delta.ts";
import { Findings } from "./read/findings.ts";
import { readEverything } from "./read/full.ts";
import { DirectoryReader } from "./read/reader.ts";
import type { LdapSettings } from "./servers/options.ts";
import { readFacts } from "./servers/root-dse.ts";

/** What a poller needs from outside. */
export interface LdapPollerParts {
  readonly store: ImportStore;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: (level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) => void;
  /** For the metric `rollcall_ldap_poll_seconds{source,mode}`; called for failed polls too. */
  readonly measured?: (sample: {
    readonly source: string;
    readonly mode: PollMode;
    readonly seconds: number;
    readonly isOk: boolean;
  }) => void;
  readonly resolveSrv?: ResolveSrv;
  /** Default: none. */
  readonly tracer?: Tracer;
}

export type PollMode = "full" | "delta";

export interface PollRequest {
  /** `auto` reads only what changed where that is enough. */
  readonly mode: "auto" | "full";
  /** Lets one shrink through. */
  readonly acceptShrink?: boolean;
  readonly requestId?: string | null;
  /** For a progress bar: how many entries were read, of how many the last time; null where unknown. */
  readonly progress?: (read: number, expected: number | null) => void;
}

/** What a poll did. */
export interface PollReport {
  readonly source: string;
  readonly mode: PollMode;
  /** Why everything was read; null for a delta. */
  readonly fullBecause: string | null;
  readonly url: string;
  readonly entries: number;
  readonly searches: number;
  readonly seconds: number;
  readonly result: CommitResult;
  readonly findings: readonly PollFinding[] | null;
}

/** The stored cursor with what it is good for. */
interface StoredCursor {
  /** Of the settings that decide what is read: others mean a full poll. */
  readonly fingerprint: string;
  readonly url: string;
  readonly cursor: Cursor | null;
}

/** Polls one directory, one poll at a time. */
export class LdapPoller {
  readonly settings: LdapSettings;
  readonly #parts: LdapPollerParts;
  readonly #fingerprint: string;
  #running: Promise<PollReport> | null = null;

  constructor(settings: LdapSettings, parts: LdapPollerParts) {
    this.settings = settings;
    this.#parts = parts;
    this.#fingerprint = fingerprintOf(settings);
  }

  /**
   * Reads the directory and makes it the state of the source. While a poll runs, another call waits for that one.
   * When it fails the last good state stays, and the store says since when.
   * @throws `SOURCE_UNAVAILABLE`, `SOURCE_INCOMPLETE`, `SNAPSHOT_REFUSED`, `STORE_UNAVAILABLE`, `ABORTED`
   */
  poll(request: PollRequest, signal: AbortSignal): Promise<PollReport> {
    this.#running ??= this.#traced(request, signal).finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Every poll has an id, as every request has: what follows from it is found by it. */
  #traced(request: PollRequest, signal: AbortSignal): Promise<PollReport> {
    const { tracer = noTracing } = this.#parts;
    const { name: source } = this.settings;
    const requestId = request.requestId ?? randomUUID();
    const attributes = { "rollcall.source": source, "rollcall.request_id": requestId };
    return tracer.span(`poll ${source}`, { attributes, requestId }, async (span) => {
      const report = await this.#poll({ ...request, requestId }, signal);
      const { mode, entries, searches } = report;
      span.set({ "rollcall.mode": mode, "rollcall.entries": entries, "rollcall.searches": searches });
      return report;
    });
  }

  async #poll(request: PollRequest, signal: AbortSignal): Promise<PollReport> {
    const { store, now, log, measured } = this.#parts;
    const { name: source } = this.settings;
    const startedAtMs = now();
    const took = { mode: "full" as PollMode };
    try {
      const state = await store.pollState(source);
      const report = await this.#read(request, state, took, startedAtMs, signal);
      await store.recordPoll(source, {
        ok: true,
        isFull: report.mode === "full",
        atMs: now(),
        findings: report.findings,
      });
      if (state.failingSinceMs !== null)
        log("info", "directory can be read again", {
          source,
          failingSince: new Date(state.failingSinceMs).toISOString(),
        });
      measured?.({ source, mode: report.mode, seconds: report.seconds, isOk: true });
      return report;
    } catch (error) {
      const failure =
        error instanceof RollcallError
          ? error
          : new RollcallError("SOURCE_INCOMPLETE", `poll of ${source} failed: ${messageOf(error)}`, { cause: error });
      if (failure.code !== "ABORTED") await this.#failed(failure);
      measured?.({ source, mode: took.mode, seconds: (now() - startedAtMs) / 1000, isOk: false });
      throw failure;
    }
  }

  /** Keeps since when the directory can't be read. A store that is away can't keep it: the log does. */
  async #failed(error: RollcallError): Promise<void> {
    const { store, now, log } = this.#parts;
    const { name: source } = this.settings;
    if (error.code === "STORE_UNAVAILABLE") {
      log("error", "poll failed: the store can't be used", { source, error });
      return;
    }
    await store.recordPoll(source, { ok: false, atMs: now(), errorCode: error.code, errorMessage: error.message });
    const { failingSinceMs } = await store.pollState(source);
    const since = failingSinceMs === null ? null : new Date(failingSinceMs).toISOString();
    log("warn", "directory not read, the last good state stays", { source, code: error.code, since, error });
  }

  async #read(
    request: PollRequest,
    state: PollState,
    took: { mode: PollMode },
    startedAtMs: number,
    signal: AbortSignal,
  ): Promise<PollReport> {
    const { store, now, resolveSrv } = this.#parts;
    const { settings } = this;
    const stored = parseCursor(state.cursor);
    const { session, url } = await connectLdap(settings, stored?.url ?? null, signal, resolveSrv);
    try {
      const feed = new ChangeFeed(session, settings, await readFacts(session, settings, signal), signal);
      const reader = new DirectoryReader(session, settings, signal);
      const cause: Cause = { actor: `ldap:${settings.name}`, requestId: request.requestId ?? null };
      const options = (cursor: Cursor | null): CommitOptions => ({
        minKeptPercent: settings.minKeptPercent,
        acceptShrink: request.acceptShrink ?? false,
        cursor: JSON.stringify({ fingerprint: this.#fingerprint, url, cursor } satisfies StoredCursor),
        nowMs: now(),
      });
      const report = (
        rest: Pick<PollReport, "mode" | "fullBecause" | "entries" | "result" | "findings">,
      ): PollReport => ({
        source: settings.name,
        url,
        searches: session.searches,
        seconds: (now() - startedAtMs) / 1000,
        ...rest,
      });

      let fullBecause = this.#whyFull(request, state, stored, startedAtMs);
      if (fullBecause === null && stored?.cursor) {
        took.mode = "delta";
        const changes = await feed.since(stored.cursor, now);
        if (changes.kind === "changes" && !(changes.touchesGroups && usesMemberOf(settings))) {
          const delta = await readDelta(reader, settings, store, changes);
          const result = await store.applyDelta(settings.name, delta, options(changes.cursor), cause);
          return report({
            mode: "delta",
            fullBecause: null,
            entries: delta.users.length + delta.groups.length,
            result,
            findings: null,
          });
        }
        fullBecause =
          changes.kind === "stale" ? changes.reason : "a group changed, and people are found by their memberOf";
      }
      took.mode = "full";
      return report({ mode: "full", fullBecause, ...(await this.#full(request, state, feed, reader, options, cause)) });
    } finally {
      session.close();
    }
  }

  async #full(
    request: PollRequest,
    state: PollState,
    feed: ChangeFeed,
    reader: DirectoryReader,
    options: (cursor: Cursor | null) => CommitOptions,
    cause: Cause,
  ): Promise<Pick<PollReport, "entries" | "result" | "findings">> {
    const { store, now } = this.#parts;
    const { name } = this.settings;
    const startedAtMs = now();
    const begun = await feed.begin(parseCursor(state.cursor)?.cursor ?? null);
    const findings = new Findings();
    const expected = state.users + state.groups === 0 ? null : state.users + state.groups;
    const snapshot = await store.beginSnapshot(name);
    try {
      const { entries, newestStamp } = await readEverything(reader, this.settings, snapshot, findings, {
        stampAttribute: begun?.mode === "stamp" ? this.settings.changeStamp : null,
        progress: (read) => request.progress?.(read, expected),
      });
      const cursor = completeCursor(begun, startedAtMs, now(), newestStamp);
      const result = await snapshot.commit(options(cursor), cause);
      return { entries, result, findings: findings.list() };
    } catch (error) {
      await snapshot.abort();
      throw error;
    }
  }

  /** Why a delta is not enough; null when it is. */
  #whyFull(request: PollRequest, state: PollState, stored: StoredCursor | null, nowMs: number): string | null {
    if (request.mode === "full") return "asked for";
    if (state.lastFullAtMs === null) return "first poll";
    if (stored === null || stored.cursor === null) return "the server tells no changes";
    if (stored.fingerprint !== this.#fingerprint) return "the configuration of the source changed";
    if (state.unconfirmedMissing > 0)
      return `${state.unconfirmedMissing} entries are missing for the first time: a second look decides`;
    return nowMs - state.lastFullAtMs >= this.settings.fullEveryMs ? "fullEvery has passed" : null;
  }
}

function parseCursor(text: string | null): StoredCursor | null {
  // Written by `options` above: only this file reads and writes it.
  return text === null ? null : (JSON.parse(text) as StoredCursor);
}

/** Changes with every setting that decides what is read and what it means. */
function fingerprintOf({ preset, users, groups, entryId, changeStamp }: LdapSettings): string {
  return createHash("sha256")
    .update(JSON.stringify([1, preset, users, groups, entryId, changeStamp]))
    .digest("hex")
    .slice(0, 16);
}
