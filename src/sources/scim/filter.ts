import type { AttributePath, PathTarget } from "./attribute-path.ts";
import { leafOf, nameOf, resolvePath } from "./attribute-path.ts";
import type { ScimError } from "./errors.ts";
import { badRequest } from "./errors.ts";
import type { Attribute, ResourceSchema } from "./schemas.ts";

const COMPARE_OPS = ["eq", "co", "sw", "ew", "gt", "ge", "lt", "le"] as const;
export type CompareOp = (typeof COMPARE_OPS)[number];

/** A value in the type of the attribute it is compared with; dates are milliseconds. */
export type FilterValue = string | number | boolean;

/**
 * A parsed filter. `some` is a value path: one and the same value satisfies `of`, whose paths are sub-attributes.
 * `never` is a condition on an attribute that no schema has (RFC 7644 §3.4.2.1). `ne` is parsed as `not` of `eq`.
 */
export type Filter =
  | { readonly op: "and" | "or"; readonly of: readonly Filter[] }
  | { readonly op: "not"; readonly of: Filter }
  | { readonly op: "never" }
  | { readonly op: "pr"; readonly path: AttributePath }
  | { readonly op: "some"; readonly path: AttributePath; readonly of: Filter }
  | Comparison;

export interface Comparison {
  readonly op: CompareOp;
  readonly path: AttributePath;
  readonly value: FilterValue;
}

const NEVER: Filter = { op: "never" };

/** Maximum length of a filter, in characters. */
const maxFilterLength = 4096;
const maxFilterDepth = 32;
const maxConditions = 256;

const refuse = (detail: string): ScimError => badRequest("invalidFilter", `filter: ${detail}`);

/** Finds the attribute that a path names: of a resource, or of the values of a multi-valued attribute. Null if no schema has it. */
type Resolve = (text: string) => AttributePath | null;

const ofResource =
  (schema: ResourceSchema): Resolve =>
  (text) => {
    const target = resolvePath(schema, text);
    return target.kind === "attribute" ? target : null;
  };

const ofValues =
  (attribute: Attribute | undefined): Resolve =>
  (text) => {
    const sub = attribute?.subs?.get(text.toLowerCase());
    return sub === undefined ? null : { extension: null, attribute: sub, sub: null };
  };

/**
 * Parses the filter grammar of RFC 7644 §3.4.2.2, in time linear in its length. Identity providers also send values
 * without quotes, and compare a complex attribute as a whole: both are accepted.
 * @throws ScimError 400 invalidFilter
 */
export function parseFilter(text: string, schema: ResourceSchema): Filter {
  const parser = new FilterParser(text);
  const filter = parser.filter(ofResource(schema));
  parser.end();
  return filter;
}

/**
 * Parses the path of a PATCH operation (RFC 7644 §3.5.2): `attribute`, `attribute.sub`, `attribute[filter]` or
 * `attribute[filter].sub`. The filter chooses among the values of a multi-valued attribute; null chooses all.
 * @throws ScimError 400 invalidPath or invalidFilter
 */
export function parsePatchPath(
  text: string,
  schema: ResourceSchema,
): { readonly target: PathTarget; readonly filter: Filter | null } {
  const bracket = text.indexOf("[");
  const target = resolvePath(schema, bracket === -1 ? text : text.slice(0, bracket));
  if (bracket === -1 || target.kind !== "attribute") return { target, filter: null };
  const { attribute } = target;
  if (!attribute.isMultiValued || target.sub !== null)
    throw badRequest("invalidPath", `${nameOf(target)} does not have several values, so a path cannot filter them`);
  const parser = new FilterParser(text, bracket + 1);
  const filter = parser.filter(ofValues(attribute));
  parser.expect("]");
  const rest = parser.rest.trim();
  if (rest === "") return { target, filter };
  const sub = rest.startsWith(".") ? attribute.subs?.get(rest.slice(1).toLowerCase()) : undefined;
  if (sub === undefined)
    throw badRequest("invalidPath", `${attribute.name} has no sub-attribute of this name: ${text.slice(0, 80)}`);
  return { target: { ...target, sub }, filter };
}

/** Blanks, then a string in quotes, a sign, or a word. */
const TOKEN = /[ \t]*("(?:[^"\\]|\\.)*"|[()[\]]|[^\s()[\]"]+)?/sy;

/** Holds the position. One object per parse. */
class FilterParser {
  readonly #text: string;
  /** Empty at the end of the text, and before text that is not a token. */
  #token = "";
  /** Position after the token. */
  #end: number;
  #depth = 0;
  #conditions = 0;

  constructor(text: string, start = 0) {
    if (text.length > maxFilterLength) throw refuse(`${text.length} characters; the limit is ${maxFilterLength}`);
    this.#text = text;
    this.#end = start;
    this.#advance();
  }

  /** The text that is not parsed yet. */
  get rest(): string {
    return this.#text.slice(this.#end - this.#token.length);
  }

  end(): void {
    if (this.rest !== "") throw refuse(`${JSON.stringify(this.rest.slice(0, 20))} is not expected here`);
  }

