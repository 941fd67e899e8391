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
import { connectLdap } from "./protocol/connection.ts";
import { ChangeFeed, type Cursor, completeCursor } from "./read/changes.ts";
import { Findings } from "./read/convert.ts";
import { readDelta, usesMemberOf } from "./read/delta.ts";
import { readEverything } from "./read/full.ts";
import { DirectoryReader } from "./read/reader.ts";
import type { LdapSettings } from "./servers/options.ts";
import { readFacts } from "./servers/root-dse.ts";

export interface LdapPollerParts {
  readonly store: ImportStore;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: (level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) => void;
  /** Called after each poll, also a failed one. It feeds the metric `rollcall_ldap_poll_seconds{source,mode}`. */
  readonly measured?: (sample: Pick<PollReport, "source" | "mode" | "seconds">) => void;
  /** Default: none. */
  readonly tracer?: Tracer;
}

export type PollMode = "full" | "delta";

export interface PollRequest {
  /** `auto` reads only the changes if that is enough. */
  readonly mode: "auto" | "full";
  /** True if one snapshot may shrink more than `minKeptPercent` allows. */
  readonly acceptShrink?: boolean;
  /** Progress of a full poll: entries read, and the number in the previous snapshot (null if unknown). */
  readonly progress?: (read: number, expected: number | null) => void;
}

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

/** The stored cursor, and the conditions under which it is valid. */
interface StoredCursor {
  /** Digest of the settings that decide what is read. Other settings need a full poll. */
  readonly fingerprint: string;
  readonly url: string;
  readonly cursor: Cursor | null;
}

/** One poll under way. */
interface OpenPoll {
  readonly request: PollRequest;
  readonly state: PollState;
  readonly startedAtMs: number;
  readonly stored: StoredCursor | null;
  readonly feed: ChangeFeed;
  readonly reader: DirectoryReader;
  readonly cause: Cause;
  readonly options: (cursor: Cursor | null) => CommitOptions;
}

type ReadReport = Pick<PollReport, "mode" | "fullBecause" | "entries" | "result" | "findings">;

/** Polls one directory, one poll at a time. */
export class LdapPoller {
  readonly settings: LdapSettings;
  readonly #parts: LdapPollerParts;
  readonly #fingerprint: string;
  #running: Promise<PollReport> | null = null;
  /** Mode of the poll under way, for the measurement of a failed poll. */
  #mode: PollMode = "full";

  constructor(settings: LdapSettings, parts: LdapPollerParts) {
    this.settings = settings;
    this.#parts = parts;
    this.#fingerprint = fingerprintOf(settings);
  }

  /**
   * Reads the directory and makes it the state of the source. A call during a poll waits for that poll.
   * A failed poll changes no user and no group. The store records since when polls fail.
   * @throws `SOURCE_UNAVAILABLE`, `SOURCE_INCOMPLETE`, `SNAPSHOT_REFUSED`, `STORE_UNAVAILABLE`, `ABORTED`
   */
  poll(request: PollRequest, signal: AbortSignal): Promise<PollReport> {
    this.#running ??= this.#traced(request, signal).finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Each poll has a request id. The audit trail and the logs name it as the cause of changes. */
  #traced(request: PollRequest, signal: AbortSignal): Promise<PollReport> {
    const { tracer = noTracing } = this.#parts;
    const { name: source } = this.settings;
    const requestId = randomUUID();
    const attributes = { "rollcall.source": source, "rollcall.request_id": requestId };
    return tracer.span(`poll ${source}`, { attributes, requestId }, async (span) => {
      const report = await this.#recorded(request, requestId, signal);
      const { mode, entries, searches } = report;
      span.set({ "rollcall.mode": mode, "rollcall.entries": entries, "rollcall.searches": searches });
      return report;
    });
  }

  /** Polls, and records the outcome in the store, the log and the metrics. */
  async #recorded(request: PollRequest, requestId: string, signal: AbortSignal): Promise<PollReport> {
    const { store, now, log, measured } = this.#parts;
    const { name: source } = this.settings;
    const startedAtMs = now();
    this.#mode = "full";
    try {
      const state = await store.pollState(source);
      const cause: Cause = { actor: `ldap:${source}`, requestId };
      const read = await this.#read({ request, state, cause, startedAtMs }, signal);
      const report: PollReport = { source, seconds: (now() - startedAtMs) / 1000, ...read };
      await store.recordPoll(source, {
        ok: true,
        isFull: report.mode === "full",
        atMs: now(),
        findings: report.findings,
      });
      if (state.failingSinceMs !== null)
        log("info", "directory can be read again", { source, failingSince: timeOf(state.failingSinceMs) });
      return report;
    } catch (error) {
      const failure =
        error instanceof RollcallError
          ? error
          : new RollcallError("SOURCE_INCOMPLETE", `poll of ${source} failed: ${messageOf(error)}`, { cause: error });
      if (failure.code !== "ABORTED") await this.#recordFailure(failure);
      throw failure;
    } finally {
      measured?.({ source, mode: this.#mode, seconds: (now() - startedAtMs) / 1000 });
    }
  }

  /** Records since when the directory can't be read. If the store can't be used, the log is the only record. */
  async #recordFailure(error: RollcallError): Promise<void> {
    const { store, now, log } = this.#parts;
    const { name: source } = this.settings;
    if (error.code === "STORE_UNAVAILABLE") {
      log("error", "poll failed: the store can't be used", { source, error });
      return;
    }
    await store.recordPoll(source, { ok: false, atMs: now(), errorCode: error.code, errorMessage: error.message });
    const since = timeOf((await store.pollState(source)).failingSinceMs);
    log("warn", "directory not read, the last good state stays", { source, code: error.code, since, error });
  }

