const redacted = "[redacted]";
/** Maximum characters of a text, so that one field cannot fill a disk. */
const maxText = 8_192;
const maxDepth = 8;
/** Maximum values in one line, at all depths together. */
const maxValues = 1_000;

/** Keys of secrets: `client_secret`, `bindPassword`, `set-cookie`, `x-api-key`. Compared without `-`, `_` and case. The product name 1Password does not match. */
const secretKey =
  /(authorization|cookie|passwd|(?<!(?<![a-z\d])(?:one|1))password|passphrase|secret|token|credential|apikey|masterkey|privatekey|secretkey)s?$/;

const secretTexts: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{4,}/gi, `$1 ${redacted}`],
  // JSON Web Tokens, such as Bitwarden's access tokens.
  [/\beyJ[\w-]{5,}\.[\w-]*(\.[\w-]*)*/g, redacted],
  // Tokens with a prefix of Ory, such as 1Password's access tokens.
  [/\bory_[a-z]{2}_[\w.~-]+/g, redacted],
  // Form bodies, query strings and JSON inside a text.
  [
    /(client_secret|clientSecret|access_token|refresh_token|(?<!(?<![a-z\d])(?:one|1))password|bindPassword|masterKey|token)(\\*"?\s*[=:]\s*\\*"?)[^\s"&,}]+/gi,
    `$1$2${redacted}`,
  ],
  [/(:\/\/[^\s/:@]*:)[^\s/@]+@/g, `$1${redacted}@`],
];

/** Returns the text without anything that looks like a credential, cut at 8,192 characters. */
export function redactText(text: string): string {
  let result = text.length > maxText ? `${text.slice(0, maxText)}… (${text.length} characters)` : text;
  for (const [pattern, replacement] of secretTexts) result = result.replace(pattern, replacement);
  return result;
}

/**
 * Returns a copy of any value that is safe to print: plain JSON without credentials, limited in depth and size. Credentials
 * are recognized by their key and by their form. Never throws.
 */
export function redact(value: unknown): unknown {
  return copy(value, [], { left: maxValues });
}

/** How many more values the copy may contain. */
interface Remaining {
  left: number;
}

function copy(value: unknown, ancestors: readonly object[], remaining: Remaining): unknown {
  try {
    if (remaining.left-- <= 0) return "[…]";
    if (typeof value === "object" && value !== null) return copyObject(value, ancestors, remaining);
    return copyPrimitive(value);
  } catch {
    // A getter, a Proxy or a toJSON threw.
    return "[unreadable]";
  }
}

function copyPrimitive(value: unknown): unknown {
  if (value === null || value === undefined || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  return redactText(typeof value === "function" ? `[function ${value.name}]` : String(value));
}

function copyObject(value: object, ancestors: readonly object[], remaining: Remaining): unknown {
  if (ancestors.includes(value)) return "[circular]";
  if (ancestors.length >= maxDepth) return "[…]";
  const inside = [...ancestors, value];
  if (value instanceof Error) return copyEntries(Object.entries(fieldsOfError(value)), inside, remaining);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Map) return copyEntries([...value].slice(0, maxValues), inside, remaining);
  if (value instanceof Set) return copyItems([...value].slice(0, maxValues), inside, remaining);
  if (Array.isArray(value)) return copyItems(value, inside, remaining);
  if ("toJSON" in value && typeof value.toJSON === "function") return copy(value.toJSON(), inside, remaining);
  return copyEntries(Object.entries(value), inside, remaining);
}

function copyItems(items: readonly unknown[], inside: readonly object[], remaining: Remaining): unknown {
  const kept = items.slice(0, Math.max(0, remaining.left)).map((item) => copy(item, inside, remaining));
  return kept.length < items.length ? [...kept, `… ${items.length} items`] : kept;
}

function copyEntries(
  entries: readonly (readonly [unknown, unknown])[],
  inside: readonly object[],
  remaining: Remaining,
): unknown {
  const kept = entries.slice(0, Math.max(0, remaining.left)).map(([key, value]) => {
    const name = redactText(String(key));
    return [name, isSecret(name, value) ? redacted : copy(value, inside, remaining)];
  });
  return Object.fromEntries(kept.length < entries.length ? [...kept, ["…", `${entries.length} keys`]] : kept);
}

/** True if the key names a secret, such as `client_secret`. Empty values and booleans reveal nothing. */
const isSecret = (key: string, value: unknown): boolean =>
  value !== null &&
  value !== undefined &&
  typeof value !== "boolean" &&
  secretKey.test(key.toLowerCase().replace(/[-_]/g, ""));

/** Returns the parts of an error: its own fields (`code`, `errno`, …) and its chain of causes. */
function fieldsOfError(error: Error): Readonly<Record<string, unknown>> {
  const { name, message, stack, cause } = error;
  const errors = error instanceof AggregateError ? { errors: error.errors } : {};
  return { ...error, name, message, ...errors, ...(cause === undefined ? {} : { cause }), stack };
}
