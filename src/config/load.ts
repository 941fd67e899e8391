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

/** A whole configuration: valid, complete with its defaults, frozen. Durations are milliseconds, secrets are wrapped. */
export type Config = DeepReadonly<z.output<ReturnType<typeof configSchema>>>;
export type SourceConfig = Config["sources"][number];
/** An identity provider that pushes over SCIM. Without `tokens`, only tokens of `rollcall token create` are valid. */
export type ScimSourceConfig = Extract<SourceConfig, { type: "scim" }>;
/** A directory that Rollcall polls over LDAP. Files of `tls` are paths. */
export type LdapSourceConfig = Extract<SourceConfig, { type: "ldap" }>;
/** One target. `guard` is its removal limit, the general one included. */
export type TargetConfig = Config["targets"][number];
export type AlertsConfig = NonNullable<Config["alerts"]>;
export type AlertChannelConfig = AlertsConfig["channels"][number];
/** A removal limit: clamp(percent, atLeast, atMost) within `windowMs`. */
export type GuardConfig = TargetConfig["guard"];

/** Returns the sources that identity providers push to. */
export const scimSources = (config: Config): readonly ScimSourceConfig[] =>
  config.sources.filter((source): source is ScimSourceConfig => source.type === "scim");

/** Returns the sources that Rollcall polls. */
export const ldapSources = (config: Config): readonly LdapSourceConfig[] =>
  config.sources.filter((source): source is LdapSourceConfig => source.type === "ldap");

/** Everything that {@link parseConfigFile} needs besides the text. */
export interface ParseOptions extends ReferenceScope {
  /** The name of the file in error messages. */
  readonly fileName: string;
  /** The types of targets that the file may name. */
  readonly types: TargetTypes;
}

const maxFileBytes = 262_144;
/** Maximum YAML errors in a message. One wrong bracket can make every later line wrong. */
const maxYamlErrors = 20;
/** Maximum number of nodes that aliases may add. Nested aliases multiply. */
const maxAliases = 50;

/** The settings that are needed to open stored connections. */
export interface StoreSettings {
  readonly store: StoreConfig;
  /** 32 bytes in base64 each. The first one encrypts, all decrypt. Without a key, nothing can be stored. */
  readonly masterKeys: readonly Secret[];
}

/** A target made from the configuration file and from the keys that a person filled in. */
export type Draft =
  | { readonly target: TargetConfig }
  /** `field` is the wrong key of the target, or `name`. */
  | { readonly problems: readonly { readonly field: string; readonly message: string }[] };

/** A configuration file that was read and whose references are resolved. It is not validated yet. */
export interface ConfigFile {
  /** Absolute. */
  readonly fileName: string;
  /** The places that its secrets come from. */
  readonly secretPlaces: readonly SecretPlace[];
  /** @throws `CONFIG_INVALID` with every error of the file when `store` or `masterKey` has one */
  settings(): StoreSettings;
  /** The sections of targets, as they are in the file. */
  readonly targets: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /**
   * Returns the whole configuration, without the targets of the file that `leaveOut` names.
   * @throws `CONFIG_INVALID` with every error
   */
  compose(stored: readonly StoredTarget[], leaveOut?: ReadonlySet<string>): Config;
  /** Returns one target as it would be with these keys stored. Null: nothing is stored. */
  draft(name: string, keys: Readonly<Record<string, string>> | null): Draft;
}

/** Reads a configuration file. @throws `CONFIG_INVALID` when it can't be read or is not YAML */
export function readConfigFile(path: string, env: NodeJS.ProcessEnv, types: TargetTypes): ConfigFile {
  const fileName = resolve(path);
  return parseConfigFile(readText(fileName), { baseDir: dirname(fileName), env, fileName, types });
}

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size <= maxFileBytes) return readFileSync(path, "utf8");
  } catch (error) {
    // Without the cause, which repeats the message with less clear words.
    throw new RollcallError("CONFIG_INVALID", `no configuration: ${unreadable(path, error)}`);
  }
  throw new RollcallError("CONFIG_INVALID", `the configuration ${path} is larger than ${maxFileBytes} bytes`);
}

/** Reads a configuration from its text, YAML or JSON. @throws `CONFIG_INVALID` when it is not YAML */
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

/** `stored` is `unknown` while nothing stored can be opened. Then no credential counts as missing. */
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
  // A credential that may be stored is not missing.
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

/** Returns the JSON Schema (draft 7) of the file, for editors. A reference may replace any text with a pattern. */
export function jsonSchema(types: TargetTypes): object {
  const credentialKeys = types.flatMap((type) => type.credentialKeys);
  return z.toJSONSchema(configSchema("/", types), {
    target: "draft-7",
    io: "input",
    override: ({ jsonSchema: node, path }) => {
      const { description: _, default: __, ...form } = node;
      // `connect` can store the credentials instead.
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
  // Pretty errors quote the line, which may have a secret.
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines, stringKeys: true });
  const errors = [...document.errors, ...document.warnings].slice(0, maxYamlErrors);
  if (errors.length > 0)
    throw invalid(
      fileName,
      errors.map((error) => describeYamlError(error, document, lines)),
    );
  try {
    // Through JSON, because an alias of its own parent would make an endless tree.
    return JSON.parse(JSON.stringify(document.toJS({ maxAliasCount: maxAliases })));
  } catch (error) {
    throw new RollcallError("CONFIG_INVALID", `${fileName}: too many aliases (*name), or one within itself`, {
      cause: error,
    });
  }
}

/** Uses only the codes of the parser. Its messages may quote the text, and with it a secret. */
function describeYamlError(
  { code, pos }: YAMLError,
  document: ReturnType<typeof parseDocument>,
  lines: LineCounter,
): string {
  const { line, col } = lines.linePos(pos[0]);
  if (code !== "DUPLICATE_KEY")
    return `line ${line}, column ${col}: not valid YAML (${code.toLowerCase().replaceAll("_", " ")})`;
  return printProblem({ path: pathAt(document, pos[0]), message: `appears twice, again in line ${line}` });
}

/** Returns the path of the key that begins at `offset`. */
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
