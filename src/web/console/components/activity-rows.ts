import type { AuditRow } from "../../../domain/model/audit.ts";
import { actionName, detailText } from "../../../text/audit.ts";
import { html, type Markup } from "./html.ts";
import { badge, moment, type Tone } from "./labels.ts";

function toneOf({ detail, action }: AuditRow): Tone {
  const outcome = detail["outcome"];
  if (outcome === "failed" || detail["error"] !== undefined) return "bad";
  if (outcome === "unconfirmed") return "wait";
  if (/^(approve|dismiss|held\.)/.test(action)) return "held";
  return outcome === "applied" ? "good" : "idle";
}

/** Details that the row shows elsewhere, or that are of no use to people. */
const hiddenDetails = ["outcome", "key", "reason"];

/** The page of a user or group. */
export const entityPath = (kind: "user" | "group", id: string): string =>
  `/${kind === "user" ? "people" : "groups"}/${encodeURIComponent(id)}`;

const outcomeNames: Readonly<Record<string, string>> = { applied: "done" };

/** One row of the log. The live stream sends the same markup. */
export function activityRow(row: AuditRow): Markup {
  const { kind, entityId, requestId, target } = row;
  const name = row.name ?? entityId ?? "";
  const outcome = row.detail["outcome"];
  return html`<li data-seq="${row.seq}"><span class="at">${moment(row.atMs)}</span>
<span class="what"><strong>${actionName(row.action, kind)}</strong> ${kind === null || entityId === null ? name : html`<a href="${entityPath(kind, entityId)}">${name}</a>`}${target && html` <span class="where">in ${target}</span>`}</span>
<span class="state">${typeof outcome === "string" && badge(toneOf(row), outcomeNames[outcome] ?? outcome)}</span>
<span class="by">${detailText(row, hiddenDetails)}<small>${row.actor}${requestId && html` · request <span title="${requestId}">${requestId.slice(0, 8)}</span>`}</small></span></li>`;
}

/** Rows of the audit trail, newest first. */
export const activityList = (rows: readonly AuditRow[]): Markup =>
  html`<ol class="log" reversed>${rows.map(activityRow)}</ol>`;
