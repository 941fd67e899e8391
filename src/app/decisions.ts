import { type Config, scimSources } from "../config/index.ts";
import { heldDigests, isApprovable } from "../domain/model/held-change.ts";
import type { Plan } from "../domain/model/plan.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import type { PlanActions, ScimTokens } from "../web/console/parts.ts";
import { makeToken, rotate } from "./scim-tokens.ts";

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
  async create(source, label, lifeMs, cause) {
    if (!scimSources(config).some(({ name }) => name === source)) return null;
    const { token, stored } = makeToken(source, label, lifeMs, now());
    await store.addToken(stored, cause);
    return { token, ...stored };
  },
  async rotate(id, graceMs, cause) {
    const made = await rotate(store, id, { graceMs }, cause, now());
    return made === null ? null : { token: made.token, ...made.stored, oldGoodUntilMs: made.oldGoodUntilMs };
  },
  revoke: (id, cause) => store.revokeToken(id, now(), cause),
});
