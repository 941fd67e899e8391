import { z } from "zod";
import { sourceIn } from "../../../app/audit-files.ts";
import { auditFilter } from "../../../app/queries.ts";
import type { StatusReport } from "../../../app/status.ts";
import type { AuditFilter, LossPage, LostAccess } from "../../../domain/model/audit.ts";
import { groupIn } from "../../../domain/model/lost-access.ts";
import { productOf } from "../../../targets/registry.ts";
import { actionName } from "../../../text/audit.ts";
import { entityPath } from "../components/activity-rows.ts";
import { beforeSeq, hrefOf, logPager, targetField } from "../components/filters.ts";
import { type HtmlValue, html, type Markup } from "../components/html.ts";
import { icon } from "../components/icons.ts";
import { badge, dataTable, moment } from "../components/labels.ts";

const text = z.string().trim().max(200).catch("");
const day = z.iso.date().or(z.literal("")).catch("");
const shape = z.object({ target: text, person: text, since: day, until: day, before: beforeSeq });
/** The filter of the page. A value in the address that is not valid counts as missing. */
export type LossFilter = Readonly<z.output<typeof shape>>;

export const parseLossFilter = (query: unknown): LossFilter => shape.parse(query);

const dayMs = 86_400_000;

/** The question to the audit trail. Days are whole days in UTC, the last one included. */
export const lossQuery = ({ target, person, since, until }: LossFilter): AuditFilter =>
  auditFilter({
    target,
    person,
    ...(since !== "" && { sinceMs: Date.parse(since) }),
    ...(until !== "" && { untilMs: Date.parse(until) + dayMs }),
  });

const path = "/activity/lost-access";

/** Beside the heading: downloads of what the filter shows. */
export const lossExports = (filter: LossFilter): Markup =>
  html`<a class="button secondary" href="${hrefOf(`${path}/export.csv`, { ...filter, before: null })}" download>${icon("download")}CSV</a><a class="button secondary" href="${hrefOf(`${path}/export.jsonl`, { ...filter, before: null })}" download>${icon("download")}JSON lines</a>`;

export interface LossesData {
  readonly page: LossPage;
  readonly filter: LossFilter;
  readonly status: StatusReport;
}

/** The page of lost access, newest first. */
export function lossesBody({ page, filter, status }: LossesData): Markup {
  const typeOf = (name: string): string => status.targets.find((target) => target.name === name)?.type ?? name;
  const nothing =
    page.nextBeforeSeq === null
      ? "Nobody lost access that matches these filters."
      : "No match among the newest rows. There are older rows.";
  return html`<form class="filters" method="get" action="${path}">
  <div><label for="person">Who</label><input id="person" name="person" type="search" maxlength="200" autocomplete="off" placeholder="e-mail address, userName or id" value="${filter.person}"></div>
  ${targetField(status.targets, filter.target)}
  <div><label for="since">From</label><input id="since" name="since" type="date" value="${filter.since}"></div>
  <div><label for="until">To</label><input id="until" name="until" type="date" value="${filter.until}"></div>
  <button type="submit" class="secondary">Apply</button>
</form>
${
  page.losses.length === 0
    ? html`<p class="empty">${nothing}</p>`
    : dataTable(
        "Lost access",
        null,
        ["Who", "Lost", "When", "Why", "Requested by"],
        page.losses.map((each) => lossRow(each, productOf(typeOf(each.target)))),
      )
}
${logPager(path, filter, page.nextBeforeSeq, "Older losses")}`;
}

function lossRow(loss: LostAccess, product: string): Markup {
  const { kind, entityId, name, atMs, outcome } = loss;
  const shown = name ?? entityId ?? "";
  return html`<tr><th scope="row" class="name">${entityId === null ? shown : html`<a href="${entityPath(kind ?? "user", entityId)}">${shown}</a>`}</th>
<td>${whatWasLost(loss, product)}${outcome === "unconfirmed" && html` ${badge("wait", "unconfirmed")}`}</td><td>${moment(atMs)}</td><td>${why(loss)}</td><td>${requestedBy(loss)}</td></tr>`;
}

function whatWasLost({ what, group, target }: LostAccess, product: string): HtmlValue {
  const where = html` <small>${target}</small>`;
  switch (what) {
    case "suspend":
      return html`Access to ${product}: suspended, can be restored${where}`;
    case "remove":
      return html`The account in ${product}: removed${where}`;
    case "removeFromGroup":
      return html`The group ${group ?? "(name unknown)"}${where}`;
    case "removeGroup":
      return html`The group was deleted in ${product}${where}`;
    default:
      return what satisfies never;
  }
}

/** The change of the source behind the loss. */
function why({ cause, group }: LostAccess): HtmlValue {
  if (cause === null) return "Drift: a full run found access that no source and no configuration gives.";
  const at = html` <small>${moment(cause.atMs)}</small>`;
  switch (cause.action) {
    case "user.update":
      return html`Deactivated in the source${at}`;
    case "group.leave":
      return html`Left the group ${groupIn(cause.detail) ?? group ?? ""} in the source${at}`;
    case "group.delete":
      return html`The group was deleted in the source${at}`;
    default:
      return html`${actionName(cause.action)}${at}`;
  }
}

/** The source that requested it, and who approved it if it was held. */
function requestedBy({ cause, approval }: LostAccess): HtmlValue {
  const source = cause === null ? null : sourceIn(cause.actor);
  const requester = cause === null ? "Rollcall itself" : (source ?? cause.actor);
  const request = cause?.requestId ?? null;
  return html`${requester}${source !== null && html` <small>${cause?.actor}${request !== null && html` · request <span title="${request}">${request.slice(0, 8)}</span>`}</small>`}${approval !== null && html`<br>${badge("held", "approved")} <small>by ${approval.actor}, ${moment(approval.atMs)}</small>`}`;
}
