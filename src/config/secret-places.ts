import { isSection } from "./fields.ts";
import { fileNamed, type ReferenceScope } from "./references.ts";

/** The place that one secret of a configuration comes from. */
export interface SecretPlace {
  /** The key, such as `admin.token` or `masterKey.0`. */
  readonly key: string;
  /** Absolute path of its file; null if it is in none. */
  readonly file: string | null;
  /** True if the configuration itself has it. */
  readonly isInline: boolean;
}

/** Keys whose values are secrets, in any section. */
const secretKeys: ReadonlySet<string> = new Set([
  "token",
  "operatorToken",
  "viewerToken",
  "clientSecret",
  "bindPassword",
  "password",
  "secret",
  "masterKey",
]);

/** True for the URL of a database, which has a password. The path of a SQLite file is no secret. */
const isDatabase = (key: string, value: unknown): boolean => key === "store" && !String(value).startsWith("sqlite:");

/** Returns the places of all secrets of a file, given its tree before references are resolved. */
export function secretPlacesIn(tree: unknown, scope: ReferenceScope): readonly SecretPlace[] {
  const walk = (value: unknown, path: readonly string[], isSecret: boolean): readonly SecretPlace[] => {
    if (Array.isArray(value)) return value.flatMap((item, index) => walk(item, [...path, String(index)], isSecret));
    if (isSection(value)) {
      // The URL of a Slack-compatible webhook lets everybody write there.
      const isWebhook = value["type"] === "slack";
      return Object.entries(value).flatMap(([key, item]) =>
        walk(item, [...path, key], secretKeys.has(key) || (isWebhook && key === "url") || isDatabase(key, item)),
      );
    }
    if (!isSecret || typeof value !== "string") return [];
    const file = fileNamed(value, scope);
    return [{ key: path.join("."), file, isInline: file === null && !value.includes("${") }];
  };
  return walk(tree, [], false);
}
