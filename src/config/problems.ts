import type { z } from "zod";
import { isSection } from "./fields.ts";
import type { Problem } from "./references.ts";

const nouns: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
};

/** An error map for zod. Messages never have the value, which may be a secret. */
export const describeIssue: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case "invalid_type":
      return describeType(issue.expected, issue.input);
    case "invalid_value":
      return `must be ${oneOf(issue.values)}`;
    case "too_small":
      return `must ${describeLimit(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum)}`;
    case "too_big":
      return `must ${describeLimit(issue.origin, "at most", issue.maximum)}`;
    case "invalid_key":
      return "is not a name: 1 to 63 of A-Z, a-z, 0-9, -, _ and ., beginning with a letter or a digit";
    case "invalid_union":
      return Array.isArray(issue.options)
        ? describeKind(issue.options, issue.discriminator, issue.input)
        : "must be text, or a list of texts";
    case "unrecognized_keys":
      return issue.keys.map((key) => describeUnknownKey(key, knownKeys(issue.inst))).join("\n");
    default:
      return undefined;
  }
};

/** Turns zod's issues into problems, one per unknown key, and adds them to `earlier` ones. One place is reported once. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], earlier: readonly Problem[]): readonly Problem[] {
  const found = issues.flatMap((issue): Problem[] => {
    if (issue.code !== "unrecognized_keys") return [issue];
    const lines = issue.message.split("\n");
    return issue.keys.map((key, index) => ({ path: [...issue.path, key], message: lines[index] ?? "unknown key" }));
  });
  const isNew = ({ path }: Problem): boolean =>
    !earlier.some((problem) => path.every((key, index) => problem.path[index] === key));
  return [...earlier, ...found.filter(isNew)];
}

/** `targets.acme.protect[1]: must be …` */
export function printProblem({ path, message }: Problem): string {
  const place = path.map((key) => (typeof key === "number" ? `[${key}]` : `.${printKey(String(key))}`)).join("");
  return place === "" ? message : `${place.slice(1)}: ${message}`;
}

/** Hides the end of a key such as `token:abc`. Without a space after the colon, YAML reads the secret as part of the key. */
function printKey(key: string): string {
  if (/^[\w$-][\w$.-]*$/.test(key)) return key;
  const [head] = /^[^:=]*[:=](?=.)/.exec(key) ?? [];
  return JSON.stringify(head === undefined ? key : `${head}…`);
}

function describeType(expected: string, input: unknown): string {
  if (input === undefined) return "is missing";
  const quotes = expected === "string" && /^(number|boolean)$/.test(typeof input) ? ": put it in quotes" : "";
  return `must be ${nouns[expected] ?? expected}${quotes}`;
}

/** Describes a section whose `type` is missing or unknown. */
function describeKind(options: readonly unknown[], key: unknown, input: unknown): string {
  const isAbsent = isSection(input) && typeof key === "string" && input[key] === undefined;
  return isAbsent ? `is missing: ${oneOf(options)}` : `must be ${oneOf(options)}`;
}

function describeLimit(origin: string, bound: string, limit: number | bigint): string {
  if (origin !== "string" && origin !== "array") return `be ${bound} ${limit}`;
  if (bound === "at least" && limit === 1) return "not be empty";
  return `have ${bound} ${limit} ${origin === "string" ? "characters" : "items"}`;
}

const oneOf = (values: readonly unknown[]): string => values.join(" or ");

function knownKeys(inst: z.core.$ZodRawIssue["inst"]): readonly string[] {
  const def: object = inst?._zod.def ?? {};
  return "shape" in def ? Object.keys(def.shape as object) : [];
}

function describeUnknownKey(key: string, known: readonly string[]): string {
  const plain = (text: string): string => text.toLowerCase().replace(/[-_]/g, "");
  const [nearest] = known
    .map((name) => ({ name, distance: editDistance(plain(key), plain(name)) }))
    .filter(({ name, distance }) => distance <= Math.min(2, name.length / 3))
    .sort((a, b) => a.distance - b.distance);
  return nearest === undefined ? "unknown key" : `unknown key; did you mean '${nearest.name}'?`;
}

/** Returns the number of characters to add, drop, replace or swap with their neighbour (optimal string alignment). */
function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, char] of [...from.slice(0, 64)].entries()) {
    const next = [i + 1];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + Number(to[j - 1] !== char);
      const isSwapped = i > 0 && j > 1 && to[j - 2] === char && to[j - 1] === from[i - 1];
      const swapped = isSwapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min(replaced, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[to.length] ?? 0;
}
