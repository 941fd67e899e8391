import { randomUUID } from "node:crypto";
import { type Config, scimSources } from "../config/index.ts";
import { heldDigests, isApprovable } from "../domain/held.ts";
import type { Plan } from "../domain/plan.ts";
import type { DirectoryStore } from "../domain/store.ts";
import { hashToken, newToken } from "../web/authenticate.ts";
import type { PlanActions, ScimTokens } from "../web/console/parts.ts";

/** Held removals and plans, as `approve` and `plan` of the command line have them. */
export const planActions = (
  store: DirectoryStore,
  plan: (target: string, signal: AbortSignal) => Promise<Plan>,
  now: () => number,
): PlanActions => ({
  async held(target) {
    const items = (await store.held(target)).filter(isApprovable);
    const { heldDigest: digest, ...parts } = heldDigests(items);
    return { items, digest, ...parts };
  },
  approve: (target, digest, cause) => store.approve(target, digest, cause, now()),
  dismiss: (target, digest, cause) => store.dismiss(target, digest, cause, now()),
  plan,
});

/** The tokens of `rollcall token`. */
export const scimTokens = (config: Config, store: DirectoryStore, url: string, now: () => number): ScimTokens => ({
  url,
  list: () => store.tokens(),
  async create(source, label, lifeMs, actor) {
    if (!scimSources(config).some(({ name }) => name === source)) return null;
    const token = newToken();
    const stored = {
      id: randomUUID(),
      source,
      hash: hashToken(token),
      label,
      createdAtMs: now(),
      revokedAtMs: null,
      expiresAtMs: lifeMs === null ? null : now() + lifeMs,
      lastUsedAtMs: null,
    };
    await store.addToken(stored, { actor, requestId: null });
    return token;
  },
  revoke: (id, actor) => store.revokeToken(id, now(), { actor, requestId: null }),
});
