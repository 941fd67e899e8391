import type { SandboxRequest } from "../kit/requests.ts";

/** The window of a broken limit as Bitwarden writes it, such as `1m`, and the time until it admits another request. */
export interface RateVerdict {
  readonly period: string;
  readonly retryAfterSeconds: number;
}

// src/Api/appsettings.json and src/Identity/appsettings.json, IpRateLimitOptions.
const perSecond = { limit: 5, windowMs: 1000, period: "1s" };
const perMinute = (limit: number) => ({ limit, windowMs: 60_000, period: "1m" });
const tokenRules = [perMinute(10), perSecond];
const readRules = [perMinute(200)];
const writeRules = [perMinute(60), perSecond];
const maxWindowMs = 60_000;
const maxKeys = 10_000;

/**
 * Returns a function that counts a request in sliding windows, or returns the limit that it breaks. Refused requests do
 * not count. The key is client address, verb and path: PUTs to different ids are counted separately
 * (PathCounterKeyBuilder).
 */
export function rateLimiter(clock: () => number): (request: SandboxRequest) => RateVerdict | undefined {
  /** Times of the requests that still count, oldest first. */
  const timesByKey = new Map<string, readonly number[]>();
  return ({ remoteAddress, method, path: pathAsSent }) => {
    const now = clock();
    const path = pathAsSent.toLowerCase();
    const key = `${remoteAddress} ${method} ${path}`;
    const rules = path === "/identity/connect/token" ? tokenRules : method === "GET" ? readRules : writeRules;
    const times = (timesByKey.get(key) ?? []).filter((time) => time > now - maxWindowMs);
    for (const { limit, windowMs, period } of rules) {
      const oldest = times.at(-limit);
      if (oldest !== undefined && oldest > now - windowMs)
        return { period, retryAfterSeconds: Math.max(1, Math.ceil((oldest + windowMs - now) / 1000)) };
    }
    if (timesByKey.size > maxKeys) {
      for (const [other, known] of timesByKey) if ((known.at(-1) ?? 0) <= now - maxWindowMs) timesByKey.delete(other);
    }
    timesByKey.set(key, [...times, now]);
    return undefined;
  };
}
