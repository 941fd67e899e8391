import { resolvePath } from "./attribute-path.ts";
import type { ScimError } from "./errors.ts";
import { badRequest } from "./errors.ts";
import type { Attribute, ResourceSchema } from "./schemas.ts";

export type CompareOp = "eq" | "ne" | "co" | "sw" | "ew" | "gt" | "ge" | "lt" | "le";

/** A value in the type of the attribute it is compared with; dates are milliseconds. */
export type FilterValue = string | number | boolean;

/** `attribute` null: not in any schema, so it has no value on any resource (RFC 7644 §3.4.2.1). */
export interface FilterPath {
  readonly text: string;
  readonly extension: string | null;
  readonly attribute: Attribute | null;
  readonly sub: Attribute | null;
}

/** A parsed filter. `some` is a value path: one and the same value satisfies `of`, whose paths are sub-attributes. */
export type Filter =
  | { readonly op: "and" | "or"; readonly of: readonly Filter[] }
  | { readonly op: "not"; readonly of: Filter }
  | { readonly op: "pr"; readonly path: FilterPath }
  | { readonly op: "some"; readonly path: FilterPath; readonly of: Filter }
  | { readonly op: CompareOp; readonly path: FilterPath; readonly value: FilterValue };

/** Longest accepted filter, in characters. */
export const MAX_FILTER_LENGTH = 4096;
const MAX_DEPTH = 32;
const MAX_NODES = 256;

