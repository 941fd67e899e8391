import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { isScalar, LineCounter, parseDocument, visit, type YAMLError } from "yaml";
import { z } from "zod";
import { RollcallError } from "../domain/model/errors.ts";
import { isSection } from "./fields.ts";
import { describeIssue, printProblem, problemsOf } from "./problems.ts";
import { type Problem, type ReferenceScope, resolveReferences, unreadable } from "./references.ts";
import { configSchema, storeSettings, type TargetTypes } from "./schema.ts";
import type { Secret } from "./secret.ts";
import { type SecretPlace, secretPlacesIn } from "./secret-places.ts";
import type { StoreConfig } from "./store.ts";
import { isMissingCredential, mergeStored, type StoredTarget, withConnectHint } from "./stored.ts";

type DeepReadonly<T> = T extends Secret | ((...given: never) => unknown)
  ? T
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** A whole configuration: checked, complete with its defaults, frozen. Durations are milliseconds, secrets are wrapped. */
export type Config = DeepReadonly<z.output<ReturnType<typeof configSchema>>>;
/** One source; `type` tells which. */
export type SourceConfig = Config["sources"][number];
/** An identity provider that pushes over SCIM. Without `tokens`, those of `rollcall token create` count. */
export type ScimSourceConfig = Extract<SourceConfig, { type: "scim" }>;
/** A directory that is polled over LDAP. Files of `tls` are paths, not read yet. */
export type LdapSourceConfig = Extract<SourceConfig, { type: "ldap" }>;
/** One target; `type` tells which. `users.groups` null: everybody; `guard` is the budget that counts for it. */
export type TargetConfig = Config["targets"][number];
/** Who is told of what asks for a person. */
export type AlertsConfig = NonNullable<Config["alerts"]>;
/** One channel; `type` tells which. */
export type AlertChannelConfig = AlertsConfig["channels"][number];
/** The removal budget of a target: clamp(percent, atLeast, atMost) within `windowMs`. */
export type GuardConfig = TargetConfig["guard"];

/** The sources that identity providers push to. */
export const scimSources = (config: Config): readonly ScimSourceConfig[] =>
  config.sources.filter((source): source is ScimSourceConfig => source.type === "scim");

/** The sources that are polled. */
export const ldapSources = (config: Config): readonly LdapSourceConfig[] =>
  config.sources.filter((source): source is LdapSourceConfig => source.type === "ldap");

/** What {@link parseConfigFile} needs besides the text. */
export interface ParseOptions extends ReferenceScope {
  /** How error messages call the file. */
  readonly fileName: string;
  /** The types of targets that the file may name. */
  readonly types: TargetTypes;
}

const MAX_FILE_BYTES = 262_144;
/** One wrong bracket can make every later line wrong. */
const MAX_YAML_ERRORS = 20;
/** Aliases multiply: this bounds how often anything may be repeated. */
const MAX_ALIASES = 50;

/** What must be known of a configuration before what is stored can be opened. */
export interface StoreSettings {
  readonly store: StoreConfig;
  /** 32 bytes in base64 each; the first seals, all open. None: nothing can be stored. */
  readonly masterKeys: readonly Secret[];
}

/** A target put together from a file and from what somebody filled in. */
export type Draft =
  | { readonly target: TargetConfig }
  /** `field` is the key of the target that is wrong, `name` for its name. */
  | { readonly problems: readonly { readonly field: string; readonly message: string }[] };

/** A configuration file that was read, with its references resolved, and not checked yet. */
export interface ConfigFile {
  /** Absolute. */
  readonly fileName: string;
  /** Where its secrets come from. */
  readonly secretPlaces: readonly SecretPlace[];
  /** @throws `CONFIG_INVALID` with everything that is wrong with the file when `store` or `masterKey` is */
  settings(): StoreSettings;
  /** The targets that the file names, with their keys as they are there. */
  readonly targets: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /**
   * The whole configuration, without the targets of the file that `leaveOut` names.
   * @throws `CONFIG_INVALID` with everything that is wrong
   */
  compose(stored: readonly StoredTarget[], leaveOut?: ReadonlySet<string>): Config;
  /** One target, as it would be with these keys stored; null: with nothing stored. */
  draft(name: string, keys: Readonly<Record<string, string>> | null): Draft;
}

