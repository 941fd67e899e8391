import type { ObservedState } from "../../../domain/model/link.ts";
import type { SyncState, SyncStatus } from "../../../domain/ports/console-store.ts";
import { html, type Markup } from "./html.ts";
import { badge, type Tone } from "./labels.ts";

/** The sync state of a user or group in a target. */
export const syncStateNames: Readonly<Record<SyncState, readonly [name: string, tone: Tone]>> = {
  inSync: ["In sync", "good"],
  pending: ["Pending", "wait"],
  failed: ["Refused", "bad"],
  held: ["Held", "held"],
  missing: ["No account", "idle"],
};

/** The short form for a cell of a list. */
const shortStateNames: Readonly<Partial<Record<ObservedState, string>>> = {
  invited: "invited",
  accepted: "to be confirmed",
  active: "active",
  suspended: "suspended",
};

/** The sync state, and below it the state of the account. */
export function syncStateCell(status: SyncStatus | undefined): Markup {
  if (status === undefined || status.state === null)
    return html`<span class="sr">nothing</span><span aria-hidden="true">–</span>`;
  const [name, tone] = syncStateNames[status.state];
  const shown = status.seenState === null ? undefined : shortStateNames[status.seenState];
  return html`${badge(tone, name)}${shown !== undefined && status.state !== "missing" && html` <small>${shown}</small>`}`;
}

/** Whether the source still has a user or group. Groups are never inactive. */
export function presenceBadge({
  isActive = true,
  absentSinceMs,
}: {
  readonly isActive?: boolean;
  readonly absentSinceMs: number | null;
}): Markup {
  if (absentSinceMs !== null) return badge("idle", "Deleted");
  return isActive ? badge("good", "Active") : badge("warn", "Inactive");
}
