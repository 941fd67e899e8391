import { removalLimitOf } from "../domain/decide/guards/removal-limit.ts";
import { messageOf } from "../domain/model/errors.ts";
import type { RemovalLimitPolicy } from "../domain/model/policy.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import type { AlertFacts, Health, TargetFacts } from "./conditions.ts";

/** What facts are read from. */
export interface FactsParts {
  readonly store: Pick<
    DirectoryStore,
    | "pollState"
    | "connections"
    | "heldSummary"
    | "charges"
    | "peopleWithAccess"
    | "restored"
    | "failures"
    | "tokens"
    | "assertWritable"
  >;
  /** Names of the polled sources. Of one that pushes, silence says nothing. */
  readonly polledSources: readonly string[];
  /** As they are now: stored connections come and go. */
  readonly targets: () => readonly { readonly name: string; readonly guard: RemovalLimitPolicy }[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds that no clock setting moves. */
  readonly steadyNow: () => number;
}

/** A message says how many, not who: more need not be counted. */
const failuresAtMost = 1000;
/** Each look is a durable write. */
const probeEveryMs = 30_000;

/** Reads the state of the world. It remembers only what the store can't tell: since when it takes no writes, and jumps of the clock. */
export function createFactsReader(parts: FactsParts): () => Promise<AlertFacts> {
  const { store, now, steadyNow } = parts;
  const clock = watchClock(now, steadyNow);
  let last: AlertFacts | null = null;
  let trouble: AlertFacts["database"] = null;
  let probedAt = Number.NEGATIVE_INFINITY;
  const failed = (error: unknown): void => {
    trouble = { message: messageOf(error), sinceMs: trouble?.sinceMs ?? now() };
  };
  return async () => {
    const clockStep = clock();
    try {
      if (trouble !== null || steadyNow() - probedAt >= probeEveryMs) {
        await store.assertWritable();
        probedAt = steadyNow();
        trouble = null;
      }
    } catch (error) {
      failed(error);
    }
    try {
      const read = await readStore(parts);
      last = { ...read, clockStep, database: trouble };
    } catch (error) {
      failed(error);
    }
    // A store that can't be read says nothing about sources and targets: as they were.
    return last === null
      ? { sources: [], targets: [], tokens: [], newestStoredMs: null, clockStep, database: trouble }
      : { ...last, clockStep, database: trouble };
  };
}

async function readStore({
  store,
  polledSources,
  targets,
  now,
}: FactsParts): Promise<Omit<AlertFacts, "clockStep" | "database">> {
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
      budget: { ...removalLimitOf(limitInput, guard), windowMs: guard.windowMs },
      failures: await store.failures(name, failuresAtMost),
    });
  }
  const tokens = (await store.tokens())
    .filter((token) => token.revokedAtMs === null)
    .map(({ source, label, expiresAtMs }) => ({ source, label, expiresAtMs }));
  return { sources, targets: found, tokens, newestStoredMs: stored.length === 0 ? null : Math.max(...stored) };
}

/** Steps of time synchronisation are smaller. */
const stepMs = 60_000;

/** Compares the clock that can be set with the one that can't. */
function watchClock(now: () => number, steadyNow: () => number): () => AlertFacts["clockStep"] {
  let difference = now() - steadyNow();
  let step: AlertFacts["clockStep"] = null;
  return () => {
    const is = now() - steadyNow();
    if (Math.abs(is - difference) > stepMs) step = { byMs: is - difference, atMs: now() };
    difference = is;
    return step;
  };
}