const COMPARE_OPS: ReadonlySet<string> = new Set<CompareOp>(["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]);
const isCompareOp = (word: string): word is CompareOp => COMPARE_OPS.has(word);

const refuse = (detail: string): ScimError => badRequest("invalidFilter", `filter: ${detail}`);

/** Finds the attribute that a path of the filter names: in a resource, or within the values of a multi-valued attribute. */
type Resolve = (text: string) => FilterPath;

const ofResource =
  (schema: ResourceSchema): Resolve =>
  (text) => {
    const target = resolvePath(schema, text);
    return target.kind === "attribute"
      ? { text, extension: target.extension, attribute: target.attribute, sub: target.sub }
      : { text, extension: null, attribute: null, sub: null };
  };

const ofValues =
  (attribute: Attribute | null): Resolve =>
  (text) => ({
    text,
    extension: null,
    attribute: attribute?.subs?.get(text.toLowerCase()) ?? null,
    sub: null,
  });

/**
 * Parses the filter grammar of RFC 7644 §3.4.2.2 in time linear in its length. Lenient where identity providers need it:
 * values without quotes (requirement 3), a complex attribute compared as a whole (5, 6).
 * @throws ScimError 400 invalidFilter
 */
export function parseFilter(text: string, schema: ResourceSchema): Filter {
  const parser = new FilterParser(text);
  const filter = parser.filter(ofResource(schema));
  parser.end();
  return filter;
}

/** The filter within `attribute[…]`, and the position after the bracket. */
export function parseValueFilter(
  text: string,
  start: number,
  attribute: Attribute,
): { readonly filter: Filter; readonly end: number } {
  const parser = new FilterParser(text, start);
  const filter = parser.filter(ofValues(attribute));
  parser.expect("]");
  return { filter, end: parser.position };
}

interface Literal {
  readonly kind: "string" | "number" | "boolean" | "null";
  readonly text: string;
}

/** Holds the position; one object per parse. */
class FilterParser {
  readonly #text: string;
  #at: number;
  #depth = 0;
  #nodes = 0;

  constructor(text: string, start = 0) {
    if (text.length > MAX_FILTER_LENGTH) throw refuse(`${text.length} characters are more than ${MAX_FILTER_LENGTH}`);
    this.#text = text;
    this.#at = start;
  }

  get position(): number {
    return this.#at;
  }

  end(): void {
    this.#skipBlanks();
    if (this.#at < this.#text.length) throw this.#unexpected();
  }

  expect(sign: string): void {
    this.#skipBlanks();
    if (this.#text[this.#at] !== sign) throw this.#unexpected(`"${sign}" expected`);
    this.#at++;
  }

  filter(resolve: Resolve): Filter {
    if (++this.#depth > MAX_DEPTH) throw refuse(`nested deeper than ${MAX_DEPTH}`);
    const filter = this.#series("or", () => this.#series("and", () => this.#term(resolve)));
    this.#depth--;
    return filter;
  }

  #series(op: "and" | "or", next: () => Filter): Filter {
    const of = [next()];
    while (this.#takeWord(op)) of.push(next());
    return of.length === 1 && of[0] !== undefined ? of[0] : { op, of };
  }

  #term(resolve: Resolve): Filter {
    if (++this.#nodes > MAX_NODES) throw refuse(`more than ${MAX_NODES} conditions`);
    if (this.#takeSign("(")) return this.#grouped(resolve);
    const start = this.#at;
    if (this.#takeWord("not")) {
      if (this.#takeSign("(")) return { op: "not", of: this.#grouped(resolve) };
      this.#at = start;
    }
    return this.#condition(resolve);
  }

  #grouped(resolve: Resolve): Filter {
    const filter = this.filter(resolve);
    this.expect(")");
    return filter;
  }

  #condition(resolve: Resolve): Filter {
    const path = resolve(this.#path());
    if (this.#text[this.#at] === "[") return this.#valuePath(path);
    return this.#comparison(path);
  }

  /** `emails[type eq "work"]`, or `emails[type eq "work"].value eq "x"`: the second condition is on the same value. */
  #valuePath(path: FilterPath): Filter {
    if (path.attribute !== null && (path.attribute.subs === null || path.sub !== null))
      throw refuse(`${path.text} has no values to choose from`);
    this.#at++;
    const inner = ofValues(path.attribute);
    const chosen = this.filter(inner);
    this.expect("]");
    if (this.#text[this.#at] !== ".") return { op: "some", path, of: chosen };
    this.#at++;
    return { op: "some", path, of: { op: "and", of: [chosen, this.#comparison(inner(this.#path()))] } };
  }

  #comparison(path: FilterPath): Filter {
    const op = this.#word().toLowerCase();
    if (op === "pr") return { op, path: wholeOrValue(path) };
    if (!isCompareOp(op))
      throw refuse(op === "" ? `an operator is missing after ${path.text}` : `"${op.slice(0, 20)}" is not an operator`);
    return compare(op, wholeOrValue(path), this.#literal());
  }

  #path(): string {
    this.#skipBlanks();
    const word = this.#run(/[^\s()[\]"]*/y);
    if (!/^[a-z$_]/i.test(word)) throw this.#unexpected("an attribute expected");
    return word;
  }

  #word(): string {
    this.#skipBlanks();
    return this.#run(/[a-z]*/iy);
  }

  #literal(): Literal {
    this.#skipBlanks();
    if (this.#text[this.#at] === '"') return { kind: "string", text: this.#quoted() };
    const word = this.#run(/[^\s()[\]"]*/y);
    if (word === "") throw this.#unexpected("a value expected");
    const lower = word.toLowerCase();
    if (lower === "true" || lower === "false") return { kind: "boolean", text: lower };
    if (lower === "null") return { kind: "null", text: lower };
    return { kind: /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(word) ? "number" : "string", text: word };
  }

  #quoted(): string {
    const raw = this.#run(/"(?:[^"\\]|\\.)*"/sy);
    try {
      return text(JSON.parse(raw));
    } catch (cause) {
      throw Object.assign(refuse(`a string at character ${this.#at + 1} is not a JSON string`), { cause });
    }
  }

  #run(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #takeSign(sign: string): boolean {
    this.#skipBlanks();
    if (this.#text[this.#at] !== sign) return false;
    this.#at++;
    return true;
  }

  #takeWord(word: string): boolean {
    this.#skipBlanks();
    const end = this.#at + word.length;
    if (this.#text.slice(this.#at, end).toLowerCase() !== word) return false;
    const next = this.#text[end];
    if (next !== undefined && !/[\s(]/.test(next)) return false;
    this.#at = end;
    return true;
  }

  #skipBlanks(): void {
    while (this.#text[this.#at] === " " || this.#text[this.#at] === "\t") this.#at++;
  }

  #unexpected(wish = "the end expected"): ScimError {
    const found = this.#text.slice(this.#at, this.#at + 20);
    return refuse(
      found === "" ? `ends too early, ${wish}` : `${wish} at character ${this.#at + 1}, found ${JSON.stringify(found)}`,
    );
  }
}

/** NUL and unpaired surrogates are no text that a store could hold, so nothing can equal them. */
function text(parsed: unknown): string {
  if (typeof parsed !== "string" || parsed.includes("\0") || !parsed.isWellFormed()) throw new TypeError("not text");
  return parsed;
}

/** `emails eq "x"` means `emails.value eq "x"` (requirement 5); `emails pr` likewise. */
function wholeOrValue(path: FilterPath): FilterPath {
  const { attribute } = path;
  return attribute?.valueSub == null || path.sub !== null ? path : { ...path, sub: attribute.valueSub };
}

function compare(op: CompareOp, path: FilterPath, literal: Literal): Filter {
  if (literal.kind === "null") {
    if (op === "eq") return { op: "not", of: { op: "pr", path } };
    if (op === "ne") return { op: "pr", path };
    throw refuse(`${op} cannot compare with null`);
  }
  return { op, path, value: typed(op, path, literal) };
}

function typed(op: CompareOp, path: FilterPath, literal: Literal): FilterValue {
  const type = (path.sub ?? path.attribute)?.type;
  const isText = op === "co" || op === "sw" || op === "ew";
  switch (type) {
    case "complex":
      throw refuse(`${path.text} is complex: name a sub-attribute`);
    case "boolean": {
      const lower = literal.text.toLowerCase();
      if (op !== "eq" && op !== "ne") throw refuse(`${op} cannot compare the boolean ${path.text}`);
      if (lower !== "true" && lower !== "false") throw refuse(`${path.text} is true or false`);
      return lower === "true";
    }
    case "dateTime": {
      const ms = /^\d{4}-\d\d/.test(literal.text) ? Date.parse(literal.text) : Number.NaN;
      if (isText || Number.isNaN(ms))
        throw refuse(`${path.text} is compared with a date like "2026-01-31T12:00:00Z" by eq, ne, gt, ge, lt, le`);
      return ms;
    }
    case "integer":
    case "decimal": {
      const number = Number(literal.text);
      if (isText || Number.isNaN(number)) throw refuse(`${path.text} is compared with a number`);
      return number;
    }
    default:
      return literal.text;
  }
}

/** The text of a filter; parsing it gives the same filter again. */
export function formatFilter(filter: Filter): string {
  switch (filter.op) {
    case "and":
    case "or":
      return filter.of.map((each) => `(${formatFilter(each)})`).join(` ${filter.op} `);
    case "not":
      return `not (${formatFilter(filter.of)})`;
    case "pr":
      return `${filter.path.text} pr`;
    case "some":
      return `${filter.path.text}[${formatFilter(filter.of)}]`;
    default: {
      const isDate =
        (filter.path.sub ?? filter.path.attribute)?.type === "dateTime" && typeof filter.value === "number";
      return `${filter.path.text} ${filter.op} ${JSON.stringify(isDate ? new Date(filter.value).toISOString() : filter.value)}`;
    }
  }
}
