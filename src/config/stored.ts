import { isSection } from "./fields.ts";
import type { Problem } from "./references.ts";

/** What `connect` stored for one connection, opened: keys of `targets.NAME` as the file could have them. */
export type StoredTarget =
  | { readonly name: string; readonly keys: Readonly<Record<string, string>> }
  /** What was stored can't be opened; `problem` says why. */
  | { readonly name: string; readonly problem: string };

/** Keys of a target that say whose secret it is, and where it may be sent. */
const WHOSE = ["type", "region", "apiUrl", "identityUrl", "accountId", "clientId"] as const;
const WHERE: readonly string[] = ["region", "apiUrl", "identityUrl"];

/**
 * The file's targets over the stored ones: the file wins key by key, and a stored connection that it doesn't name is a
 * target with all defaults. A stored secret goes only where it was verified: a file that says otherwise beside it is a
 * problem.
 */
export function mergeStored(targets: unknown, stored: readonly StoredTarget[], problems: Problem[]): unknown {
  if (stored.length === 0 || !(targets === undefined || isSection(targets))) return targets;
  const merged: Record<string, unknown> = { ...targets };
  for (const each of stored) {
    const own = merged[each.name];
    const ownKeys = isSection(own) ? own : {};
    if (own !== undefined && own !== null && !isSection(own)) continue;
    const hasOwnSecret = ownKeys["clientSecret"] !== undefined;
    if ("problem" in each) {
      if (!hasOwnSecret) problems.push({ path: ["targets", each.name, "clientSecret"], message: each.problem });
      continue;
    }
    if (!hasOwnSecret) problems.push(...disagreements(each.name, ownKeys, each.keys));
    const isElsewhere = WHERE.some((key) => ownKeys[key] !== undefined);
    const below = Object.entries(each.keys).filter(([key]) => !(hasOwnSecret && isElsewhere && WHERE.includes(key)));
    merged[each.name] = { ...Object.fromEntries(below), ...ownKeys };
  }
  return merged;
}

const disagreements = (
  name: string,
  own: Readonly<Record<string, unknown>>,
  keys: Readonly<Record<string, string>>,
): readonly Problem[] =>
  WHOSE.filter((key) => typeof own[key] === "string" && plain(String(own[key])) !== plain(keys[key] ?? "")).map(
    (key) => ({
      path: ["targets", name, key],
      message: `differs from the stored connection${keys[key] === undefined ? "" : ` (${keys[key]})`}, whose secret is only for that: make them the same, set clientSecret here, or run "rollcall connect" again`,
    }),
  );

const plain = (text: string): string => text.replace(/\/+$/, "");

/** Keys that `connect` would ask for. */
const ASKED: readonly PropertyKey[] = ["type", "region", "accountId", "clientId", "clientSecret"];

/** Is this a key of a target that neither the file nor a stored connection has? */
export const isMissingCredential = ({ path, message }: Problem): boolean =>
  path.length === 3 && path[0] === "targets" && ASKED.includes(path[2] ?? "") && message.startsWith("is missing");

/** The same problem, with how a missing credential may come. */
export function withConnectHint(problem: Problem, targets: unknown): Problem {
  if (!isMissingCredential(problem)) return problem;
  const name = String(problem.path[1]);
  const section = isSection(targets) ? targets[name] : undefined;
  const type = isSection(section) && typeof section["type"] === "string" ? section["type"] : "bitwarden|onepassword";
  const connect = `rollcall connect ${type} --name ${name}`;
  const message =
    problem.message === "is missing"
      ? `is missing: run "${connect}", or set it here`
      : `${problem.message}; or run "${connect}"`;
  return { ...problem, message };
}
