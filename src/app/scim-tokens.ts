import { randomUUID } from "node:crypto";
import { type Config, scimSources } from "../config/index.ts";
import { fingerprint, hashToken, newToken } from "../crypto/tokens.ts";
import type { Cause } from "../domain/model/entities.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import { type StoredToken, tokenState } from "../domain/ports/scim-store.ts";
import { withIsoTimes } from "../text/times.ts";

/** A token that was just made. `token` is shown once; the store has only its hash. */
export interface MadeToken extends StoredToken {
  readonly token: string;
}

/** A token that replaces another one. */
export interface RotatedToken extends MadeToken {
  readonly oldGoodUntilMs: number;
}

/** A token as the command line and the API show it: without its hash. */
export function tokenJson(stored: StoredToken, nowMs: number) {
  const { hash, ...shown } = stored;
  return { ...withIsoTimes(shown), fingerprint: fingerprint(hash), state: tokenState(stored, nowMs) };
}

/** The bearer tokens of identity providers: for the command line, the console and the API. */
export interface ScimTokens {
  list(): Promise<readonly StoredToken[]>;
  /** Makes a token. `lifeMs` null: it never expires. Returns null if there is no such SCIM source. */
  create(source: string, label: string, lifeMs: number | null, cause: Cause): Promise<MadeToken | null>;
  /**
   * Makes a token for the same source. The old one stays good for `graceMs`. Without `lifeMs` the new one lives as long as
   * the old one did: a policy of 90 days stays in force. Returns null if no good token has that id.
   */
  rotate(
    id: string,
    life: { readonly graceMs: number; readonly lifeMs?: number | undefined },
    cause: Cause,
  ): Promise<RotatedToken | null>;
  /** Returns false if no good token has that id. */
  revoke(id: string, cause: Cause): Promise<boolean>;
}

export function createScimTokens(
  config: Config,
  store: Pick<DirectoryStore, "tokens" | "addToken" | "rotateToken" | "revokeToken">,
  now: () => number,
): ScimTokens {
  const make = (source: string, label: string, lifeMs: number | null): MadeToken => {
    const token = newToken();
    const nowMs = now();
    const times = { createdAtMs: nowMs, revokedAtMs: null, lastUsedAtMs: null };
    return {
      token,
      id: randomUUID(),
      source,
      hash: hashToken(token),
      label,
      ...times,
      expiresAtMs: lifeMs === null ? null : nowMs + lifeMs,
    };
  };
  return {
    list: () => store.tokens(),
    async create(source, label, lifeMs, cause) {
      if (!scimSources(config).some(({ name }) => name === source)) return null;
      const made = make(source, label, lifeMs);
      await store.addToken(made, cause);
      return made;
    },
    async rotate(id, { graceMs, lifeMs }, cause) {
      const old = (await store.tokens()).find((each) => each.id === id);
      if (old === undefined) return null;
      const oldLifeMs = old.expiresAtMs === null ? null : old.expiresAtMs - old.createdAtMs;
      const made = make(old.source, old.label, lifeMs ?? oldLifeMs);
      const untilMs = now() + graceMs;
      if (!(await store.rotateToken(id, made, untilMs, cause))) return null;
      return { ...made, oldGoodUntilMs: Math.min(untilMs, old.expiresAtMs ?? untilMs) };
    },
    revoke: (id, cause) => store.revokeToken(id, now(), cause),
  };
}
