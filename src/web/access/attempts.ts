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

export function createAttempts(now: () => number): Attempts {
  const byAddress = new Map<string, Failures>();
  let all: Failures = { sinceMs: now(), count: 0 };
  const isOver = ({ sinceMs }: Failures): boolean => Math.abs(now() - sinceMs) >= windowMs;
  const current = (failures: Failures | undefined): Failures =>
    failures === undefined || isOver(failures) ? { sinceMs: now(), count: 0 } : failures;
  // An IPv6 customer has a whole network: it counts as one address.
  const keyOf = (address: string): string => (address === "" ? "unknown" : ipKeyGenerator(address));
  return {
    isBlocked: (address) => current(byAddress.get(keyOf(address))).count >= perAddress,
    failed(address) {
      const key = keyOf(address);
      const { sinceMs, count } = current(byAddress.get(key));
      byAddress.delete(key);
      const [oldest] = byAddress.keys();
      if (oldest !== undefined && byAddress.size >= addressLimit) byAddress.delete(oldest);
      byAddress.set(key, { sinceMs, count: count + 1 });
      all = current(all);
      all = { ...all, count: all.count + 1 };
    },
    delayMs: () => Math.min(delayLimitMs, Math.max(0, current(all).count - calm) * stepMs),
    retryAfterSeconds: (address) =>
      Math.max(1, Math.ceil((current(byAddress.get(keyOf(address))).sinceMs + windowMs - now()) / 1000)),
  };
}
