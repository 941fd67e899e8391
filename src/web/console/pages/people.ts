import type { StatusReport } from "../../../app/status.ts";
import type { GroupItem, Page, PersonItem } from "../../../domain/ports/console-store.ts";
import { accountStateNames } from "../../../text/notes.ts";
import { count, figure, people } from "../../../text/numbers.ts";
import { presenceBadge, syncStateCell, syncStateNames } from "../components/access-state.ts";
import { entityPath } from "../components/activity-rows.ts";
import {
  choiceField,
  hrefOf,
  isNarrow,
  type ListFilter,
  listPager,
  searchForm,
  targetField,
} from "../components/filters.ts";
import { html, type Markup } from "../components/html.ts";
import { dataTable } from "../components/labels.ts";

export interface ListData<T> {
  readonly page: Page<T>;
  readonly filter: ListFilter;
  readonly status: StatusReport;
  /** Names of the targets that have a column. */
  readonly columns: readonly string[];
}

const commonFields = ({ filter, status }: ListData<unknown>, targets: StatusReport["targets"]) => [
  status.sources.length > 1 &&
    choiceField(
      "source",
      "Source",
      "Every source",
      status.sources.map(({ name }) => name),
      filter.source,
    ),
  targets.length > 1 && targetField(targets, filter.target),
  choiceField(
    "state",
    "State",
    "Any state",
    Object.entries(syncStateNames).map(([value, [label]]) => ({ value, label })),
    filter.state,
  ),
];

const presenceField = (all: string, filter: ListFilter, hasInactive: boolean): Markup =>
  choiceField(
    "presence",
    "In the source",
    all,
    [
      { value: "present", label: "Present" },
      ...(hasInactive ? [{ value: "inactive", label: "Inactive" }] : []),
      { value: "gone", label: "Deleted" },
    ],
    filter.presence,
  );

const emptyList = (filter: ListFilter, path: string, what: string): Markup =>
  isNarrow(filter)
    ? html`<div class="empty"><p><strong>No ${what} match.</strong> The search covers names, e-mail addresses and whole ids.</p><p><a class="button secondary" href="${path}">Show all</a></p></div>`
    : html`<div class="empty"><p><strong>No ${what} yet.</strong> They appear as soon as a source sends them.</p><p><a class="button" href="/connections">Connect an identity provider</a></p></div>`;

/** A table of users or groups: with the number of all that match, and the links to other pages. */
function entityTable<T extends PersonItem | GroupItem>(
  label: string,
  path: string,
  { page, filter, columns }: ListData<T>,
  {
    total,
    what,
    head,
    row,
  }: { total: string; what: string; head: readonly (string | Markup)[]; row: (item: T) => Markup },
): Markup {
  const caption = html`<span role="status">${total}</span>${isNarrow(filter) && html` match · <a href="${path}">show all</a>`}`;
  const rows = page.items.map(
    (item) =>
      html`<tr>${row(item)}<td>${item.source}</td><td>${presenceBadge(item)}</td>${columns.map((name) => html`<td>${syncStateCell(item.syncStatuses.find(({ target }) => target === name))}</td>`)}</tr>`,
  );
  return html`${dataTable(label, caption, [...head, "Source", "State", ...columns], rows)}${listPager(path, filter, page, what)}`;
}

/** The list of people, with a column for each target. */
export function peopleBody(data: ListData<PersonItem>): Markup {
  const { page, filter, status } = data;
  const fields = [
    ...commonFields(data, status.targets),
    presenceField("Everybody", filter, true),
    filter.seen !== "" &&
      choiceField(
        "seen",
        "Account",
        "Any",
        Object.entries(accountStateNames).map(([value, label]) => ({ value, label })),
        filter.seen,
      ),
  ];
  return html`${searchForm("/people", "Search", filter.q, "Name, e-mail address or id", fields)}
<div id="results">${page.items.length === 0 ? emptyList(filter, "/people", "people") : peopleTable("People", "/people", data)}</div>`;
}

const peopleTable = (label: string, path: string, data: ListData<PersonItem>): Markup =>
  entityTable(label, path, data, {
    total: people(data.page.total),
    what: "people",
    head: ["Person"],
    row: ({ id, displayName, userName, email }) =>
      html`<th scope="row" class="name"><a href="${entityPath("user", id)}">${displayName || userName}</a><small>${email ?? userName}</small></th>`,
  });

/** The list of groups. */
export function groupsBody(data: ListData<GroupItem>): Markup {
  const { page, filter, status, columns } = data;
  const targets = status.targets.filter(({ name }) => columns.includes(name));
  const fields = [...commonFields(data, targets), presenceField("Every group", filter, false)];
  return html`${searchForm("/groups", "Search", filter.q, "Name or id", fields)}
<div id="results">${
    page.items.length === 0
      ? emptyList(filter, "/groups", "groups")
      : entityTable("Groups", "/groups", data, {
          total: count(page.total, "group"),
          what: "groups",
          head: ["Group", html`<th scope="col" class="number">People</th>`],
          row: ({ id, displayName, memberCount }) =>
            html`<th scope="row" class="name"><a href="${entityPath("group", id)}">${displayName}</a></th><td class="number">${figure(memberCount)}</td>`,
        })
  }</div>`;
}

/** The members of one group, on its page. */
export function membersTable(groupId: string, data: ListData<PersonItem>): Markup {
  const { page, filter } = data;
  const path = entityPath("group", groupId);
  if (page.total === 0 && filter.q === "") return html`<p class="empty">Nobody is in this group.</p>`;
  return html`${searchForm(path, "Search in this group", filter.q, "", null)}
<div id="results">${
    page.items.length === 0
      ? html`<div class="empty"><p>Nobody in this group matches. <a href="${hrefOf(path, { ...filter, q: "", cursor: "" })}">Show all</a></p></div>`
      : peopleTable("Members", path, data)
  }</div>`;
}
