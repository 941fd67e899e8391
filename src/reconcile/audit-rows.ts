import type { AuditEntry } from "../domain/model/audit.ts";
import type { HeldItem } from "../domain/model/held-change.ts";
import { type Change, entitiesOf } from "../domain/model/plan.ts";
import type { Outcome } from "../domain/ports/target.ts";
import type { Prepared } from "./read-input.ts";

/** Request ids by entity id (see `SyncStore.causes`). */
export type Causes = ReadonlyMap<string, readonly string[]>;

/** One row for each removal or seat that waits now and did not before. */
export const heldAudit = (target: string, items: readonly HeldItem[]): readonly AuditEntry[] =>
  items.map((item) => ({
    actor: "guard",
    requestId: null,
    action: `held.${item.change.op}`,
    kind: item.kind,
    entityId: item.entityId,
    name: nameOf(item.change),
    target,
    rev: null,
    detail: { reason: item.reason, key: item.key },
  }));

/** The e-mail address or group name that a change is about. */
export const nameOf = (change: Change): string => ("email" in change ? change.email : change.name);

/** One row for each entity: which call followed, with what outcome. */
export function callAudit(
  target: string,
  entries: ReadonlyMap<string, { readonly rev: number }>,
  causes: Causes,
  outcome: Outcome,
  { losersOfGroup, diff }: Prepared,
): readonly AuditEntry[] {
  const { change } = outcome;
  const result =
    outcome.status === "failed"
      ? { outcome: outcome.status, code: outcome.error.code, error: outcome.error.message }
      : { outcome: outcome.status };
  const row = (
    kind: "user" | "group",
    id: string,
    name: string,
    action: string,
    more: AuditEntry["detail"],
  ): AuditEntry => ({
    actor: "reconcile",
    requestId: causes.get(id)?.[0] ?? null,
    action,
    kind,
    entityId: id,
    name,
    target,
    rev: entries.get(id)?.rev ?? null,
    detail: { ...result, ...more },
  });
  switch (change.op) {
    case "setMembers":
      return [
        ...change.add.map((member) => row("user", member.userId, member.email, "addToGroup", { group: change.name })),
        ...change.remove.map((member) =>
          row("user", member.userId, member.email, "removeFromGroup", { group: change.name }),
        ),
      ];
    case "setGroups":
      return [
        ...change.add.map((group) => row("user", change.userId, change.email, "addToGroup", { group: group.name })),
        ...change.remove.map((group) =>
          row("user", change.userId, change.email, "removeFromGroup", { group: group.name }),
        ),
      ];
    case "removeGroup": {
      // Each of its people lost it: an auditor asks about people.
      const losers = new Set(losersOfGroup.get(change.groupId));
      return [
        row("group", change.groupId, change.name, change.op, {}),
        ...diff.users.flatMap(({ person: { user } }) =>
          losers.has(user.id)
            ? [row("user", user.id, user.email ?? "", "removeFromGroup", { group: change.name, with: "removeGroup" })]
            : [],
        ),
      ];
    }
    default:
      return entitiesOf(change).map(({ kind, id }) => row(kind, id, nameOf(change), change.op, {}));
  }
}
