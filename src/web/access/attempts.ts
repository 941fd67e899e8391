import { isIP } from "node:net";
import type { Request } from "express";
import { ipKeyGenerator } from "express-rate-limit";
import type { AdmissionParts } from "../http/admission.ts";

/** Attempts are counted in windows of this length. Also the longest time that an address has to wait. */
const windowMs = 60_000;
/** Maximum addresses that are remembered, a few megabytes. The oldest is forgotten first. */
const maxAddresses = 10_000;

/**
 * Counts attempts by client address, in windows of one minute. The only place that does so; the limits are below.
 * @param now any clock in milliseconds
 * @param ipv6Prefix length of the IPv6 network that counts as one address. A customer has a whole network: usually a /56,
 *   at least a /64.
 */
export function createAttemptCounter(now: () => number, ipv6Prefix = 56) {
  const windows = new Map<string, { readonly sinceMs: number; readonly count: number }>();
  const keyOf = (address: string): string => (isIP(address) === 0 ? address : ipKeyGenerator(address, ipv6Prefix));
  const windowOf = (key: string): { readonly sinceMs: number; readonly count: number } => {
    const known = windows.get(key);
    return known === undefined || Math.abs(now() - known.sinceMs) >= windowMs ? { sinceMs: now(), count: 0 } : known;
  };
  return {
    count: (address: string): number => windowOf(keyOf(address)).count,
    add(address: string, by: 1 | -1): void {
      const key = keyOf(address);
      const { sinceMs, count } = windowOf(key);
      windows.delete(key);
      const [oldest] = windows.keys();
      if (oldest !== undefined && windows.size >= maxAddresses) windows.delete(oldest);
      windows.set(key, { sinceMs, count: Math.max(0, count + by) });
    },
    /** Returns the time until the window of the address ends. */
    endsInMs: (address: string): number => windowOf(keyOf(address)).sinceMs + windowMs - now(),
  };
}

const wholeSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));

/**
 * Returns the client's address, by which attempts are counted. Some proxies add a port to X-Forwarded-For, a new one for
 * each connection (Azure Application Gateway does). If the header holds no address, the proxy's address counts.
 */
export function clientAddress({ ip = "", socket }: Request): string {
  if (isIP(ip) !== 0) return ip;
  const [, six, four] = /^(?:\[(.+)\]|([\d.]+))(?::\d{1,5})?$/.exec(ip) ?? [];
  const bare = six ?? four ?? "";
  return isIP(bare) === 0 ? (socket.remoteAddress ?? "") : bare;
}

/**
 * Counts wrong SCIM tokens. Returns the time to wait in milliseconds; null within the limit. A good token never comes
 * here, so a neighbour behind the same address cannot lock anybody out.
 */
export function createWrongTokenLimit(maxPerMinute: number, { monotonic, onShed }: AdmissionParts) {
  const wrong = createAttemptCounter(monotonic, 64);
  return (address: string): number | null => {
    wrong.add(address, 1);
    if (wrong.count(address) <= maxPerMinute) return null;
    onShed({ source: "", reason: "wrongTokens" });
    return wrong.endsInMs(address);
  };
}

/** Maximum wrong admin tokens of one address per minute. */
const maxWrongTokens = 10;
/** Wrong tokens of all addresses per minute that slow nobody down. */
const wrongTokensWithoutDelay = 20;
const delayPerWrongTokenMs = 50;
/** A flood of guesses slows down each sign-in by this much at most. It locks nobody else out. */
const maxDelayMs = 2000;
/** Key of the counters for all addresses together. They are separate, so that no address can push the key out. */
const everybody = "all";

/** Limits guesses of admin tokens: by address, and for all addresses together. */
export function createSignInLimit(now: () => number) {
  const byAddress = createAttemptCounter(now);
  const inAll = createAttemptCounter(now);
  return {
    /** True if this address must wait until its window ends. */
    isBlocked: (address: string): boolean => byAddress.count(address) >= maxWrongTokens,
    failed(address: string): void {
      byAddress.add(address, 1);
      inAll.add(everybody, 1);
    },
    /** Returns how long every sign-in waits now, because of wrong tokens from all addresses. */
    delayMs(): number {
      const tooMany = Math.max(0, inAll.count(everybody) - wrongTokensWithoutDelay);
      return Math.min(maxDelayMs, tooMany * delayPerWrongTokenMs);
    },
    /** Returns the whole seconds until the address may try again. */
    retryAfterSeconds: (address: string): number => wholeSeconds(byAddress.endsInMs(address)),
  };
}

/** This sign-in has to wait, because the identity provider would be called too often. */
export class TooManySignIns extends Error {
  /** Whole seconds. */
  readonly retryAfterSeconds: number;

  constructor(retryAfterMs: number) {
    const seconds = wholeSeconds(retryAfterMs);
    super(`too many sign-ins over the identity provider have failed; try again in ${seconds} s`);
    this.name = "TooManySignIns";
    this.retryAfterSeconds = seconds;
  }
}

/** Maximum failed sign-ins at the provider, per minute. People behind one address succeed, so the limit is higher. */
const maxFailedSignIns = { ofAddress: 20, ofAll: 120 };
/** Maximum sign-ins that wait for the provider at a time. */
const maxSignInsInFlight = 20;
/** Expected time until one of these is finished. */
const inFlightRetryMs = 5000;

/**
 * Limits how often strangers can make us call the identity provider with codes that they invented. Returns a function that
 * makes a call within the limits. A call that succeeds does not count afterwards. The function throws TooManySignIns
 * without a call, and what `call` throws.
 */
export function createProviderCallLimit(now: () => number) {
  const byAddress = createAttemptCounter(now);
  const inAll = createAttemptCounter(now);
  let inFlight = 0;
  return async <T>(address: string, call: () => Promise<T>): Promise<T> => {
    if (byAddress.count(address) >= maxFailedSignIns.ofAddress) throw new TooManySignIns(byAddress.endsInMs(address));
    if (inAll.count(everybody) >= maxFailedSignIns.ofAll) throw new TooManySignIns(inAll.endsInMs(everybody));
    if (inFlight >= maxSignInsInFlight) throw new TooManySignIns(inFlightRetryMs);
    // Counted before the outcome is known, so that calls in parallel cannot exceed the limit.
    byAddress.add(address, 1);
    inAll.add(everybody, 1);
    inFlight += 1;
    try {
      const answer = await call();
      byAddress.add(address, -1);
      inAll.add(everybody, -1);
      return answer;
    } finally {
      inFlight -= 1;
    }
  };
}
