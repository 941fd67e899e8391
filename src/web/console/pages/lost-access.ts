import { z } from "zod";
import type { AuditFilter, LossPage, LostAccess } from "../../../domain/model/audit.ts";
import { productOf } from "../../../targets/registry.ts";
import { sourceIn } from "../../api/lost-access.ts";
import { actionWord } from "../components/activity-rows.ts";
import { choiceField } from "../components/filters.ts";
import { type HtmlValue, html, type Markup } from "../components/html.ts";
import { icon } from "../components/icons.ts";
import type { ConsoleStatus } from "../parts.ts";
import { badge, moment } from "../words.ts";

const text = z.string().trim().max(200).catch("");
const day = z.iso.date().or(z.literal("")).catch("");
const shape = z.object({
  target: text,
  person: text,
  since: day,
  until: day,
  before: z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER).nullable().catch(null),
});
/** Whose losses, where and when; what makes no sense in the address counts as not said. */
export type LossFilter = Readonly<z.output<typeof shape>>;

export const parseLossFilter = (query: unknown): LossFilter => shape.parse(query);

const dayMs = 86_400_000;

/** The question to the trail. Days are whole days in UTC, the last one included. */
export const lossQuery = ({ target, person, since, until }: LossFilter): AuditFilter => ({
  sinceMs: since === "" ? null : Date.parse(since),
  untilMs: until === "" ? null : Date.parse(until) + dayMs,
  person: person === "" ? null : person,
  target: target === "" ? null : target,
  action: null,
});

function hrefOf(path: string, filter: LossFilter, before = ""): string {
  const entries = Object.entries({ ...filter, before }).filter(([, value]) => value !== "" && value !== null);
  const query = new URLSearchParams(Object.fromEntries(entries.map(([key, value]) => [key, String(value)]))).toString();
  return query === "" ? path : `${path}?${query}`;
}

const here = "/activity/lost-access";

/** Beside the heading: what fits the filter as a file. */
export const lossExports = (filter: LossFilter): Markup =>
  html`<a class="button secondary" href="${hrefOf(`${here}/export.csv`, filter)}" download>${icon("download")}CSV</a><a class="button secondary" href="${hrefOf(`${here}/export.jsonl`, filter)}" download>${icon("download")}JSON lines</a>`;

export interface LossesData {
  readonly page: LossPage;
  readonly filter: LossFilter;
  readonly status: ConsoleStatus;
}

/** Who lost access to what, when, why and on whose word, newest first. */
export function lossesBody({ page, filter, status }: LossesData): Markup {
  const typeOf = (name: string): string => status.targets.find((target) => target.name === name)?.type ?? name;
  return html`<form class="filters" method="get" action="${here}">
  <div><label for="person">Who</label><input id="person" name="person" type="search" maxlength="200" autocomplete="off" placeholder="address, userName or id" value="${filter.person}"></div>
  ${choiceField(
    "target",
    "Target",
    "Every target",
    status.targets.map(({ name }) => ({ value: name, label: name })),
    filter.target,
  )}
  <div><label for="since">From</label><input id="since" name="since" type="date" value="${filter.since}"></div>
  <div><label for="until">To</label><input id="until" name="until" type="date" value="${filter.until}"></div>
  <button type="submit" class="secondary">Apply</button>
</form>
${
  page.losses.length === 0
    ? html`<p class="empty">${page.nextBeforeSeq === null ? "Nobody lost access that fits." : "Nobody among the newest that were looked at fits; there are older ones."}</p>`
    : html`<div class="scroll" role="region" aria-label="Lost access" tabindex="0"><table>
<thead><tr><th scope="col">Who</th><th scope="col">Lost</th><th scope="col">When</th><th scope="col">Why</th><th scope="col">On whose word</th></tr></thead>
<tbody>${page.losses.map((each) => lossRow(each, typeOf(each.target)))}</tbody></table></div>`
}
<nav class="pager" aria-label="Older losses"><p>${filter.before !== null && html`<a href="${hrefOf(here, filter)}">Newest</a>`}</p><div>${page.nextBeforeSeq !== null && html`<a class="button secondary" rel="next" href="${hrefOf(here, filter, String(page.nextBeforeSeq))}">Older</a>`}</div></nav>`;
}

function lossRow(each: LostAccess, type: string): Markup {
  const { kind, entityId, name, atMs, outcome } = each;
  const shown = name ?? entityId ?? "";
  const path = kind === "group" ? "groups" : "people";
  return html`<tr><th scope="row" class="name">${entityId === null ? shown : html`<a href="/${path}/${encodeURIComponent(entityId)}">${shown}</a>`}</th>
<td>${whatWasLost(each, productOf(type))}${outcome === "unconfirmed" && html` ${badge("wait", "unconfirmed")}`}</td><td>${moment(atMs)}</td><td>${why(each)}</td><td>${whoseWord(each)}</td></tr>`;
}

function whatWasLost({ what, group, target }: LostAccess, vendor: string): HtmlValue {
  const where = html` <small>${target}</small>`;
  switch (what) {
    case "suspend":
      return html`Access to ${vendor}: suspended, can be undone${where}`;
    case "remove":
      return html`The account in ${vendor}: removed${where}`;
    case "removeFromGroup":
      return html`The group ${group ?? "whose name is not known"}${where}`;
    case "removeGroup":
      return html`The group itself was deleted there${where}`;
    default:
      return what satisfies never;
  }
}

/** What changed in the directory, in plain words. */
function why({ cause, group }: LostAccess): HtmlValue {
  if (cause === null)
    return "Nothing changed in the directory: a full look found access that neither it nor the configuration provides for.";
  const at = html` <small>${moment(cause.atMs)}</small>`;
  switch (cause.action) {
    case "user.delete":
      return html`Left the directory${at}`;
    case "user.update":
      return html`Deactivated in the directory${at}`;
    case "group.leave":
      return html`Left the group ${groupIn(cause.detail) ?? group ?? ""} in the directory${at}`;
    case "group.delete":
      return html`The group was deleted in the directory${at}`;
    default:
      return html`${actionWord(cause.action)}${at}`;
  }
}

function groupIn({ group }: { readonly [key: string]: unknown }): string | null {
  if (typeof group === "string") return group;
  const isNamed = typeof group === "object" && group !== null && "name" in group && typeof group.name === "string";
  return isNamed ? String(group.name) : null;
}

/** Whose word it was: the source's, and of who let it pass where the guard had held it. */
function whoseWord({ cause, approval }: LostAccess): HtmlValue {
  const source = cause === null ? null : sourceIn(cause.actor);
  const said = cause === null ? "Rollcall, by itself" : (source ?? cause.actor);
  const request = cause?.requestId ?? null;
  return html`${said}${source !== null && html` <small>${cause?.actor}${request !== null && html` · request <span title="${request}">${request.slice(0, 8)}</span>`}</small>`}${approval !== null && html`<br>${badge("held", "approved")} <small>by ${approval.actor}, ${moment(approval.atMs)}</small>`}`;
}
