import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";

/** Where `${ENV}` and `file:PATH` are looked up. */
export interface ReferenceScope {
  /** Folder that a relative PATH starts from: the configuration file's. */
  readonly baseDir: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Something wrong at one place of the file. The message never holds a value. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Stands for a reference that could not be resolved: present, and of no valid type. */
const UNRESOLVED = Symbol("unresolved");

const MAX_SECRET_FILE_BYTES = 65_536;

/** `tree` with every `${ENV}` and `file:PATH` replaced by what it names; what can't be is added to `problems`. */
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
    return UNRESOLVED;
  };
  return walk(tree, []);
}

/** What a variable or a file gives is taken as it is: a secret that begins with `file:` or holds `${` stays itself. */
function resolveText(text: string, scope: ReferenceScope, failures: string[]): string {
  const expanded = text.replace(/\$\{([^}]*)\}?/g, (reference, name: string) => {
    if (!/^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/.test(reference)) {
      failures.push("${…} must hold the name of an environment variable: letters, digits and _");
      return "";
    }
    const value = scope.env[name];
    if (value === undefined) failures.push(`environment variable ${name} is not set`);
    return value ?? "";
  });
  if (!text.startsWith("file:") || failures.length > 0) return expanded;
  return readSecretFile(resolve(scope.baseDir, expanded.slice("file:".length)), failures);
}

/** The file that a text refers to, absolute; null: none. A variable that is not set counts as empty. */
export function fileNamed(text: string, { baseDir, env }: ReferenceScope): string | null {
  if (!text.startsWith("file:")) return null;
  const path = text.slice("file:".length).replace(/\$\{([^}]*)\}/g, (_, name: string) => env[name] ?? "");
  return resolve(baseDir, path);
}

function readSecretFile(path: string, failures: string[]): string {
  try {
    const stat = statSync(path);
    if (stat.isFile() && stat.size <= MAX_SECRET_FILE_BYTES) return readFileSync(path, "utf8").replace(/\r?\n$/, "");
    failures.push(
      stat.isDirectory() ? `${path} is a directory` : `${path} is not a file of at most ${MAX_SECRET_FILE_BYTES} bytes`,
    );
  } catch (error) {
    failures.push(unreadable(path, error));
  }
  return "";
}

/** Why a file can't be read, with its path, in a few words. */
export function unreadable(path: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
  if (code === "ENOENT") return `there is no file ${path}`;
  if (code === "EISDIR") return `${path} is a directory`;
  if (code === "EACCES" || code === "EPERM") return `no permission to read ${path}`;
  return `cannot read ${path} (${code})`;
}
