import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";

/** The environment and the folder that `${ENV}` and `file:PATH` refer to. */
export interface ReferenceScope {
  /** The folder of the configuration file. A relative PATH starts there. */
  readonly baseDir: string;
  readonly env: NodeJS.ProcessEnv;
}

/** An error at one place of the file. The message never has a value, which may be a secret. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Replaces a reference that could not be resolved: the key is present, with a value of no valid type. */
const unresolved = Symbol("unresolved");

const maxSecretFileBytes = 65_536;

/** Returns `tree` with every `${ENV}` and `file:PATH` replaced by its value. Adds to `problems` where there is none. */
export function resolveReferences(tree: unknown, scope: ReferenceScope, problems: Problem[]): unknown {
  const walk = (value: unknown, path: readonly PropertyKey[]): unknown => {
    if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, index]));
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]));
    }
    if (typeof value !== "string") return value;
    const failures: string[] = [];
    const text = resolveText(value, scope, failures);
    if (failures.length === 0) return text;
    problems.push(...failures.map((message) => ({ path, message })));
    return unresolved;
  };
  return walk(tree, []);
}

/** Resolves a text once: the value of a variable or file is final, even if it begins with `file:` or contains `${`. */
function resolveText(text: string, scope: ReferenceScope, failures: string[]): string {
  const expanded = text.replace(/\$\{([^}]*)\}?/g, (reference, name: string) => {
    if (!/^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/.test(reference)) {
      failures.push("${…} must contain the name of an environment variable: letters, digits and _");
      return "";
    }
    const value = scope.env[name];
    if (value === undefined) failures.push(`environment variable ${name} is not set`);
    return value ?? "";
  });
  if (!text.startsWith("file:") || failures.length > 0) return expanded;
  return readSecretFile(resolve(scope.baseDir, expanded.slice("file:".length)), failures);
}

/** Returns the absolute path of the file that a text refers to; null if none. An unset variable counts as empty. */
export function fileNamed(text: string, { baseDir, env }: ReferenceScope): string | null {
  if (!text.startsWith("file:")) return null;
  const path = text.slice("file:".length).replace(/\$\{([^}]*)\}/g, (_, name: string) => env[name] ?? "");
  return resolve(baseDir, path);
}

function readSecretFile(path: string, failures: string[]): string {
  try {
    const stat = statSync(path);
    if (stat.isFile() && stat.size <= maxSecretFileBytes) return readFileSync(path, "utf8").replace(/\r?\n$/, "");
    failures.push(
      stat.isDirectory() ? `${path} is a directory` : `${path} is not a file of at most ${maxSecretFileBytes} bytes`,
    );
  } catch (error) {
    failures.push(unreadable(path, error));
  }
  return "";
}

/** Says why a file can't be read. The text has its path. */
export function unreadable(path: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
  if (code === "ENOENT") return `there is no file ${path}`;
  if (code === "EISDIR") return `${path} is a directory`;
  if (code === "EACCES" || code === "EPERM") return `no permission to read ${path}`;
  return `cannot read ${path} (${code})`;
}
