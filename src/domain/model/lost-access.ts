import type { AuditRow, LossCause, LossKind, LostAccess } from "./audit.ts";
import type { Json } from "./entities.ts";

/** The actions of audit rows that record a loss of access. */
export const lossKinds = ["suspend", "remove", "removeFromGroup", "removeGroup"] as const satisfies readonly LossKind[];

const isLossKind = (action: string): action is LossKind => (lossKinds as readonly string[]).includes(action);

/**
 * Returns a removal with its cause. `history`: earlier rows about the same entity, newest first. Returns null if nothing was
 * lost: the row records another action, or the call failed.
 *
 * | rows since the same removal at this `rev` | cause |
 * | --- | --- |
 * | deleted, deactivated, or removed from that group (for the whole access: from any group) | the newest row |
 * | none, but the user was deleted or deactivated before (`removeAfter`) | that row |
 * | none | null: drift |
 */
export function lossOf(row: AuditRow, history: readonly AuditRow[]): LostAccess | null {
  const { action, target, detail } = row;
  const outcome = detail["outcome"];
  if (!isLossKind(action) || target === null || (outcome !== "applied" && outcome !== "unconfirmed")) return null;
  const group = action === "removeGroup" ? row.name : groupIn(detail);
  const { seq, atMs, kind, entityId, name } = row;
  const cause = toCause(causeOf(row, action, group, history));
  const approval = toCause(approvalOf(row, action, group, history));
  return { seq, atMs, target, what: action, kind, entityId, name, group, outcome, cause, approval };
}

function toCause(row: AuditRow | null): LossCause | null {
  if (row === null) return null;
  const { seq, atMs, action, actor, requestId, detail } = row;
  return { seq, atMs, action, actor, requestId, detail };
}

/** A row's group. Rows about targets have its name, rows about sources `{ id, name }`. */
export function groupIn({ group }: AuditRow["detail"]): string | null {
  if (typeof group === "string") return group;
  return isObject(group) && typeof group["name"] === "string" ? group["name"] : null;
}

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function causeOf(row: AuditRow, action: LossKind, group: string | null, history: readonly AuditRow[]): AuditRow | null {
  const upTo = row.rev ?? Number.POSITIVE_INFINITY;
  const isDone = (each: AuditRow): boolean =>
    each.target === row.target && each.detail["outcome"] === "applied" && (each.rev ?? 0) <= upTo;
  // Removed before at the same rev: it had come back by hand. An earlier removal has its own cause.
  const isSame = (each: AuditRow): boolean => each.action === action && sameGroup(each, action, group);
  const doneRev = history.find((each) => isDone(each) && isSame(each))?.rev ?? 0;
  const inDirectory = history.filter((each) => each.target === null && (each.rev ?? 0) <= upTo);
  const news = inDirectory.find((each) => (each.rev ?? 0) > doneRev && takesAway(each, action, group));
  if (news !== undefined || action !== "remove") return news ?? null;
  const last = inDirectory.find(endsOrBegins);
  return last !== undefined && takesAway(last, action, null) ? last : null;
}

const sameGroup = (row: AuditRow, action: LossKind, group: string | null): boolean =>
  action !== "removeFromGroup" || groupIn(row.detail) === group;

/** True if the row says that a source has the user or no longer has them. */
const endsOrBegins = (row: AuditRow): boolean =>
  /\.(create|return|delete)$/.test(row.action) || activeTo(row) !== undefined;

const activeTo = ({ action, detail }: AuditRow): Json | undefined => {
  const active = detail["active"];
  return action === "user.update" && isObject(active) ? active["to"] : undefined;
};

function takesAway(row: AuditRow, action: LossKind, group: string | null): boolean {
  if (action === "removeGroup") return row.action === "group.delete";
  if (action === "removeFromGroup" && row.action === "group.leave") return groupIn(row.detail) === group;
  if (row.action === "user.delete" || activeTo(row) === false) return true;
  // Without the group the user may be out of the target's scope.
  return action !== "removeFromGroup" && row.action === "group.leave";
}

/** The approval of exactly this removal, if no earlier removal has used it. */
function approvalOf(
  { target, entityId }: AuditRow,
  action: LossKind,
  group: string | null,
  history: readonly AuditRow[],
): AuditRow | null {
  for (const each of history) {
    if (each.target !== target || each.entityId !== entityId || !sameGroup(each, action, group)) continue;
    if (each.action === action && each.detail["outcome"] === "applied") return null;
    if (each.action === `approved.${action}`) return each;
  }
  return null;
}
