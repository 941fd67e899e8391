import { setTimeout as delay } from "node:timers/promises";
import { findByHash, fingerprint, hashToken } from "../../crypto/tokens.ts";
import type { StoredToken } from "../../domain/ports/scim-store.ts";

/** The authenticated sender of a request. */
export interface Principal {
  readonly source: string;
  /** For the audit trail, e.g. `scim:okta (token 1a2b3c4d)`; never the token. */
  readonly actor: string;
}

interface KnownToken extends Principal {
  /** Null for a token of the configuration. */
  readonly id: string | null;
  readonly expiresAtMs: number | null;
  readonly hash: Buffer;
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
  /** Reads tokens of `rollcall token create`. Another process may add some at any time. */
  readonly stored: () => Promise<readonly StoredToken[]>;
  /** Configured sources. A stored token of another source is refused. */
  readonly sources: ReadonlySet<string>;
  readonly now: () => number;
  /** Called with the id at each use of a stored token. Must not throw. */
  readonly used?: (id: string) => void;
}

/** Maximum time that a revoked token is still accepted. */
const refreshMs = 1000;
/** Minimum time between two reads of the store for unknown tokens, so that guesses cause little load. */
const rereadEveryMs = 100;

/**
 * Returns a function that finds the source of a bearer token. Known tokens are found in memory. An unknown token causes one
 * more read of the store, because another process may have just created it.
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
  let nextRead: Promise<void> | null = null;
  /** Waits for a read that begins after this call. A read in progress may have missed a new token. */
  const readAgain = (): Promise<void> => {
    nextRead ??= (async () => {
      await delay(Math.min(rereadEveryMs, Math.max(0, readAtMs + rereadEveryMs - now())));
      nextRead = null;
      await refresh();
    })();
    return nextRead;
  };
  const accept = (found: KnownToken | null): Principal | null => {
    if (found === null || (found.expiresAtMs !== null && found.expiresAtMs <= now())) return null;
    if (found.id !== null) used?.(found.id);
    return found;
  };
  return async (token: string): Promise<Principal | null> => {
    const isStale = Math.abs(now() - readAtMs) >= refreshMs;
    if (isStale) await refresh();
    const found = findByHash(known, token);
    if (found !== null || isStale) return accept(found);
    await readAgain();
    return accept(findByHash(known, token));
  };
}
