import { z } from "zod";
import type { PeopleQuery, SyncStatusFilter } from "../../../domain/ports/console-store.ts";
import { flag, html, type Markup } from "./html.ts";

/** Text of a query string, kept short; what is no text is nothing. */
const text = z.string().max(300).catch("");

const shape = z.object({
  q: text,
  source: text,
  presence: z.enum(["", "present", "inactive", "gone"]).catch(""),
  target: text,
  state: z.enum(["", "inSync", "pending", "failed", "held", "missing"]).catch(""),
  seen: z.enum(["", "invited", "accepted", "active", "suspended", "staged", "unknown", "absent"]).catch(""),
  cursor: text,
});

/** What a list is narrowed down to, as its address says; what makes no sense there counts as not said. */
export type ListFilter = Readonly<z.output<typeof shape>>;

export const parseListFilter = (query: unknown): ListFilter => shape.parse(query);

/** The question to the store. Without a target named it is about all of them. */
export function queryOf(filter: ListFilter, targets: readonly string[], limit: number): Omit<PeopleQuery, "groupId"> {
  const standing: SyncStatusFilter | null =
    filter.state !== ""
      ? { by: "state", state: filter.state }
      : filter.seen !== ""
        ? { by: "seen", seen: filter.seen }
        : null;
  // A filter by standing counts in the targets that are asked for.
  const connections = targets.includes(filter.target) ? [filter.target] : targets;
  return {
    connections,
    search: filter.q.slice(0, 200),
    source: filter.source === "" ? null : filter.source,
    presence: filter.presence === "" ? null : filter.presence,
    standing,
    cursor: filter.cursor === "" ? null : filter.cursor,
    limit,
  };
}

/** The address of a list with that filter, changed in these points. */
export function listHref(path: string, filter: ListFilter, change: Partial<ListFilter> = {}): string {
  const query = new URLSearchParams(
    Object.entries({ ...filter, ...change }).filter(([, value]) => value !== ""),
  ).toString();
  return query === "" ? path : `${path}?${query}`;
}

/** Is anything narrowed down? */
export const isNarrow = (filter: ListFilter): boolean =>
  Object.entries(filter).some(([key, value]) => key !== "cursor" && value !== "");

export interface Choice {
  readonly value: string;
  readonly label: string;
}

/** A field with fixed choices, the first of which narrows nothing down. */
export const choiceField = (
  name: string,
  label: string,
  all: string,
  choices: readonly Choice[],
  chosen: string,
): Markup =>
  html`<div><label for="${name}">${label}</label><select id="${name}" name="${name}"><option value="">${all}</option>${choices.map(
    ({ value, label: text }) => html`<option value="${value}"${flag("selected", value === chosen)}>${text}</option>`,
  )}</select></div>`;

/** The search of a list; with JavaScript it answers while somebody types. */
export const filterForm = (
  path: string,
  filter: ListFilter,
  placeholder: string,
  fields: readonly (Markup | null)[],
): Markup =>
  html`<search><form class="filters" method="get" action="${path}" hx-get="${path}" hx-trigger="input from:#q delay:200ms, change, submit" hx-target="#results" hx-select="#results" hx-swap="outerHTML" hx-replace-url="true" hx-sync="this:replace">
  <div class="grow"><label for="q">Search</label><input id="q" name="q" type="search" value="${filter.q}" placeholder="${placeholder}" autocomplete="off" spellcheck="false"></div>
  ${fields}
  <button type="submit" class="secondary">Apply</button>
</form></search>`;

/** How many there are, and the way on. */
export const pager = (
  path: string,
  filter: ListFilter,
  page: { readonly nextCursor: string | null; readonly total: number; readonly shown: number },
  what: string,
): Markup =>
  html`<nav class="pager" aria-label="Pages"><p>${page.shown === page.total ? "All" : page.shown} of ${page.total.toLocaleString("en-US")} ${what}</p><div>${filter.cursor !== "" && html`<a class="button secondary" href="${listHref(path, filter, { cursor: "" })}">First page</a>`}${page.nextCursor !== null && html`<a class="button secondary" rel="next" href="${listHref(path, filter, { cursor: page.nextCursor })}">Next page</a>`}</div></nav>`;
