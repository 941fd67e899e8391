import type { AuditRow } from "../../../domain/model/audit.ts";
import type { Json } from "../../../domain/model/entities.ts";
import { badge, moment, opWord, type Tone } from "../words.ts";
import { html, type Markup } from "./html.ts";

/** Did what this row tells go well? */
export function toneOf({ detail, action }: AuditRow): Tone {
  const outcome = detail["outcome"];
  if (outcome === "failed" || detail["error"] !== undefined) return "bad";
  if (outcome === "unconfirmed") return "wait";
  if (/^(approve|dismiss|held\.)/.test(action)) return "held";
  return outcome === "applied" ? "good" : "idle";
}

/** What a row tells, short: what happened, and to whom. */
const actionWords: Readonly<Record<string, string>> = {
  "user.create": "Hired",
  "user.update": "Changed",
  "user.delete": "Left the directory",
  "group.create": "Group made",
  "group.update": "Group changed",
  "group.delete": "Group deleted",
  "group.join": "Joined a group",
  "group.leave": "Left a group",
  "group.members": "Members changed",
  approve: "Held removals approved",
  dismiss: "Held removals dismissed",
  "console.sign-in": "Signed in",
  "console.sign-out": "Signed out",
  "token.create": "Token made",
  "token.revoke": "Token revoked",
  "token.rotate": "Token rotated",
  "connection.connect": "Connected",
  "connection.change": "Connection changed",
  "connection.disconnect": "Disconnected",
  "connection.rekey": "Connection sealed anew",
  "sync.ask": "Asked to sync now",
  "reinvite.ask": "Asked to invite again",
};

const decisionWords: Readonly<Record<string, string>> = {
  held: "Held back",
  approved: "Approved",
  dismissed: "Dismissed",
};

/** The action in words; one that has none as it is stored. */
export function actionWord(action: string): string {
  const [, decision, op] = /^(held|approved|dismissed)\.(\w+)$/.exec(action) ?? [];
  if (op === undefined) return actionWords[action] ?? opWord(action);
  return `${decisionWords[decision ?? ""]}: ${opWord(op).toLowerCase()}`;
}

const short = (value: Json): string => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
};

/** Told by the row's other words, or of no use to people. */
const left = new Set(["outcome", "key", "reason"]);

/** What stands beside the action, as short text: `active true → false`. */
export function detailText({ detail }: AuditRow): string {
  return Object.entries(detail)
    .filter(([key]) => !left.has(key))
    .map(([key, value]) => {
      if (value !== null && typeof value === "object" && !Array.isArray(value)) {
        if ("from" in value && "to" in value)
          return `${key} ${short(value["from"] ?? null)} → ${short(value["to"] ?? null)}`;
        if ("name" in value) return `${key} ${short(value["name"] ?? null)}`;
      }
      return key === "error" ? short(value) : `${key} ${short(value)}`;
    })
    .join(", ");
}

/** Where a row's entity is shown; null for what has no page. */
export const entityHref = ({ kind, entityId }: AuditRow): string | null =>
  kind === null || entityId === null
    ? null
    : `/${kind === "user" ? "people" : "groups"}/${encodeURIComponent(entityId)}`;

const outcomeWords: Readonly<Record<string, string>> = {
  applied: "done",
  unconfirmed: "unconfirmed",
  failed: "failed",
};

/** One row of the log; the same markup is sent over the live stream. */
export function activityRow(row: AuditRow): Markup {
  const href = entityHref(row);
  const name = row.name ?? row.entityId ?? "";
  const outcome = row.detail["outcome"];
  return html`<li data-seq="${row.seq}"><span class="at">${moment(row.atMs)}</span>
<span class="what"><strong>${actionWord(row.action)}</strong> ${href === null ? name : html`<a href="${href}">${name}</a>`}${row.target && html` <span class="where">in ${row.target}</span>`}</span>
<span class="state">${typeof outcome === "string" && badge(toneOf(row), outcomeWords[outcome] ?? outcome)}</span>
<span class="by">${detailText(row)}<small>${row.actor}${row.requestId && html` · request <span title="${row.requestId}">${row.requestId.slice(0, 8)}</span>`}</small></span></li>`;
}

/** Rows of the audit trail, newest first. */
export const activityList = (rows: readonly AuditRow[]): Markup =>
  html`<ol class="log" reversed>${rows.map(activityRow)}</ol>`;