  async #read(
    begun: Pick<OpenPoll, "request" | "state" | "cause" | "startedAtMs">,
    signal: AbortSignal,
  ): Promise<Omit<PollReport, "source" | "seconds">> {
    const { settings } = this;
    const { minKeptPercent } = settings;
    const { acceptShrink = false } = begun.request;
    const stored = parseCursor(begun.state.cursor);
    const { session, url } = await connectLdap(settings, stored?.url ?? null, signal);
    try {
      const poll: OpenPoll = {
        ...begun,
        stored,
        feed: new ChangeFeed(session, settings, await readFacts(session, settings, signal), signal),
        reader: new DirectoryReader(session, settings, signal),
        options: (cursor) => ({
          minKeptPercent,
          acceptShrink,
          cursor: JSON.stringify({ fingerprint: this.#fingerprint, url, cursor } satisfies StoredCursor),
          nowMs: this.#parts.now(),
        }),
      };
      const read = this.#whyFull(poll) ?? (await this.#readDelta(poll));
      const report = typeof read === "string" ? await this.#readFull(poll, read) : read;
      return { url, searches: session.searches, ...report };
    } finally {
      session.close();
    }
  }

  /** Why a delta is not enough; null if it is. */
  #whyFull({ request, state, stored, startedAtMs }: OpenPoll): string | null {
    if (request.mode === "full") return "requested";
    if (state.lastFullAtMs === null) return "first poll";
    if (stored === null || stored.cursor === null) return "the server lists no changes";
    if (stored.fingerprint !== this.#fingerprint) return "the configuration of the source changed";
    if (state.unconfirmedMissing > 0)
      return `${state.unconfirmedMissing} entries are missing for the first time: a second full poll decides`;
    return startedAtMs - state.lastFullAtMs >= this.settings.fullEveryMs ? "fullEvery has passed" : null;
  }

  /** Reads the changes. Returns why everything must be read instead, if that is so. */
  async #readDelta({ stored, feed, reader, options, cause }: OpenPoll): Promise<ReadReport | string> {
    const { store, now } = this.#parts;
    if (stored === null || stored.cursor === null) return "the server lists no changes";
    this.#mode = "delta";
    const changes = await feed.since(stored.cursor, now);
    if (changes.kind === "stale") return changes.reason;
    if (changes.touchesGroups && usesMemberOf(this.settings))
      return "a group changed, and the filters or memberships depend on memberOf";
    const delta = await readDelta(reader, this.settings, store, changes);
    const result = await store.applyDelta(this.settings.name, delta, options(changes.cursor), cause);
    const entries = delta.users.length + delta.groups.length;
    return { mode: "delta", fullBecause: null, entries, result, findings: null };
  }

  async #readFull(
    { request, state, stored, feed, reader, options, cause }: OpenPoll,
    fullBecause: string,
  ): Promise<ReadReport> {
    const { store, now } = this.#parts;
    this.#mode = "full";
    const startedAtMs = now();
    const begun = await feed.begin(stored?.cursor ?? null);
    const findings = new Findings();
    const expected = state.users + state.groups === 0 ? null : state.users + state.groups;
    const snapshot = await store.beginSnapshot(this.settings.name);
    try {
      const { entries, newestStamp: newest } = await readEverything(reader, this.settings, snapshot, findings, {
        stampAttribute: begun?.mode === "stamp" ? this.settings.changeStamp : null,
        progress: (read) => request.progress?.(read, expected),
      });
      const cursor = completeCursor(begun, { startedAtMs, endedAtMs: now(), newest });
      const result = await snapshot.commit(options(cursor), cause);
      return { mode: "full", fullBecause, entries, result, findings: findings.list() };
    } catch (error) {
      await snapshot.abort();
      throw error;
    }
  }
}

const timeOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** Only `LdapPoller` writes this text, in `options`. */
const parseCursor = (text: string | null): StoredCursor | null =>
  text === null ? null : (JSON.parse(text) as StoredCursor);

/** Changes with every setting that decides what is read and what it means. */
const fingerprintOf = ({ preset, users, groups, entryId, changeStamp }: LdapSettings): string =>
  createHash("sha256")
    .update(JSON.stringify([1, preset, users, groups, entryId, changeStamp]))
    .digest("hex")
    .slice(0, 16);