/** Reads a configuration file. @throws `CONFIG_INVALID` when it can't be read, or is no YAML */
export function readConfigFile(path: string, env: NodeJS.ProcessEnv, types: TargetTypes): ConfigFile {
  const fileName = resolve(path);
  return parseConfigFile(readText(fileName), { baseDir: dirname(fileName), env, fileName, types });
}

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size <= MAX_FILE_BYTES) return readFileSync(path, "utf8");
  } catch (error) {
    // The cause says the same again, less plainly.
    throw new RollcallError("CONFIG_INVALID", `no configuration: ${unreadable(path, error)}`);
  }
  throw new RollcallError("CONFIG_INVALID", `the configuration ${path} is larger than ${MAX_FILE_BYTES} bytes`);
}

/** A configuration file from its text. @throws `CONFIG_INVALID` when it is no YAML */
export function parseConfigFile(text: string, { fileName, types, ...scope }: ParseOptions): ConfigFile {
  const schema = configSchema(scope.baseDir, types);
  const unresolved: Problem[] = [];
  const written = parseYaml(text, fileName);
  const tree = resolveReferences(written, scope, unresolved);
  const sections = isSection(tree) ? tree : {};
  const targets = isSection(sections["targets"]) ? sections["targets"] : {};
  const named = Object.fromEntries(Object.entries(targets).map(([name, own]) => [name, isSection(own) ? own : {}]));
  const check = (stored: readonly StoredTarget[] | "unknown", leaveOut: ReadonlySet<string> = new Set()) =>
    checkTree(withoutTargets(tree, leaveOut), stored, unresolved, { schema, types });
  return {
    fileName,
    targets: named,
    secretPlaces: secretPlacesIn(written, scope),
    settings: () => {
      const found = storeSettings(scope.baseDir).safeParse(sections);
      if (found.success) return found.data;
      throw invalid(fileName, check("unknown").problems.map(printProblem));
    },
    compose: (stored, leaveOut) => {
      const { data, problems } = check(stored, leaveOut);
      if (data === undefined || problems.length > 0) throw invalid(fileName, problems.map(printProblem));
      return freeze(data);
    },
    draft: (name, keys) => draftOf(name, named[name] ?? {}, keys, unresolved, { schema, types }),
  };
}

interface Schema {
  readonly schema: ReturnType<typeof configSchema>;
  readonly types: TargetTypes;
}

/** `unknown`: what is stored can't be known, so nothing is missing that might be. */
function checkTree(
  tree: unknown,
  stored: readonly StoredTarget[] | "unknown",
  unresolved: readonly Problem[],
  { schema, types }: Schema,
) {
  const earlier = [...unresolved];
  const whole = isSection(tree)
    ? { ...tree, ...withTargets(mergeStored(tree["targets"], stored === "unknown" ? [] : stored, types, earlier)) }
    : tree;
  const result = schema.safeParse(whole, { error: describeIssue });
  const all = problemsOf(result.error?.issues ?? [], earlier);
  const targets = isSection(whole) ? whole["targets"] : undefined;
  // What may be stored, or is and can't be opened, is not missing.
  const isUnknown = ({ path }: Problem): boolean =>
    stored === "unknown" || stored.some((each) => "problem" in each && each.name === path[1]);
  const problems = all
    .filter((problem) => !(isMissingCredential(problem, types) && isUnknown(problem)))
    .map((problem) => withConnectHint(problem, targets, types));
  return { data: result.data, problems };
}

function withoutTargets(tree: unknown, names: ReadonlySet<string>): unknown {
  if (names.size === 0 || !isSection(tree) || !isSection(tree["targets"])) return tree;
  return { ...tree, targets: Object.fromEntries(Object.entries(tree["targets"]).filter(([name]) => !names.has(name))) };
}

const withTargets = (targets: unknown): object => (targets === undefined ? {} : { targets });

