import type { ObservedState } from "../../../domain/model/link.ts";
import type { SyncState, SyncStatus } from "../../../domain/ports/console-store.ts";
import { badge, type Tone } from "../words.ts";
import { html, type Markup } from "./html.ts";

/** How somebody stands with a target, in words. */
export const stateWords: Readonly<Record<SyncState, readonly [word: string, tone: Tone]>> = {
  inSync: ["In sync", "good"],
  pending: ["Pending", "wait"],
  failed: ["Refused", "bad"],
  held: ["Held back", "held"],
  missing: ["Not there", "idle"],
};

/** What a target showed of somebody, in words. */
export const seenWords: Readonly<Record<ObservedState, string>> = {
  invited: "invited, not accepted yet",
  accepted: "accepted, waits to be confirmed by an administrator",
  active: "active",
  suspended: "suspended",
  staged: "staged, not invited",
  unknown: "in a state that Rollcall does not know",
  absent: "not there",
};

/** The short form for a cell of a list. */
const seenShort: Readonly<Partial<Record<ObservedState, string>>> = {
  invited: "invited",
  accepted: "to be confirmed",
  active: "active",
  suspended: "suspended",
};

/** A badge, and below it what the target shows. */
export function standingCell(standing: SyncStatus | undefined): Markup {
  if (standing === undefined || standing.state === null)
    return html`<span class="sr">nothing</span><span aria-hidden="true">–</span>`;
  const [word, tone] = stateWords[standing.state];
  const seen = standing.seenState === null ? undefined : seenShort[standing.seenState];
  return html`${badge(tone, word)}${seen !== undefined && standing.state !== "missing" && html` <small>${seen}</small>`}`;
}

/** Whether the directory has somebody, in words. */
export function presenceBadge(entity: { readonly isActive: boolean; readonly absentSinceMs: number | null }): Markup {
  if (entity.absentSinceMs !== null) return badge("idle", "Gone");
  return entity.isActive ? badge("good", "Active") : badge("warn", "Inactive");
}
