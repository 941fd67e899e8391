import type { AuditRow } from "../domain/model/audit.ts";
import type { Json } from "../domain/model/entities.ts";
import { operationName } from "./changes.ts";

const actionNames: Readonly<Record<string, string>> = {
  "user.create": "Added",
  "user.update": "Changed",
  "user.delete": "Deleted from the source",
  "group.create": "Group added",
  "group.update": "Group changed",
  "group.delete": "Group deleted",
  "group.join": "Joined a group",
  "group.leave": "Left a group",
  "group.members": "Members changed",
  approve: "Held changes approved",
  dismiss: "Held changes dismissed",
  "console.sign-in": "Signed in",
  "console.sign-out": "Signed out",
  "token.create": "Token made",
  "token.revoke": "Token revoked",
  "token.rotate": "Token rotated",
  "connection.connect": "Connected",
  "connection.change": "Connection changed",
  "connection.disconnect": "Disconnected",
  "connection.rekey": "Connection encrypted again",
  "sync.ask": "Sync requested",
  "reinvite.ask": "Invitation requested again",
};

/** The name of an audit action, about a person or a group unless `kind` is null. Returns the action itself if it has no name. */
export function actionName(action: string, kind?: AuditRow["kind"]): string {
  if (action === "restore" && kind === null) return "Database put back";
  const [, decision, op] = /^(held|approved|dismissed)\.(\w+)$/.exec(action) ?? [];
  if (decision === undefined || op === undefined) return actionNames[action] ?? operationName(action);
  return `${decision.slice(0, 1).toUpperCase()}${decision.slice(1)}: ${operationName(op).toLowerCase()}`;
}

const short = (value: Json): string => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
};

/** The details of an audit row in a few words: `active true → false`. Leaves out the keys that are `hidden`. */
export const detailText = ({ detail }: Pick<AuditRow, "detail">, hidden: readonly string[] = []): string =>
  Object.entries(detail)
    .filter(([key]) => !hidden.includes(key))
    .map(([key, value]) => {
      if (value !== null && typeof value === "object" && !Array.isArray(value)) {
        if ("from" in value && "to" in value)
          return `${key} ${short(value["from"] ?? null)} → ${short(value["to"] ?? null)}`;
        if ("name" in value) return `${key} ${short(value["name"] ?? null)}`;
      }
      return key === "error" ? short(value) : `${key} ${short(value)}`;
    })
    .join(", ");