function draftOf(
  name: string,
  own: Readonly<Record<string, unknown>>,
  keys: Readonly<Record<string, string>> | null,
  unresolved: readonly Problem[],
  { schema, types }: Schema,
): Draft {
  const earlier = unresolved.filter(({ path }) => path[0] === "targets" && path[1] === name);
  const targets = mergeStored({ [name]: own }, keys === null ? [] : [{ name, keys }], types, earlier);
  const result = schema.safeParse({ sources: { any: { type: "scim" } }, targets }, { error: describeIssue });
  const problems = problemsOf(result.error?.issues ?? [], earlier);
  const [target] = result.data?.targets ?? [];
  if (target !== undefined && problems.length === 0) return { target: freeze(target) };
  return { problems: problems.map(({ path, message }) => ({ field: String(path[2] ?? "name"), message })) };
}

/** The JSON Schema (draft 7) of the file, for editors. Where a text has a form, a reference may stand instead. */
export function jsonSchema(types: TargetTypes): object {
  const credentialKeys = types.flatMap((type) => type.credentialKeys);
  return z.toJSONSchema(configSchema("/", types), {
    target: "draft-7",
    io: "input",
    override: ({ jsonSchema: node, path }) => {
      const { description: _, default: __, ...form } = node;
      // What `connect` stores need not stand in the file.
      if (node.properties?.["clientSecret"] !== undefined)
        node.required = (node.required ?? []).filter((key) => !credentialKeys.includes(key));
      if (path.at(-1) === "propertyNames" || (form.pattern ?? form.enum) === undefined) return;
      for (const key of Object.keys(form)) delete node[key];
      node.anyOf = [form, { type: "string", pattern: "\\$\\{|^file:" }];
    },
  });
}

function parseYaml(text: string, fileName: string): unknown {
  const lines = new LineCounter();
  // Pretty errors quote the line they are about, and with it a secret that stands there.
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines, stringKeys: true });
  const errors = [...document.errors, ...document.warnings].slice(0, MAX_YAML_ERRORS);
  if (errors.length > 0)
    throw invalid(
      fileName,
      errors.map((error) => describeYamlError(error, document, lines)),
    );
  try {
    // Through JSON: an alias of what it stands in would make a tree without end.
    return JSON.parse(JSON.stringify(document.toJS({ maxAliasCount: MAX_ALIASES })));
  } catch (error) {
    throw new RollcallError("CONFIG_INVALID", `${fileName}: too many aliases (*name), or one within itself`, {
      cause: error,
    });
  }
}

/** The parser's own messages may quote the text, so only its codes are used. */
function describeYamlError(
  { code, pos }: YAMLError,
  document: ReturnType<typeof parseDocument>,
  lines: LineCounter,
): string {
  const { line, col } = lines.linePos(pos[0]);
  if (code !== "DUPLICATE_KEY")
    return `line ${line}, column ${col}: not valid YAML (${code.toLowerCase().replaceAll("_", " ")})`;
  return printProblem({ path: pathAt(document, pos[0]), message: `is there twice, again in line ${line}` });
}

/** The keys that lead to the one that begins at `offset`. */
function pathAt(document: ReturnType<typeof parseDocument>, offset: number): readonly string[] {
  let found: readonly string[] = [];
  visit(document, {
    Pair(_, { key }, ancestors) {
      if (!isScalar(key) || key.range?.[0] !== offset) return undefined;
      const keys = ancestors.flatMap((node) => ("key" in node && isScalar(node.key) ? [String(node.key.value)] : []));
      found = [...keys, String(key.value)];
      return visit.BREAK;
    },
  });
  return found;
}

function invalid(fileName: string, lines: readonly string[]): RollcallError {
  const count = lines.length === 1 ? "1 error" : `${lines.length} errors`;
  return new RollcallError(
    "CONFIG_INVALID",
    `${fileName} has ${count}:\n${lines.map((line) => `  ${line}`).join("\n")}`,
  );
}

function freeze<T>(value: T): DeepReadonly<T> {
  if (typeof value === "object" && value !== null) {
    for (const item of Object.values(value)) freeze(item);
    Object.freeze(value);
  }
  return value as DeepReadonly<T>;
}
