import type { GroupItem, Page, PersonItem } from "../../../domain/ports/console-store.ts";
import { presenceBadge, seenWords, standingCell, stateWords } from "../components/access-state.ts";
import { choiceField, filterForm, isNarrow, type ListFilter, listHref, pager } from "../components/filters.ts";
import { html, type Markup } from "../components/html.ts";
import type { ConsoleStatus } from "../parts.ts";
import { badge, figure } from "../words.ts";

/** How many rows a page of a list has. */
export const rowsPerPage = 50;

interface ListData<T> {
  readonly page: Page<T>;
  readonly filter: ListFilter;
  readonly status: ConsoleStatus;
  /** Targets that have a column. */
  readonly columns: readonly string[];
}

const stateChoices = Object.entries(stateWords).map(([value, [label]]) => ({ value, label }));

const narrowing = ({ filter, status }: ListData<unknown>, targets: ConsoleStatus["targets"]) => [
  status.sources.length > 1
    ? choiceField(
        "source",
        "Source",
        "Every source",
        status.sources.map(({ name }) => ({ value: name, label: name })),
        filter.source,
      )
    : null,
  targets.length > 1
    ? choiceField(
        "target",
        "Target",
        "Every target",
        targets.map(({ name }) => ({ value: name, label: name })),
        filter.target,
      )
    : null,
  choiceField("state", "State", "Any state", stateChoices, filter.state),
];

const targetHead = (name: string): Markup => html`<th scope="col">${name}</th>`;

const nothing = (filter: ListFilter, path: string, what: string): Markup =>
  isNarrow(filter)
    ? html`<div class="empty"><p><strong>No ${what} fit.</strong> Search in names, e-mail addresses and whole ids.</p><p><a class="button secondary" href="${path}">Show all</a></p></div>`
    : html`<div class="empty"><p><strong>No ${what} yet.</strong> They appear as soon as a source sends them.</p><p><a class="button" href="/connections">Connect an identity provider</a></p></div>`;

/** The list of people, with a column for each target. */
export function peopleBody(data: ListData<PersonItem>): Markup {
  const { page, filter, status, columns } = data;
  const fields = [
    ...narrowing(data, status.targets),
    choiceField(
      "presence",
      "Directory",
      "Everybody",
      [
        { value: "present", label: "Present" },
        { value: "inactive", label: "Inactive" },
        { value: "gone", label: "Gone" },
      ],
      filter.presence,
    ),
    filter.seen === ""
      ? null
      : choiceField(
          "seen",
          "Target shows",
          "Anything",
          Object.entries(seenWords).map(([value, label]) => ({ value, label })),
          filter.seen,
        ),
  ];
  return html`${filterForm("/people", filter, "Name, e-mail address or id", fields)}
<div id="results">
${
  page.items.length === 0
    ? nothing(filter, "/people", "people")
    : html`<div class="scroll" role="region" aria-label="People" tabindex="0"><table>
  <caption><span role="status">${figure(page.total)} ${page.total === 1 ? "person" : "people"}</span>${isNarrow(filter) && html` fit · <a href="/people">show all</a>`}</caption>
  <thead><tr><th scope="col">Person</th><th scope="col">Source</th><th scope="col">Directory</th>${columns.map((name) => targetHead(name))}</tr></thead>
  <tbody>${page.items.map((person) => personRow(person, columns))}</tbody>
</table></div>${pager("/people", filter, { ...page, shown: page.items.length }, "people")}`
}
</div>`;
}

const personRow = (person: PersonItem, columns: readonly string[]): Markup =>
  html`<tr><th scope="row" class="name"><a href="/people/${encodeURIComponent(person.id)}">${person.displayName || person.userName}</a><small>${person.email ?? person.userName}</small></th><td>${person.source}</td><td>${presenceBadge(person)}</td>${columns.map((name) => html`<td>${standingCell(person.syncStatuses.find(({ target }) => target === name))}</td>`)}</tr>`;

/** The list of groups. */
export function groupsBody(data: ListData<GroupItem>): Markup {
  const { page, filter, status, columns } = data;
  const fields = [
    ...narrowing(
      data,
      status.targets.filter(({ name }) => columns.includes(name)),
    ),
    choiceField(
      "presence",
      "Directory",
      "Every group",
      [
        { value: "present", label: "Present" },
        { value: "gone", label: "Gone" },
      ],
      filter.presence,
    ),
  ];
  return html`${filterForm("/groups", filter, "Name or id", fields)}
<div id="results">
${
  page.items.length === 0
    ? nothing(filter, "/groups", "groups")
    : html`<div class="scroll" role="region" aria-label="Groups" tabindex="0"><table>
  <caption><span role="status">${figure(page.total)} ${page.total === 1 ? "group" : "groups"}</span>${isNarrow(filter) && html` fit · <a href="/groups">show all</a>`}</caption>
  <thead><tr><th scope="col">Group</th><th scope="col" class="number">People</th><th scope="col">Source</th><th scope="col">Directory</th>${columns.map((name) => targetHead(name))}</tr></thead>
  <tbody>${page.items.map((group) => groupRow(group, columns))}</tbody>
</table></div>${pager("/groups", filter, { ...page, shown: page.items.length }, "groups")}`
}
</div>`;
}

const groupRow = (group: GroupItem, columns: readonly string[]): Markup =>
  html`<tr><th scope="row" class="name"><a href="/groups/${encodeURIComponent(group.id)}">${group.displayName}</a></th><td class="number">${figure(group.memberCount)}</td><td>${group.source}</td><td>${group.absentSinceMs === null ? badge("good", "Present") : badge("idle", "Gone")}</td>${columns.map((name) => html`<td>${standingCell(group.syncStatuses.find(({ target }) => target === name))}</td>`)}</tr>`;

/** The people of one group, on its page. */
export function membersTable(groupId: string, data: ListData<PersonItem>): Markup {
  const { page, filter, columns } = data;
  const path = `/groups/${encodeURIComponent(groupId)}`;
  if (page.total === 0 && filter.q === "") return html`<p class="empty">Nobody is in this group.</p>`;
  return html`<search><form class="filters" method="get" action="${path}" hx-get="${path}" hx-trigger="input from:#q delay:200ms, submit" hx-target="#results" hx-select="#results" hx-swap="outerHTML" hx-replace-url="true"><div class="grow"><label for="q">Search in this group</label><input id="q" name="q" type="search" value="${filter.q}" autocomplete="off"></div><button type="submit" class="secondary">Apply</button></form></search>
<div id="results">${
    page.items.length === 0
      ? html`<div class="empty"><p>Nobody in this group fits. <a href="${listHref(path, filter, { q: "", cursor: "" })}">Show all</a></p></div>`
      : html`<div class="scroll" role="region" aria-label="Members" tabindex="0"><table><caption><span role="status">${figure(page.total)} ${page.total === 1 ? "person" : "people"}</span></caption><thead><tr><th scope="col">Person</th><th scope="col">Source</th><th scope="col">Directory</th>${columns.map((name) => targetHead(name))}</tr></thead><tbody>${page.items.map((person) => personRow(person, columns))}</tbody></table></div>${pager(path, filter, { ...page, shown: page.items.length }, "people")}`
  }</div>`;
}
