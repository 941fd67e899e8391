import type { LinkNote } from "../model/link.ts";
import type { SkippedChange } from "../model/plan.ts";
import type { InputGroup } from "../model/sync-input.ts";
import { isPushed, mayTakeOver } from "./desired-state.ts";
import { type GroupClaims, isHandedOver, matchGroup, type World } from "./match.ts";
import type { DiffInput, GroupAssessment, Verdict } from "./observed-user.ts";

/** Present and pushed: created, adopted or renamed. Gone: removed. Not pushed (any more), or handed over: left alone. */
export function changesForGroup(item: InputGroup, claims: GroupClaims, input: DiffInput): Verdict<GroupAssessment> {
  const { world, policy, losers } = input;
  const { group, link } = item;
  const nothing = (note: LinkNote | null) => ({
    assessment: { item, group: null, note, isManaged: false },
    changes: [],
    skipped: [],
  });
  const leftAlone = whyLeftAlone(item, claims, input);
  if (leftAlone !== null) return nothing(leftAlone.note);
  const isPresent = group.absentSinceMs === null;
  const match = matchGroup(item, world, claims, (each) => mayTakeOver(each, policy));
  if (match.kind === "ambiguous") return nothing("ambiguous");
  const found = match.kind === "one" ? match.item : null;
  const assessment = { item, group: found, note: null, isManaged: isPresent };
  const which = { groupId: group.id, name: group.displayName };
  const { externalId } = group;
  if (!isPresent) {
    // What Rollcall neither made nor took over is not its to delete.
    const isOurs = found !== null && (link?.remoteId === found.remoteId || found.externalId === externalId);
    if (!isOurs) return { assessment, changes: [], skipped: [] };
    const memberCount = losers.get(found.remoteId)?.length ?? 0;
    return {
      assessment,
      changes: [{ op: "removeGroup", remoteId: found.remoteId, memberCount, ...which }],
      skipped: [],
    };
  }
  if (found === null) {
    // Of an observation of named entities nothing follows for a group that was not asked for: what was found when
    // everything was seen still holds.
    if (!world.observed.isComplete && link?.remoteId === null && link.note === "ambiguous") return nothing("ambiguous");
    const isUnknown =
      link?.remoteId != null && !world.observed.isComplete && !world.observed.missingRemoteIds.includes(link.remoteId);
    return {
      assessment,
      changes: isUnknown ? [] : [{ op: "createGroup", externalId, ...which }],
      skipped: isUnknown ? [] : namesakesOfOthers(group, world, claims),
    };
  }
  if (found.externalId !== externalId)
    return { assessment, changes: [{ op: "adoptGroup", externalId, remoteId: found.remoteId, ...which }], skipped: [] };
  if (found.name !== group.displayName)
    return {
      assessment,
      changes: [{ op: "renameGroup", externalId, remoteId: found.remoteId, ...which }],
      skipped: [],
    };
  return { assessment, changes: [], skipped: [] };
}

/** Why nothing is done about a group; null: it is looked for. */
function whyLeftAlone(
  item: InputGroup,
  claims: GroupClaims,
  { slice, world, policy, supports }: DiffInput,
): { readonly note: LinkNote | null } | null {
  const { group } = item;
  if (!supports.groups) return { note: null };
  const isPresent = group.absentSinceMs === null;
  if (isPresent && slice.removedSources?.has(group.source))
    return { note: claims.names.has(group.displayName) ? null : "source-gone" };
  if (isPresent && !isPushed(group, policy)) return { note: "out-of-scope" };
  return isHandedOver(item, world, claims) ? { note: null } : null;
}

/** Groups of the name that another system manages: a second one is made beside them, which is hardly ever what is meant. */
function namesakesOfOthers(
  { id, displayName, externalId }: InputGroup["group"],
  world: World,
  claims: GroupClaims,
): readonly SkippedChange[] {
  return (world.groupsByName.get(displayName) ?? [])
    .filter(
      (each) => each.externalId !== null && !claims.keys.has(each.externalId) && !claims.linked.has(each.remoteId),
    )
    .map(({ remoteId, externalId: theirs }) => ({
      change: { op: "adoptGroup" as const, groupId: id, name: displayName, externalId, remoteId },
      reason: `another system's external id is on it (${theirs}): name it in groups.takeOver to take it over`,
    }));
}
