import { z } from "zod";
import { observedStates } from "../../../domain/model/link.ts";
import { presences, syncStates } from "../../../domain/ports/console-store.ts";
import { figure } from "../../../text/numbers.ts";
import { flag, type HtmlValue, html, type Markup } from "./html.ts";

/** Text in an address. A value of another type counts as missing. */
const text = z.string().max(300).catch("");
/** Place in a log: the page shows rows before it. */
export const beforeSeq = z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER).nullable().catch(null);

const shape = z.object({
  q: text.transform((value) => value.slice(0, 200)),
  source: text,
  presence: z.enum(["", ...presences]).catch(""),
  target: text,
  state: z.enum(["", ...syncStates]).catch(""),
  seen: z.enum(["", ...observedStates]).catch(""),
  cursor: text,
});

/** The filter of a list, as its address has it. A value that is not valid counts as missing. */
export type ListFilter = Readonly<z.output<typeof shape>>;

export const parseListFilter = (query: unknown): ListFilter => shape.parse(query);

/** The address of a page with these values in its query; empty ones are left out. */
export function hrefOf(path: string, query: object): string {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null);
  const text = new URLSearchParams(Object.fromEntries(given.map(([key, value]) => [key, String(value)]))).toString();
  return text === "" ? path : `${path}?${text}`;
}

/** True if the filter leaves anything out. */
export const isNarrow = (filter: ListFilter): boolean =>
  Object.entries(filter).some(([key, value]) => key !== "cursor" && value !== "");

export interface Choice {
  readonly value: string;
  readonly label: string;
}

/** A field with fixed choices. The first one, `all`, leaves nothing out. */
export const choiceField = (
  name: string,
  label: string,
  all: string,
  choices: readonly (Choice | string)[],
  chosen: string,
): Markup =>
  html`<div><label for="${name}">${label}</label><select id="${name}" name="${name}"><option value="">${all}</option>${choices
    .map((choice) => (typeof choice === "string" ? { value: choice, label: choice } : choice))
    .map(
      ({ value, label: shown }) =>
        html`<option value="${value}"${flag("selected", value === chosen)}>${shown}</option>`,
    )}</select></div>`;

/** A choice of one target. */
export const targetField = (targets: readonly { readonly name: string }[], chosen: string): Markup =>
  choiceField(
    "target",
    "Target",
    "Every target",
    targets.map(({ name }) => name),
    chosen,
  );

/** The search of a list. With JavaScript it answers while a person types. */
export const searchForm = (
  path: string,
  label: string,
  value: string,
  placeholder: string,
  fields: HtmlValue,
): Markup =>
  html`<search><form class="filters" method="get" action="${path}" hx-get="${path}" hx-trigger="input from:#q delay:200ms, change, submit" hx-target="#results" hx-select="#results" hx-swap="outerHTML" hx-replace-url="true" hx-sync="this:replace">
  <div class="grow"><label for="q">${label}</label><input id="q" name="q" type="search" value="${value}" placeholder="${placeholder}" autocomplete="off" spellcheck="false"></div>
  ${fields}
  <button type="submit" class="secondary">Apply</button>
</form></search>`;

/** The number of rows, and the links to the first and the next page of a list. */
export const listPager = (
  path: string,
  filter: ListFilter,
  page: { readonly nextCursor: string | null; readonly total: number; readonly items: readonly unknown[] },
  what: string,
): Markup =>
  html`<nav class="pager" aria-label="Pages"><p>${page.items.length === page.total ? "All" : page.items.length} of ${figure(page.total)} ${what}</p><div>${filter.cursor !== "" && html`<a class="button secondary" href="${hrefOf(path, { ...filter, cursor: "" })}">First page</a>`}${page.nextCursor !== null && html`<a class="button secondary" rel="next" href="${hrefOf(path, { ...filter, cursor: page.nextCursor })}">Next page</a>`}</div></nav>`;

/** The links to the newest and to older rows of a log. */
export const logPager = (
  path: string,
  filter: { readonly before: number | null },
  nextBeforeSeq: number | null,
  label: string,
): Markup =>
  html`<nav class="pager" aria-label="${label}"><p>${filter.before !== null && html`<a href="${hrefOf(path, { ...filter, before: null })}">Newest</a>`}</p><div>${nextBeforeSeq !== null && html`<a class="button secondary" rel="next" href="${hrefOf(path, { ...filter, before: nextBeforeSeq })}">Older</a>`}</div></nav>`;
