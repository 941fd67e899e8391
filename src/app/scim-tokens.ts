import { randomUUID } from "node:crypto";
import { hashToken, newToken } from "../crypto/tokens.ts";
import type { Cause } from "../domain/model/entities.ts";
import type { TokenStore } from "../domain/ports/directory-store.ts";
import type { StoredToken } from "../domain/ports/scim-store.ts";

/** A token that was just made: what is shown this once, and what is kept. */
export interface MadeToken {
  readonly token: string;
  readonly stored: StoredToken;
}

/** A token in another's place. */
export interface RotatedToken extends MadeToken {
  /** Until when the one before is still good. */
  readonly oldGoodUntilMs: number;
}

/** Makes a token; nothing is stored. `lifeMs` null: it never expires. */
export function makeToken(source: string, label: string, lifeMs: number | null, nowMs: number): MadeToken {
  const token = newToken();
  const stored: StoredToken = {
    id: randomUUID(),
    source,
    hash: hashToken(token),
    label,
    createdAtMs: nowMs,
    revokedAtMs: null,
    expiresAtMs: lifeMs === null ? null : nowMs + lifeMs,
    lastUsedAtMs: null,
  };
  return { token, stored };
}

/**
 * Makes one for the same source, and lets the old one go after `graceMs`. `lifeMs` undefined: as long as the old one was
 * made for, so that a policy of 90 days stays one. Null when no good token has that id.
 */
export async function rotate(
  store: TokenStore,
  id: string,
  { graceMs, lifeMs }: { readonly graceMs: number; readonly lifeMs?: number | undefined },
  cause: Cause,
  nowMs: number,
): Promise<RotatedToken | null> {
  const old = (await store.tokens()).find((each) => each.id === id);
  if (old === undefined) return null;
  const oldLifeMs = old.expiresAtMs === null ? null : old.expiresAtMs - old.createdAtMs;
  const made = makeToken(old.source, old.label, lifeMs ?? oldLifeMs, nowMs);
  const untilMs = nowMs + graceMs;
  if (!(await store.rotateToken(id, made.stored, untilMs, cause))) return null;
  return { ...made, oldGoodUntilMs: Math.min(untilMs, old.expiresAtMs ?? untilMs) };
}
