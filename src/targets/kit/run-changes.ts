import { RollcallError } from "../../domain/model/errors.ts";
import type { Change, ChangeOp } from "../../domain/model/plan.ts";
import type { Outcome } from "../../domain/ports/target.ts";
import type { HttpClient, Lost } from "./http.ts";

/** The change with this operation. */
export type ChangeOf<Op extends ChangeOp> = Extract<Change, { readonly op: Op }>;

/** An outcome. `lostTo` is the error behind it if the whole target seems unreachable. */
export interface Settled {
  readonly outcome: Outcome;
  readonly lostTo?: RollcallError;
}

/** Answer to a write. A `lost` write may have been done. */
export type Written<Body, Refusal> =
  | { readonly kind: "done"; readonly body: Body }
  | { readonly kind: "absent" }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | Lost;

/** The vendor did it, or it was done before. */
export const applied = (change: Change, remoteId?: string): Settled => ({
  outcome: remoteId === undefined ? { status: "applied", change } : { status: "applied", change, remoteId },
});

/** The vendor or Rollcall refused it. */
export const failed = (change: Change, error: RollcallError): Settled => ({
  outcome: { status: "failed", change, error },
});

/** The next observation will show whether it was done. */
export const unconfirmed = (change: Change): Settled => ({ outcome: { status: "unconfirmed", change } });

/**
 * The call was sent and its answer lost. A 500 is about this change; any other loss counts against the target.
 * `observeAfterMs`: the vendor may still be working on it for this long. Default: observe soon.
 */
export function lost(http: HttpClient, change: Change, error: RollcallError, observeAfterMs?: number): Settled {
  http.log("warn", "no answer to a change; the next observation will show whether it was done", {
    op: change.op,
    error,
  });
  const outcome = { status: "unconfirmed", change, ...(observeAfterMs !== undefined && { observeAfterMs }) } as const;
  return error.code === "TARGET_UNREACHABLE" ? { outcome, lostTo: error } : { outcome };
}

/** Settles one change. An error about this change is its outcome. @throws errors about the whole target */
export async function attempt<Result>(
  http: HttpClient,
  change: Change,
  settle: () => Promise<Result>,
): Promise<Result | Settled> {
  try {
    return await settle();
  } catch (error) {
    if (!(error instanceof RollcallError)) throw error;
    if (error.code === "UNEXPECTED_RESPONSE") return failed(change, error);
    if (error.code === "TARGET_UNREACHABLE") return { ...failed(change, error), lostTo: error };
    http.log("debug", "the apply ends early", { op: change.op, error });
    throw error;
  }
}

/** After this number of changes in a row without an answer, the target counts as unreachable. */
const maxLostInARow = 3;

/**
 * Passes results on while the target answers. `signal`, which `settle` gets, is aborted when it no longer does.
 * @throws the error of the last change when three in a row got no answer
 */
export async function* whileAnswering<Result extends Settled>(
  caller: AbortSignal,
  settle: (signal: AbortSignal) => AsyncIterable<Result>,
): AsyncGenerator<Result> {
  const stop = new AbortController();
  let lostInARow = 0;
  for await (const settled of settle(AbortSignal.any([caller, stop.signal]))) {
    yield settled;
    lostInARow = settled.lostTo === undefined ? 0 : lostInARow + 1;
    if (settled.lostTo === undefined || lostInARow < maxLostInARow) continue;
    stop.abort(settled.lostTo); // the calls in flight would only wait as long again
    throw settled.lostTo;
  }
}

/** Maximum calls in flight. The rate limit applies to them together. */
const concurrency = 4;

/**
 * Settles the changes, a few at a time, and yields each result as it comes. Changes with the same key are settled one after
 * another. A change whose result is null is left for later. Ends only when no call is in flight.
 */
export async function* settleEach<One extends Change>(
  http: HttpClient,
  changes: readonly One[],
  keyOf: (change: One) => string,
  settle: (change: One) => Promise<Settled | null>,
): AsyncGenerator<Settled> {
  const lanes = [...Map.groupBy(changes, keyOf).values()].map((lane) => lane.values());
  const inFlight = new Map<Iterator<One>, Promise<readonly [Iterator<One>, Settled | null]>>();
  const start = (lane: Iterator<One> | undefined): void => {
    const next = lane?.next();
    if (lane === undefined || next === undefined) return;
    if (next.done === true) {
      start(lanes.shift());
      return;
    }
    const settled = attempt(http, next.value, () => settle(next.value));
    inFlight.set(
      lane,
      settled.then((result) => [lane, result] as const),
    );
  };
  for (let slot = 0; slot < concurrency; slot += 1) start(lanes.shift());
  try {
    while (inFlight.size > 0) {
      const [lane, settled] = await Promise.race(inFlight.values());
      inFlight.delete(lane);
      if (settled !== null) yield settled;
      start(lane);
    }
  } finally {
    await Promise.allSettled(inFlight.values());
  }
}

/** Reads one entity for each id, `atOnce` at a time, in the order of the ids. */
export async function readEach<T>(
  ids: readonly string[],
  read: (id: string) => Promise<T | null>,
  atOnce = concurrency,
): Promise<{ readonly found: readonly (readonly [id: string, value: T])[]; readonly missing: readonly string[] }> {
  const found: (readonly [string, T])[] = [];
  const missing: string[] = [];
  const distinct = [...new Set(ids)];
  for (let start = 0; start < distinct.length; start += atOnce) {
    const some = distinct.slice(start, start + atOnce);
    for (const [id, value] of await Promise.all(some.map(async (id) => [id, await read(id)] as const))) {
      if (value === null) missing.push(id);
      else found.push([id, value]);
    }
  }
  return { found, missing };
}

/** Up to this number of named entities, one call for each is cheaper than the full lists. */
export const maxNamed = 50;
