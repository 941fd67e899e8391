import type { Config, LdapSourceConfig, ScimSourceConfig, TargetConfig } from "../config/index.ts";
import { removalLimitOf } from "../domain/decide/guards/removal-limit.ts";
import { type HeldItem, heldDigests } from "../domain/model/held-change.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import { expiringSoon } from "../domain/ports/scim-store.ts";
import type { ConnectionState } from "../domain/ports/sync-store.ts";
import { kindsOf } from "../targets/registry.ts";
import { heldJson } from "../text/changes.ts";
import { isoTime } from "../text/times.ts";
import type { Context } from "./context.ts";
import { removedSources } from "./removed-sources.ts";

/** The status of every source and target: the document of `status --json` and of `/api/v1/status`. */
export type StatusReport = Awaited<ReturnType<typeof statusReport>>;
export type SourceStatus = StatusReport["sources"][number];
export type TargetStatus = StatusReport["targets"][number];

/** Maximum number of users and groups with a problem that a report names. */
export const maxProblemsShown = 50;

/**
 * Opens the database for a command that only reads. Returns an empty store in memory if there is no database yet: a
 * reading command creates no file.
 * @throws `STORE_UNAVAILABLE`
 */
export const openToReport = async (
  context: Pick<Context, "database">,
  { store }: Pick<Config, "store">,
): Promise<DirectoryStore> =>
  (await context.database({ store }).openToRead()) ??
  (await context.database({ store: { kind: "sqlite", path: ":memory:" } }).open());

/** Reads the status of every source and target. */
export async function statusReport(config: Config, store: DirectoryStore, nowMs: number) {
  const states = await store.connections();
  const counts = await store.sourceCounts();
  const stateOf = (role: "source" | "target", name: string) =>
    states.find((state) => state.role === role && state.name === name);
  const tokens = expiringSoon(await store.tokens(), nowMs).map(({ id, source, label, expiresAtMs }) => ({
    id,
    source,
    label,
    expiresAt: isoTime(expiresAtMs),
  }));
  return {
    sources: await Promise.all(
      config.sources.map((source) =>
        sourceStatus(source, store, counts.get(source.name), stateOf("source", source.name)),
      ),
    ),
    goneSources: await removedSources(config, store),
    targets: await Promise.all(
      config.targets.map((target) => targetStatus(target, store, stateOf("target", target.name), nowMs)),
    ),
    tokens,
  };
}

type SourceCounts =
  Awaited<ReturnType<DirectoryStore["sourceCounts"]>> extends ReadonlyMap<string, infer T> ? T : never;

async function sourceStatus(
  { name, type }: ScimSourceConfig | LdapSourceConfig,
  store: DirectoryStore,
  counts: SourceCounts | undefined,
  state: ConnectionState | undefined,
) {
  const counted = { name, type, users: counts?.users ?? 0, groups: counts?.groups ?? 0 };
  if (type === "scim") {
    const lastSeenAtMs = state?.lastSuccessAtMs ?? counts?.lastChangeAtMs ?? null;
    return { ...counted, lastSuccessAt: isoTime(lastSeenAtMs), failingSince: null, error: null, findings: [] };
  }
  const poll = await store.pollState(name);
  return {
    ...counted,
    lastSuccessAt: isoTime(poll.lastSuccessAtMs),
    lastFullAt: isoTime(poll.lastFullAtMs),
    failingSince: isoTime(poll.failingSinceMs),
    error: poll.errorCode === null ? null : { code: poll.errorCode, message: poll.errorMessage },
    missing: poll.unconfirmedMissing,
    findings: await store.findings(name),
  };
}

async function targetStatus(
  { name, type, guard }: TargetConfig,
  store: DirectoryStore,
  state: ConnectionState | undefined,
  nowMs: number,
) {
  const { oldestPendingMs, ...counts } = await store.targetCounts(name, kindsOf(type));
  const held = (await store.held(name)).filter((item) => item.approvedAtMs === null);
  const limitInput = {
    peopleWithAccess: await store.peopleWithAccess(name),
    charged: await store.charges(name, nowMs - guard.windowMs),
    restored: await store.restored(name, { userIds: [], groupIds: [] }),
    nowMs,
  };
  return {
    name,
    type,
    ...counts,
    oldestPendingSeconds: oldestPendingMs === null ? null : Math.max(0, Math.round((nowMs - oldestPendingMs) / 1000)),
    lastSuccessAt: isoTime(state?.lastSuccessAtMs ?? null),
    failingSince: isoTime(state?.failingSinceMs ?? null),
    retryAt: retryAt(state, nowMs),
    error: state?.errorCode == null ? null : { code: state.errorCode, message: state.errorMessage },
    budget: removalLimitOf(limitInput, guard),
    // Of the held: users and groups that wait only for dismissed changes.
    dismissed: Math.min(counts.held, countOnlyDismissed(held)),
    ...heldDigests(held),
    heldChanges: held.map(heldJson),
    problems: (await store.problems(name, maxProblemsShown)).map(({ kind, name: subject, link }) => ({
      kind,
      name: subject,
      note: link.note,
      error: link.errorMessage,
      code: link.errorCode,
      retryAt: isoTime(link.retryAtMs),
    })),
  };
}

/** Null if the time is over: either a try is under way, or no process runs that would try. */
const retryAt = (state: ConnectionState | undefined, nowMs: number): string | null =>
  state?.retryAtMs == null || state.retryAtMs <= nowMs ? null : isoTime(state.retryAtMs);

function countOnlyDismissed(held: readonly HeldItem[]): number {
  const undecided = new Set(held.flatMap((item) => (item.dismissedAtMs === null ? [item.entityId] : [])));
  return new Set(held.map(({ entityId }) => entityId)).size - undecided.size;
}
