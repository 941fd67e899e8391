import { isSection } from "./fields.ts";
import type { Problem } from "./references.ts";
import type { TargetTypes } from "./schema.ts";

/** One stored connection, decrypted: keys of `targets.NAME` as the file could have them. */
export type StoredTarget =
  | { readonly name: string; readonly keys: Readonly<Record<string, string>> }
  /** It can't be decrypted; `problem` says why. */
  | { readonly name: string; readonly problem: string };

/**
 * Merges stored connections into the targets of the file. The file wins key by key. A stored connection without a section
 * in the file is a target with all defaults. A stored secret is only for the server and account that `connect` verified:
 * if the file names another one, that is a problem.
 */
export function mergeStored(
  targets: unknown,
  stored: readonly StoredTarget[],
  types: TargetTypes,
  problems: Problem[],
): unknown {
  if (stored.length === 0 || !(targets === undefined || isSection(targets))) return targets;
  const placeKeys = types.flatMap((type) => type.placeKeys);
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
    if (!hasOwnSecret) problems.push(...disagreements(each.name, ownKeys, each.keys, types));
    const isElsewhere = placeKeys.some((key) => ownKeys[key] !== undefined);
    const below = Object.entries(each.keys).filter(
      ([key]) => !(hasOwnSecret && isElsewhere && placeKeys.includes(key)),
    );
    merged[each.name] = { ...Object.fromEntries(below), ...ownKeys };
  }
  return merged;
}

const disagreements = (
  name: string,
  own: Readonly<Record<string, unknown>>,
  keys: Readonly<Record<string, string>>,
  types: TargetTypes,
): readonly Problem[] =>
  whoseKeys(types)
    .filter((key) => typeof own[key] === "string" && plain(String(own[key])) !== plain(keys[key] ?? ""))
    .map((key) => ({
      path: ["targets", name, key],
      message: `differs from the stored connection${keys[key] === undefined ? "" : ` (${keys[key]})`}, whose secret is only for that one: make them the same, set clientSecret here, or run "rollcall connect" again`,
    }));

/** Keys that say whose secret it is, and where it may be sent. */
const whoseKeys = (types: TargetTypes): readonly string[] =>
  [...new Set(["type", ...types.flatMap((type) => [...type.placeKeys, ...type.credentialKeys])])].filter(
    (key) => key !== "clientSecret",
  );

const plain = (text: string): string => text.replace(/\/+$/, "");

/** True if `connect` would ask for the key, and neither the file nor a stored connection has it. */
export function isMissingCredential(
  { path: [section, , key, ...deeper], message }: Problem,
  types: TargetTypes,
): boolean {
  const asked: readonly unknown[] = ["type", "region", ...types.flatMap((type) => type.credentialKeys)];
  return section === "targets" && deeper.length === 0 && asked.includes(key) && message.startsWith("is missing");
}

/** Returns the problem with a hint at `connect` if a credential is missing. */
export function withConnectHint(problem: Problem, targets: unknown, types: TargetTypes): Problem {
  if (!isMissingCredential(problem, types)) return problem;
  const name = String(problem.path[1]);
  const section = isSection(targets) ? targets[name] : undefined;
  const type =
    isSection(section) && typeof section["type"] === "string"
      ? section["type"]
      : types.map((each) => each.type).join("|");
  const connect = `rollcall connect ${type} --name ${name}`;
  const message =
    problem.message === "is missing"
      ? `is missing: run "${connect}", or set it here`
      : `${problem.message}; or run "${connect}"`;
  return { ...problem, message };
}
