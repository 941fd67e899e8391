import { ipKeyGenerator } from "express-rate-limit";

/** Wrong tokens that one address may show within the window. */
const perAddress = 10;
/** Also the longest that an address is locked out after its last wrong token. */
const windowMs = 60_000;
/** Addresses that are remembered; of more than these the oldest is forgotten. */
const addressLimit = 10_000;
/** Wrong tokens of all addresses within a window that cost nobody time. */
const calm = 20;
const stepMs = 50;
/** A flood of guesses slows each further sign-in down by this much at most, and locks nobody else out. */
const delayLimitMs = 2000;

/** Limits guessing: by address, and of all addresses together. */
export interface Attempts {
  /** True when this address must wait until its window is over. */
  isBlocked(address: string): boolean;
  failed(address: string): void;
  /** How long an attempt waits now, because of what others try. */
  delayMs(): number;
  /** Whole seconds until the address is heard again. */
  retryAfterSeconds(address: string): number;
}

interface Failures {
  readonly sinceMs: number;
  readonly count: number;
}

/** Counts by address within a window; of more addresses than are remembered the oldest is forgotten. */
export interface AddressCounts {
  count(address: string): number;
  add(address: string, by: 1 | -1): void;
  /** Whole seconds until the window of that address is over, at least one. */
  endsInSeconds(address: string): number;
}

/** `now` in milliseconds since the epoch; an IPv6 network of 56 bits counts as one address. */
export function countByAddress(now: () => number): AddressCounts {
  const byAddress = new Map<string, Failures>();
  const current = (address: string): Failures => currentOf(byAddress.get(keyOf(address)), now());
  return {
    count: (address) => current(address).count,
    add(address, by) {
      const key = keyOf(address);
      const { sinceMs, count } = current(address);
      byAddress.delete(key);
      const [oldest] = byAddress.keys();
      if (oldest !== undefined && byAddress.size >= addressLimit) byAddress.delete(oldest);
      byAddress.set(key, { sinceMs, count: Math.max(0, count + by) });
    },
    endsInSeconds: (address) => Math.max(1, Math.ceil((current(address).sinceMs + windowMs - now()) / 1000)),
  };
}

// An IPv6 customer has a whole network: it counts as one address.
const keyOf = (address: string): string => (address === "" ? "unknown" : ipKeyGenerator(address));

const currentOf = (failures: Failures | undefined, nowMs: number): Failures =>
  failures === undefined || Math.abs(nowMs - failures.sinceMs) >= windowMs ? { sinceMs: nowMs, count: 0 } : failures;

export function createAttempts(now: () => number): Attempts {
  const byAddress = countByAddress(now);
  let all: Failures = { sinceMs: now(), count: 0 };
  return {
    isBlocked: (address) => byAddress.count(address) >= perAddress,
    failed(address) {
      byAddress.add(address, 1);
      const { sinceMs, count } = currentOf(all, now());
      all = { sinceMs, count: count + 1 };
    },
    delayMs: () => Math.min(delayLimitMs, Math.max(0, currentOf(all, now()).count - calm) * stepMs),
    retryAfterSeconds: (address) => byAddress.endsInSeconds(address),
  };
}
