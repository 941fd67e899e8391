const REDACTED = "[redacted]";
/** Longer texts are cut, so that one field can't fill a disk. */
const MAX_TEXT = 8_192;
const MAX_DEPTH = 8;
/** Values in one line, at every depth together. */
const MAX_VALUES = 1_000;

/** A 1Password is no password. Compared without `-`, `_` and case: `client_secret`, `bindPassword`, `set-cookie`, `access_token`, `x-api-key`. */
const SECRET_KEY =
  /(authorization|cookie|passwd|(?<!(?<![a-z\d])(?:one|1))password|passphrase|secret|token|credential|apikey|masterkey|privatekey|secretkey)s?$/;

const SECRET_TEXT: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{4,}/gi, `$1 ${REDACTED}`],
  // A JSON Web Token: Bitwarden's access tokens.
  [/\beyJ[\w-]{5,}\.[\w-]*(\.[\w-]*)*/g, REDACTED],
  // Ory's prefixes: 1Password's access tokens (contract sheet of the Users API, §2).
  [/\bory_[a-z]{2}_[\w.~-]+/g, REDACTED],
  // Form bodies, query strings, JSON inside a text.
  [
    /(client_secret|clientSecret|access_token|refresh_token|(?<!(?<![a-z\d])(?:one|1))password|bindPassword|masterKey|token)(\\*"?\s*[=:]\s*\\*"?)[^\s"&,}]+/gi,
    `$1$2${REDACTED}`,
  ],
  [/(:\/\/[^\s/:@]*:)[^\s/@]+@/g, `$1${REDACTED}@`],
];

/** The text without what looks like a credential, cut at 8,192 characters. */
export function redactText(text: string): string {
  let result = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${text.length} characters)` : text;
  for (const [pattern, replacement] of SECRET_TEXT) result = result.replace(pattern, replacement);
  return result;
}

/**
 * A copy of any value that is safe to print: plain JSON, credentials removed by key and by form, bounded in depth and
 * size. Never throws.
 */
export function redact(value: unknown): unknown {
  return copy(value, [], { left: MAX_VALUES });
}

/** How many more values the copy may hold. */
interface Budget {
  left: number;
}

function copy(value: unknown, ancestors: readonly object[], budget: Budget): unknown {
  try {
    if (budget.left-- <= 0) return "[…]";
    if (typeof value === "object" && value !== null) return copyObject(value, ancestors, budget);
    return copyPrimitive(value);
  } catch {
    // A getter, a Proxy or a toJSON that throws: what it hides is not worth the line.
    return "[unreadable]";
  }
}

function copyPrimitive(value: unknown): unknown {
  if (value === null || value === undefined || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  return redactText(typeof value === "function" ? `[function ${value.name}]` : String(value));
}

function copyObject(value: object, ancestors: readonly object[], budget: Budget): unknown {
  if (ancestors.includes(value)) return "[circular]";
  if (ancestors.length >= MAX_DEPTH) return "[…]";
  const inside = [...ancestors, value];
  if (value instanceof Error) return copyEntries(Object.entries(fieldsOfError(value)), inside, budget);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Map) return copyEntries([...value].slice(0, MAX_VALUES), inside, budget);
  if (value instanceof Set) return copyItems([...value].slice(0, MAX_VALUES), inside, budget);
  if (Array.isArray(value)) return copyItems(value, inside, budget);
  if ("toJSON" in value && typeof value.toJSON === "function") return copy(value.toJSON(), inside, budget);
  return copyEntries(Object.entries(value), inside, budget);
}

function copyItems(items: readonly unknown[], inside: readonly object[], budget: Budget): unknown {
  const kept = items.slice(0, Math.max(0, budget.left)).map((item) => copy(item, inside, budget));
  return kept.length < items.length ? [...kept, `… ${items.length} items`] : kept;
}

function copyEntries(
  entries: readonly (readonly [unknown, unknown])[],
  inside: readonly object[],
  budget: Budget,
): unknown {
  const kept = entries.slice(0, Math.max(0, budget.left)).map(([key, value]) => {
    const name = redactText(String(key));
    return [name, isSecret(name, value) ? REDACTED : copy(value, inside, budget)];
  });
  return Object.fromEntries(kept.length < entries.length ? [...kept, ["…", `${entries.length} keys`]] : kept);
}

/** True for a value that stands under a key such as `client_secret`; nothing and a yes or no give nothing away. */
const isSecret = (key: string, value: unknown): boolean =>
  value !== null &&
  value !== undefined &&
  typeof value !== "boolean" &&
  SECRET_KEY.test(key.toLowerCase().replace(/[-_]/g, ""));

/** What an error is made of, with the fields of its own (`code`, `errno`, …) and its chain of causes. */
function fieldsOfError(error: Error): Readonly<Record<string, unknown>> {
  const { name, message, stack, cause } = error;
  const errors = error instanceof AggregateError ? { errors: error.errors } : {};
  return { ...error, name, message, ...errors, ...(cause === undefined ? {} : { cause }), stack };
}
