import { removalLimitOf } from "../domain/decide/guards/removal-limit.ts";
import { messageOf } from "../domain/model/errors.ts";
import type { RemovalLimitPolicy } from "../domain/model/policy.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import { type AlertFacts, clockToleranceMs, type Health, type TargetFacts } from "./conditions.ts";

/** Where the facts come from. */
export interface FactsParts {
  readonly store: DirectoryStore;
  /** Names of the polled sources. A source that pushes may be silent because nothing changes. */
  readonly polledSources: readonly string[];
  /** Returns the present targets: stored connections come and go. */
  readonly targets: () => readonly { readonly name: string; readonly guard: RemovalLimitPolicy }[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** A monotonic clock in milliseconds. */
  readonly steadyNow: () => number;
}

/** Maximum failures that are read per target. Messages give only their number. */
const maxFailures = 1000;
/** Time between two test writes. Each of them waits for the disk. */
const probeEveryMs = 30_000;

/** Reads the facts. Remembers only what the store cannot tell: since when it accepts no writes, and jumps of the clock. */
export function createFactsReader(parts: FactsParts): () => Promise<AlertFacts> {
  const { store, now, steadyNow } = parts;
  const clock = watchClock(now, steadyNow);
  let last: StoredFacts = { sources: [], targets: [], tokens: [], newestStoredMs: null };
  let trouble: AlertFacts["database"] = null;
  let probedAt = Number.NEGATIVE_INFINITY;
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      trouble = { message: messageOf(error), sinceMs: trouble?.sinceMs ?? now() };
    }
  };
  return async () => {
    const clockStep = clock();
    await attempt(async () => {
      if (trouble === null && steadyNow() - probedAt < probeEveryMs) return;
      await store.assertWritable();
      probedAt = steadyNow();
      trouble = null;
    });
    await attempt(async () => {
      last = await readStore(parts);
    });
    // While the store cannot be read, the last known state of sources and targets counts.
    return { ...last, clockStep, database: trouble };
  };
}

type StoredFacts = Omit<AlertFacts, "clockStep" | "database">;

async function readStore({ store, polledSources, targets, now }: FactsParts): Promise<StoredFacts> {
  const states = await store.connections();
  const sources: Health[] = [];
  const stored: number[] = [];
  for (const name of polledSources) {
    const { failingSinceMs, errorCode, errorMessage, lastSuccessAtMs } = await store.pollState(name);
    sources.push({ name, failingSinceMs, errorCode, errorMessage });
    stored.push(lastSuccessAtMs ?? 0, failingSinceMs ?? 0);
  }
  const found: TargetFacts[] = [];
  for (const { name, guard } of targets()) {
    const state = states.find((each) => each.role === "target" && each.name === name);
    const charged = await store.charges(name, now() - guard.windowMs);
    stored.push(state?.lastSuccessAtMs ?? 0, state?.failingSinceMs ?? 0, ...charged.values());
    const held = await store.heldSummary(name);
    // The count is needed only if a message can name the limit: something is spent or held.
    const isCounted = charged.size + held.keys.length > 0;
    const limitInput = {
      peopleWithAccess: isCounted ? await store.peopleWithAccess(name) : 0,
      charged,
      restored: await store.restored(name, { userIds: [], groupIds: [] }),
      nowMs: now(),
    };
    found.push({
      name,
      failingSinceMs: state?.failingSinceMs ?? null,
      errorCode: state?.errorCode ?? null,
      errorMessage: state?.errorMessage ?? null,
      held,
      removalLimit: { ...removalLimitOf(limitInput, guard), windowMs: guard.windowMs },
      failures: await store.failures(name, maxFailures),
    });
  }
  const tokens = (await store.tokens())
    .filter((token) => token.revokedAtMs === null)
    .map(({ source, label, expiresAtMs }) => ({ source, label, expiresAtMs }));
  return { sources, targets: found, tokens, newestStoredMs: stored.length === 0 ? null : Math.max(...stored) };
}

/** Finds jumps by comparing the wall clock with the monotonic one. */
function watchClock(now: () => number, steadyNow: () => number): () => AlertFacts["clockStep"] {
  let difference = now() - steadyNow();
  let step: AlertFacts["clockStep"] = null;
  return () => {
    const byMs = now() - steadyNow() - difference;
    if (Math.abs(byMs) > clockToleranceMs) step = { byMs, atMs: now() };
    difference += byMs;
    return step;
  };
}
