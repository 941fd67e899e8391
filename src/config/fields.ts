import { resolve } from "node:path";
import { z } from "zod";
import { Secret } from "./secret.ts";

/** Host and port of a listener. Port 0 takes any free port. */
export interface ListenAddress {
  /** Host name or IP address, an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s` -> 90000. The text must match {@link duration}'s pattern. */
function toMs(text: string): number {
  const [, amount, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
  return Number(amount) * unitMs[unit as keyof typeof unitMs];
}

const durationHint = "must be a duration such as 30s, 5m, 24h or 30d";

/** A duration between two others, both included. Milliseconds once parsed. */
export const duration = (least: string, most: string) =>
  z
    .string()
    .regex(/^\d{1,9}(ms|s|m|h|d)$/, durationHint)
    .transform(toMs)
    .refine((ms) => ms >= toMs(least) && ms <= toMs(most), `must be between ${least} and ${most}`);

/** A duration, milliseconds once parsed, or null for `never`. */
export const durationOrNever = z
  .string()
  .regex(/^(never|[1-9]\d{0,8}(ms|s|m|h|d))$/, `${durationHint}, or never`)
  .transform((text) => (text === "never" ? null : toMs(text)));

/** A text that is never printed once parsed. */
export const secret = z
  .string()
  .min(1)
  .transform((text) => new Secret(text));

/** A bearer token. A header has no other characters than visible ASCII. */
export const bearerToken = z
  .string()
  .min(1)
  .regex(/^[\x21-\x7e]*$/, "must be visible ASCII characters without a space");

/** A base URL, without a slash at its end once parsed. */
export const httpUrl = z
  .string()
  .refine(isPlainHttpUrl, "must be an http:// or https:// URL without user, query and fragment")
  .transform((text) => text.replace(/\/+$/, ""));

function isPlainHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null && /^https?:$/.test(url.protocol) && `${url.username}${url.password}${url.search}${url.hash}` === ""
  );
}

/** A path, absolute once parsed. A relative path starts from the folder of the configuration file. */
export const filePath = (baseDir: string) =>
  z
    .string()
    .min(1)
    .transform((path) => resolve(baseDir, path));

/** `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`. */
export const listenAddress = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, "must be host:port, such as 127.0.0.1:8080")
  .transform((text): ListenAddress => {
    const colon = text.lastIndexOf(":");
    return { host: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
  })
  .refine(({ port }) => port <= 65_535, "the port must be between 0 and 65535");

/** Globs (`*`, `?`) for names of groups. Case does not count. */
export const patterns = z.array(z.string().min(1).max(256));

/** True for `localhost`, 127.0.0.0/8 and ::1. */
export const isLoopback = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);

/** Reports an error at a key of the checked value. */
export type Report = (path: readonly PropertyKey[], message: string) => void;

/**
 * A check across the keys of one section. It also runs when single keys are wrong, so that all errors are reported at
 * once. So the check must expect any value.
 */
export const across = (check: (section: Readonly<Record<string, unknown>>, report: Report) => void) =>
  z.superRefine<unknown>(
    (value, context) => {
      const report: Report = (path, message) => context.addIssue({ code: "custom", path: [...path], message });
      if (isSection(value)) check(value, report);
    },
    { when: () => true },
  );

/** True for a mapping of YAML. */
export const isSection = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Reports plain http to other machines at these keys, unless the section has `allowInsecureHttp: true`. */
export function checkTransport(
  section: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  report: Report,
): void {
  if (section["allowInsecureHttp"] === true) return;
  for (const key of keys) {
    const value = section[key] instanceof Secret ? section[key].reveal() : section[key];
    const url = typeof value === "string" ? URL.parse(value) : null;
    if (url?.protocol === "http:" && !isLoopback(url.hostname)) {
      report([key], "plain http is for loopback only: use https, or say allowInsecureHttp: true");
    }
  }
}
