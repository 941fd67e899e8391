import type { Attribute, Extension, ResourceSchema } from "./schemas.ts";

/** What an attribute path names (RFC 7644 §3.10): an attribute or sub-attribute, a whole schema, or nothing known. */
export type Target =
  | AttributeTarget
  /** `extension` null is the core schema. */
  | { readonly kind: "schema"; readonly extension: Extension | null }
  /** `isForeign` tells a URN of a schema that is not registered from a misspelt attribute. */
  | { readonly kind: "unknown"; readonly isForeign: boolean };

export interface AttributeTarget {
  readonly kind: "attribute";
  /** URN of the extension that the attribute belongs to; null for core. */
  readonly extension: string | null;
  readonly attribute: Attribute;
  readonly sub: Attribute | null;
}

const UNKNOWN: Target = { kind: "unknown", isForeign: false };
const FOREIGN: Target = { kind: "unknown", isForeign: true };

/**
 * Finds what `text` names, without regard to case. Untrusted text only ever meets Maps here, never a prototype. A bare
 * name that core does not have is looked for in the extensions (requirements 6 and 14: `manager`).
 */
export function resolvePath(schema: ResourceSchema, text: string): Target {
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

function resolveUrn(schema: ResourceSchema, lower: string): Target {
  for (const [urn, extension] of schema.urns) {
    if (lower === urn) return { kind: "schema", extension };
    if (lower.startsWith(urn) && lower[urn.length] === ":") {
      const rest = lower.slice(urn.length + 1);
      return within(extension?.urn ?? null, extension?.attributes ?? schema.attributes, rest) ?? UNKNOWN;
    }
  }
  return FOREIGN;
}

function within(extension: string | null, attributes: ReadonlyMap<string, Attribute>, lower: string): Target | null {
  const dot = lower.indexOf(".");
  const attribute = attributes.get(dot === -1 ? lower : lower.slice(0, dot));
  if (attribute === undefined) return null;
  if (dot === -1) return { kind: "attribute", extension, attribute, sub: null };
  const sub = attribute.subs?.get(lower.slice(dot + 1));
  return sub === undefined ? UNKNOWN : { kind: "attribute", extension, attribute, sub };
}
