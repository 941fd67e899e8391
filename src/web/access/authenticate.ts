import { hash, timingSafeEqual } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { fingerprint, hashToken } from "../../crypto/tokens.ts";
import type { StoredToken } from "../../domain/ports/scim-store.ts";

/** Who a request comes from. */
export interface Principal {
  readonly source: string;
  /** For the audit trail, e.g. `scim:okta (token 1a2b3c4d)`; never the token. */
  readonly actor: string;
}

interface KnownToken extends Principal {
  /** Null: of the configuration. */
  readonly id: string | null;
  readonly expiresAtMs: number | null;
  readonly hash: Buffer;
}

/** Compares with every known token, each in constant time: how long it takes says nothing about which was close. */
function find(known: readonly KnownToken[], presented: Buffer): KnownToken | null {
  let found: KnownToken | null = null;
  for (const each of known) if (timingSafeEqual(each.hash, presented)) found = each;
  return found;
}

const principalOf = (source: string, hash: string, id: string | null, expiresAtMs: number | null): KnownToken => ({
  source,
  id,
  expiresAtMs,
  actor: `scim:${source} (token ${fingerprint(hash)})`,
  hash: Buffer.from(hash, "hex"),
});

export interface AuthenticatorParts {
  /** Tokens of the configuration, by source. */
  readonly configured: readonly { readonly source: string; readonly token: string }[];
  /** Tokens made by `rollcall token create`, perhaps while this process runs. */
  readonly stored: () => Promise<readonly StoredToken[]>;
  /** Sources that exist; a stored token of another one is refused. */
  readonly sources: ReadonlySet<string>;
  readonly now: () => number;
  /** Told of each use of a stored token, by its id. Must not throw. */
  readonly used?: (id: string) => void;
}

/** How long a revoked token may still be taken for good. */
const refreshMs = 1000;
/** Unknown tokens have the store looked at no more often than this, all together: whoever guesses costs next to nothing. */
const lookEveryMs = 100;

/**
 * Finds whose a bearer token is. Known tokens are answered at once from memory; an unknown one is looked up once more,
 * because another process may have made it a moment ago.
 */
export function createAuthenticator({ configured, stored, sources, now, used }: AuthenticatorParts) {
  const fixed = configured.map(({ source, token }) => principalOf(source, hashToken(token), null, null));
  let known: readonly KnownToken[] = fixed;
  let readAtMs = Number.NEGATIVE_INFINITY;

  const refresh = async (): Promise<void> => {
    readAtMs = now();
    const good = (await stored()).filter((token) => token.revokedAtMs === null && sources.has(token.source));
    known = [...fixed, ...good.map((token) => principalOf(token.source, token.hash, token.id, token.expiresAtMs))];
  };
  let nextLook: Promise<void> | null = null;
  /** A look that begins after this call: one under way may have missed a token made since. */
  const look = (): Promise<void> => {
    nextLook ??= (async () => {
      await delay(Math.min(lookEveryMs, Math.max(0, readAtMs + lookEveryMs - now())));
      nextLook = null;
      await refresh();
    })();
    return nextLook;
  };
  const admitted = (found: KnownToken | null): Principal | null => {
    if (found === null || (found.expiresAtMs !== null && found.expiresAtMs <= now())) return null;
    if (found.id !== null) used?.(found.id);
    return found;
  };
  return async (token: string): Promise<Principal | null> => {
    const presented = hash("sha256", token, "buffer");
    const isStale = Math.abs(now() - readAtMs) >= refreshMs;
    if (isStale) await refresh();
    const found = find(known, presented);
    if (found !== null || isStale) return admitted(found);
    await look();
    return admitted(find(known, presented));
  };
}
