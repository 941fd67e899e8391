import type { Attribute, Extension, ResourceSchema } from "./schemas.ts";

/** An attribute of a resource, or one sub-attribute of it. In a value filter: a sub-attribute, seen from one value. */
export interface AttributePath {
  /** URN of the extension that the attribute belongs to. Null for the core schema. */
  readonly extension: string | null;
  readonly attribute: Attribute;
  readonly sub: Attribute | null;
}

/** The meaning of a path (RFC 7644 §3.10). */
export type PathTarget =
  | (AttributePath & { readonly kind: "attribute" })
  /** `extension` null is the core schema. */
  | { readonly kind: "schema"; readonly extension: Extension | null }
  /** `isForeign`: true if the path begins with the URN of a schema that this server does not have. */
  | { readonly kind: "unknown"; readonly isForeign: boolean };

const UNKNOWN: PathTarget = { kind: "unknown", isForeign: false };
const FOREIGN: PathTarget = { kind: "unknown", isForeign: true };

/**
 * Finds what `text` names, without regard to case. Untrusted text is only looked up in Maps, never in an object. A name
 * without a URN that the core schema does not have is searched in the extensions: Entra ID sends a bare `manager`.
 */
export function resolvePath(schema: ResourceSchema, text: string): PathTarget {
  const lower = text.toLowerCase();
  if (lower.startsWith("urn:") || lower.startsWith("http:") || lower.startsWith("https:"))
    return resolveUrn(schema, lower);
  const core = within(null, schema.attributes, lower);
  if (core !== null) return core;
  for (const extension of schema.extensions) {
    const found = within(extension.urn, extension.attributes, lower);
    if (found !== null) return found;
  }
  return UNKNOWN;
}

function resolveUrn(schema: ResourceSchema, lower: string): PathTarget {
  for (const [urn, extension] of schema.urns) {
    if (lower === urn) return { kind: "schema", extension };
    if (lower.startsWith(urn) && lower[urn.length] === ":") {
      const rest = lower.slice(urn.length + 1);
      return within(extension?.urn ?? null, extension?.attributes ?? schema.attributes, rest) ?? UNKNOWN;
    }
  }
  return FOREIGN;
}

function within(extension: string | null, attributes: ReadonlyMap<string, Attribute>, lower: string) {
  const dot = lower.indexOf(".");
  const attribute = attributes.get(dot === -1 ? lower : lower.slice(0, dot));
  if (attribute === undefined) return null;
  if (dot === -1) return { kind: "attribute" as const, extension, attribute, sub: null };
  const sub = attribute.subs?.get(lower.slice(dot + 1));
  return sub === undefined ? UNKNOWN : { kind: "attribute" as const, extension, attribute, sub };
}

/** The sub-attribute if the path has one, otherwise the attribute. Its type is the type of the values. */
export const leafOf = ({ attribute, sub }: AttributePath): Attribute => sub ?? attribute;

/** The path in canonical spelling, without the URN: `emails.value`. */
export const nameOf = ({ attribute, sub }: AttributePath): string =>
  sub === null ? attribute.name : `${attribute.name}.${sub.name}`;
