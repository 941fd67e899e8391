import { isAbsolute, resolve } from "node:path";
import { z } from "zod";
import { Secret } from "./secret.ts";

/** The place of the database. */
export type StoreConfig =
  /** `path` is absolute. */
  | { readonly kind: "sqlite"; readonly path: string }
  /** `name` is the URL without its secrets. */
  | { readonly kind: "postgres"; readonly url: Secret; readonly name: string };

/** Returns the place for messages, without secrets. */
export const storeName = (store: StoreConfig): string => (store.kind === "sqlite" ? store.path : store.name);

/** Parameters that a URL may have. The driver accepts many more. */
const parameters = ["host", "options", "sslmode", "sslrootcert", "sslcert", "sslkey"];
const modes = ["disable", "prefer", "require", "verify-ca", "verify-full", "no-verify"];
const files = ["sslrootcert", "sslcert", "sslkey"];

/** Returns why this is not the URL of a database; null if it is one. The text has no part of the URL, which has a password. */
function problemOf(text: string): string | null {
  const url = URL.parse(text);
  if (url === null)
    return "is not a URL: postgres://USER:PASSWORD@HOST/DATABASE, with / : @ ? # and % of the password written as %2F %3A %40 %3F %23 %25";
  if (url.hostname === "" && !url.searchParams.has("host"))
    return "has no host: postgres://USER:PASSWORD@HOST/DATABASE";
  if (url.hostname.includes(",")) return "has several hosts: give one, or an address that leads to the primary";
  if (!/^\/[^/]+$/.test(url.pathname)) return "has no database: postgres://USER:PASSWORD@HOST/DATABASE";
  const unknown = [...url.searchParams.keys()].filter((key) => !parameters.includes(key));
  if (unknown.length > 0) return `has parameters other than ${parameters.join(", ")}`;
  const mode = url.searchParams.get("sslmode");
  return mode === null || modes.includes(mode) ? null : `sslmode must be one of ${modes.join(", ")}`;
}

/** Paths of certificates start from the folder of the configuration. */
function postgres(text: string, baseDir: string): StoreConfig {
  const url = new URL(text);
  for (const key of files) {
    const file = url.searchParams.get(key);
    if (file !== null) url.searchParams.set(key, resolve(baseDir, file));
  }
  const host = url.host || url.searchParams.get("host");
  return { kind: "postgres", url: new Secret(url.href), name: `postgres://${host}${url.pathname}` };
}

const sqlite = (path: string, baseDir: string): StoreConfig => ({
  kind: "sqlite",
  path: isAbsolute(path) ? path : resolve(baseDir, path),
});

/** Key `store`. */
export const store = (baseDir: string) =>
  z
    .string()
    .regex(/^(sqlite:[^:?]|postgres(ql)?:\/\/)/, "must be sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE")
    .superRefine((text, context) => {
      const problem = text.startsWith("postgres") ? problemOf(text) : null;
      if (problem !== null) context.addIssue({ code: "custom", message: problem });
    })
    .prefault("sqlite:./data/rollcall.db")
    .transform((text) =>
      text.startsWith("sqlite:") ? sqlite(text.slice("sqlite:".length), baseDir) : postgres(text, baseDir),
    );
