import { isSection } from "./fields.ts";
import { fileNamed, type ReferenceScope } from "./references.ts";

/** Where one secret of a configuration comes from. */
export interface SecretPlace {
  /** The key, such as `admin.token` or `masterKey.0`. */
  readonly key: string;
  /** Absolute path of the file that holds it; null: it does not come from one. */
  readonly file: string | null;
  /** Does it stand in the configuration itself? */
  readonly isInline: boolean;
}

/** Keys whose values are secrets, wherever they are. */
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

/** The URL of a database has a password in it; the path of a SQLite file is no secret. */
const isDatabase = (key: string, value: unknown): boolean => key === "store" && !String(value).startsWith("sqlite:");

/** The places of all secrets in a file, before its references are resolved. Targets' stored credentials are not in it. */
export function secretPlacesIn(tree: unknown, scope: ReferenceScope): readonly SecretPlace[] {
  const walk = (value: unknown, path: readonly string[], isSecret: boolean): readonly SecretPlace[] => {
    if (Array.isArray(value)) return value.flatMap((item, index) => walk(item, [...path, String(index)], isSecret));
    if (isSection(value)) {
      // Whoever knows the URL of a Slack-compatible webhook can write there.
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