  expect(sign: string): void {
    if (!this.#takes(sign)) throw this.#missing(`"${sign}"`);
  }

  filter(resolve: Resolve): Filter {
    if (++this.#depth > maxFilterDepth) throw refuse(`the limit of nested filters is ${maxFilterDepth}`);
    const filter = this.#series("or", () => this.#series("and", () => this.#term(resolve)));
    this.#depth--;
    return filter;
  }

  #series(op: "and" | "or", next: () => Filter): Filter {
    const of = [next()];
    while (this.#takes(op)) of.push(next());
    return joined(op, of);
  }

  #term(resolve: Resolve): Filter {
    if (++this.#conditions > maxConditions) throw refuse(`the limit of conditions is ${maxConditions}`);
    const isNegated = this.#takes("not");
    if (!isNegated && this.#token !== "(") return this.#condition(resolve);
    this.expect("(");
    const filter = this.filter(resolve);
    this.expect(")");
    return isNegated ? negated(filter) : filter;
  }

  #condition(resolve: Resolve): Filter {
    const text = this.#path();
    return this.#takes("[") ? this.#valuePath(text, resolve(text)) : this.#comparison(text, resolve(text));
  }

  /** `emails[type eq "work"]`, or `emails[type eq "work"].value eq "x"`: the second condition is on the same value. */
  #valuePath(text: string, path: AttributePath | null): Filter {
    if (path !== null && (path.attribute.subs === null || path.sub !== null))
      throw refuse(`${text} does not have values with sub-attributes`);
    const resolve = ofValues(path?.attribute);
    const of = [this.filter(resolve)];
    this.expect("]");
    if (this.#token.startsWith(".")) {
      const sub = this.#path(".");
      of.push(this.#comparison(sub, resolve(sub)));
    }
    return path === null ? NEVER : { op: "some", path, of: joined("and", of) };
  }

  #comparison(text: string, path: AttributePath | null): Filter {
    const word = this.#advance();
    const op = word.toLowerCase();
    const attribute = path === null ? null : wholeOrValue(path);
    if (op === "pr") return attribute === null ? NEVER : { op, path: attribute };
    if (op === "ne") return negated(compare("eq", attribute, this.#literal()));
    const compareOp = COMPARE_OPS.find((each) => each === op);
    if (compareOp === undefined)
      throw refuse(word === "" ? `an operator is missing after ${text}` : `${word.slice(0, 20)} is not an operator`);
    return compare(compareOp, attribute, this.#literal());
  }

  #path(prefix = ""): string {
    const word = this.#token.slice(prefix.length);
    if (!/^[a-z$_]/i.test(word)) throw this.#missing("an attribute");
    this.#advance();
    return word;
  }

  /** The value as text. Null for the word `null` without quotes. */
  #literal(): string | null {
    if (this.#token === "" || /^[()[\]]/.test(this.#token)) throw this.#missing("a value");
    const token = this.#advance();
    if (!token.startsWith('"')) return token.toLowerCase() === "null" ? null : token;
    try {
      return text(JSON.parse(token));
    } catch (cause) {
      throw Object.assign(refuse(`${token.slice(0, 20)} is not a JSON string`), { cause });
    }
  }

  /** Moves to the next token. Returns the one before. */
  #advance(): string {
    const token = this.#token;
    TOKEN.lastIndex = this.#end;
    const [all = "", next = ""] = TOKEN.exec(this.#text) ?? [];
    this.#end += all.length;
    this.#token = next;
    return token;
  }

  #takes(token: string): boolean {
    const isNext = this.#token.toLowerCase() === token;
    if (isNext) this.#advance();
    return isNext;
  }

  /** `wish`: what the grammar needs at this position. */
  #missing(wish: string): ScimError {
    return refuse(`${wish} is missing before ${this.rest === "" ? "the end" : JSON.stringify(this.rest.slice(0, 20))}`);
  }
}

/** PostgreSQL cannot store NUL, and UTF-8 has no unpaired surrogates: no stored text can equal such a value. */
function text(parsed: unknown): string {
  if (typeof parsed !== "string" || parsed.includes("\0") || !parsed.isWellFormed()) throw new TypeError("not text");
  return parsed;
}

const joined = (op: "and" | "or", of: readonly Filter[]): Filter =>
  of.length === 1 && of[0] !== undefined ? of[0] : { op, of };

const negated = (of: Filter): Filter => (of.op === "not" ? of.of : { op: "not", of });

/** `emails eq "x"` means `emails.value eq "x"`, and `emails pr` means `emails.value pr`. */
const wholeOrValue = (path: AttributePath): AttributePath =>
  path.sub === null ? { ...path, sub: path.attribute.valueSub } : path;

function compare(op: CompareOp, path: AttributePath | null, literal: string | null): Filter {
  if (literal !== null) return path === null ? NEVER : { op, path, value: typed(op, path, literal) };
  if (op !== "eq") throw refuse(`${op} cannot compare with null`);
  return negated(path === null ? NEVER : { op: "pr", path });
}

function typed(op: CompareOp, path: AttributePath, text: string): FilterValue {
  const isTextOp = op === "co" || op === "sw" || op === "ew";
  const name = nameOf(path);
  switch (leafOf(path).type) {
    case "complex":
      throw refuse(`${name} is complex: name a sub-attribute`);
    case "boolean": {
      const lower = text.toLowerCase();
      if (op !== "eq") throw refuse(`${op} cannot compare the boolean ${name}`);
      if (lower !== "true" && lower !== "false") throw refuse(`${name} is true or false`);
      return lower === "true";
    }
    case "dateTime": {
      const ms = /^\d{4}-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
      if (isTextOp || Number.isNaN(ms))
        throw refuse(`compare ${name} with a date like "2026-01-31T12:00:00Z" by eq, ne, gt, ge, lt or le`);
      return ms;
    }
    case "integer":
    case "decimal": {
      const number = Number(text);
      if (isTextOp || Number.isNaN(number)) throw refuse(`compare ${name} with a number`);
      return number;
    }
    default:
      return text;
  }
}
