import type { Diff } from "../domain/decide/comparison.ts";
import type { AuditEntry } from "../domain/model/audit.ts";
import type { HeldItem } from "../domain/model/held-change.ts";
import { type Change, entitiesOf } from "../domain/model/plan.ts";
import type { Outcome } from "../domain/ports/target.ts";
import type { Run } from "./run.ts";

/** One row for each change that is held now and was not before. */
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

/** One row for each user or group that the call was about. */
export function outcomeAudit(target: string, run: Run, outcome: Outcome, diff: Diff): readonly AuditEntry[] {
  const { change } = outcome;
  const error =
    outcome.status === "failed" ? { code: outcome.error.code, error: outcome.error.message } : ({} as const);
  const row = (
    kind: "user" | "group",
    id: string,
    name: string,
    action: string,
    more: AuditEntry["detail"] = {},
  ): AuditEntry => ({
    actor: "reconcile",
    requestId: run.causes.get(id)?.[0] ?? null,
    action,
    kind,
    entityId: id,
    name,
    target,
    rev: run.progress.get(id)?.rev ?? null,
    detail: { outcome: outcome.status, ...error, ...more },
  });
  switch (change.op) {
    case "setMembers": {
      const rows = (action: string, members: typeof change.add) =>
        members.map(({ userId, email }) => row("user", userId, email, action, { group: change.name }));
      return [...rows("addToGroup", change.add), ...rows("removeFromGroup", change.remove)];
    }
    case "setGroups": {
      const rows = (action: string, groups: typeof change.add) =>
        groups.map(({ name }) => row("user", change.userId, change.email, action, { group: name }));
      return [...rows("addToGroup", change.add), ...rows("removeFromGroup", change.remove)];
    }
    case "removeGroup": {
      // An auditor asks about people: each member lost the group.
      const members = new Set(diff.membersOfRemovedGroups.get(change.groupId));
      const detail = { group: change.name, with: "removeGroup" };
      return [
        row("group", change.groupId, change.name, change.op),
        ...diff.users
          .filter(({ user }) => members.has(user.id))
          .map(({ user }) => row("user", user.id, user.email ?? "", "removeFromGroup", detail)),
      ];
    }
    default:
      return entitiesOf(change).map(({ kind, id }) => row(kind, id, nameOf(change), change.op));
  }
}
