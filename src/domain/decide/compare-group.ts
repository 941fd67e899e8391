import type { LinkNote } from "../model/link.ts";
import type { Change, SkippedChange } from "../model/plan.ts";
import type { InputGroup } from "../model/sync-input.ts";
import type { Compared, ComparedGroup, CompareInput } from "./comparison.ts";
import { isPushed, mayTakeOver } from "./desired-state.ts";
import { type GroupClaims, hasHeir, matchGroup, type Observation } from "./match.ts";

/**
 * Decides what is missing for one group.
 *
 * | group | in the target | change |
 * |---|---|---|
 * | present and pushed | none | createGroup |
 * | present and pushed | another externalId | adoptGroup |
 * | present and pushed | another name | renameGroup |
 * | deleted | created or adopted by Rollcall | removeGroup |
 * | not pushed, or taken over by another group | any | nothing |
 */
export function compareGroup(item: InputGroup, claims: GroupClaims, context: CompareInput): Compared<ComparedGroup> {
  const { observation, policy } = context;
  const { group, link } = item;
  const result = (
    more: Partial<ComparedGroup>,
    changes: readonly Change[] = [],
    skipped: readonly SkippedChange[] = [],
  ): Compared<ComparedGroup> => ({
    entity: { ...item, observed: null, note: null, isManaged: false, ...more },
    changes,
    skipped,
  });
  const leftAlone = whyLeftAlone(item, claims, context);
  if (leftAlone !== null) return result({ note: leftAlone.note });
  const match = matchGroup(item, observation, claims, (each) => mayTakeOver(each, policy));
  if (match.kind === "ambiguous") return result({ note: "ambiguous" });
  const observed = match.kind === "one" ? match.item : null;
  const about = { groupId: group.id, name: group.displayName };
  const { externalId } = group;
  if (group.absentSinceMs !== null) {
    // Rollcall deletes only groups that it created or adopted.
    const isOurs = observed !== null && (link?.remoteId === observed.remoteId || observed.externalId === externalId);
    return result(
      { observed },
      isOurs ? [{ op: "removeGroup", remoteId: observed.remoteId, memberCount: 0, ...about }] : [],
    );
  }
  const managed = { observed, isManaged: true };
  if (observed === null) {
    const { isComplete, missingRemoteIds } = observation.observed;
    // This run did not ask for the group. The result of the last complete observation still holds.
    if (!isComplete && link?.remoteId === null && link.note === "ambiguous") return result({ note: "ambiguous" });
    const isUnknown = link?.remoteId != null && !isComplete && !missingRemoteIds.includes(link.remoteId);
    if (isUnknown) return result(managed);
    return result(
      managed,
      [{ op: "createGroup", externalId, ...about }],
      namesakesOfOthers(group, observation, claims),
    );
  }
  const { remoteId } = observed;
  if (observed.externalId !== externalId)
    return result(managed, [{ op: "adoptGroup", externalId, remoteId, ...about }]);
  if (observed.name !== group.displayName)
    return result(managed, [{ op: "renameGroup", externalId, remoteId, ...about }]);
  return result(managed);
}

/** Why Rollcall leaves a group alone. Null: it does not. */
function whyLeftAlone(
  item: InputGroup,
  claims: GroupClaims,
  { input, observation, policy, supports }: CompareInput,
): { readonly note: LinkNote | null } | null {
  const { group } = item;
  if (!supports.groups) return { note: null };
  const isPresent = group.absentSinceMs === null;
  if (isPresent && input.removedSources?.has(group.source))
    return { note: claims.names.has(group.displayName) ? null : "source-gone" };
  if (isPresent && !isPushed(group, policy)) return { note: "out-of-scope" };
  return hasHeir(item, observation, claims) ? { note: null } : null;
}

/** Groups of the same name that another system manages. Rollcall creates a second one beside them, which is rarely intended. */
const namesakesOfOthers = (
  { id, displayName, externalId }: InputGroup["group"],
  observation: Observation,
  claims: GroupClaims,
): readonly SkippedChange[] =>
  (observation.groupsByName.get(displayName) ?? [])
    .filter(
      (each) => each.externalId !== null && !claims.keys.has(each.externalId) && !claims.linked.has(each.remoteId),
    )
    .map(({ remoteId, externalId: theirs }) => ({
      change: { op: "adoptGroup" as const, groupId: id, name: displayName, externalId, remoteId },
      reason: `another system's external id is on it (${theirs}): name it in groups.takeOver to take it over`,
    }));
