import type { Cause } from "../domain/model/entities.ts";
import { type HeldDigests, type HeldItem, heldDigests, isApprovable } from "../domain/model/held-change.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";

/** The changes of one target that wait for a decision, and the digests that name them. */
export interface HeldNow extends HeldDigests {
  readonly items: readonly HeldItem[];
}

/** The decisions about held changes, for the console and the API. */
export interface Decisions {
  held(target: string): Promise<HeldNow>;
  /** Lets exactly the held changes with that digest pass once. Returns their number; 0 if no held changes have it. */
  approve(target: string, digest: string, cause: Cause): Promise<number>;
  /** Keeps exactly the held changes with that digest held. Returns their number; 0 if no held changes have it. */
  dismiss(target: string, digest: string, cause: Cause): Promise<number>;
}

export const createDecisions = (
  store: Pick<DirectoryStore, "held" | "approve" | "dismiss">,
  now: () => number,
): Decisions => ({
  async held(target) {
    const items = (await store.held(target)).filter(isApprovable);
    return { items, ...heldDigests(items) };
  },
  approve: (target, digest, cause) => store.approve(target, digest, cause, now()),
  dismiss: (target, digest, cause) => store.dismiss(target, digest, cause, now()),
});
