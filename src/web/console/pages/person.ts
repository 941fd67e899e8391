import type { ActivityPage, GroupDetail, PersonDetail, SyncStatus } from "../../../domain/ports/console-store.ts";
import { productOf } from "../../../targets/registry.ts";
import type { Visitor } from "../../access/role.ts";
import { presenceBadge, seenWords, stateWords } from "../components/access-state.ts";
import { activityList } from "../components/activity-rows.ts";
import { type HtmlValue, html, type Markup } from "../components/html.ts";
import { csrfField, only } from "../components/layout.ts";
import type { ConsoleStatus } from "../parts.ts";
import { ago, badge, count, moment, noteText, opWord } from "../words.ts";

interface EntityData {
  readonly history: ActivityPage;
  readonly status: ConsoleStatus;
  readonly visitor: Visitor;
  readonly nowMs: number;
}

/** Everything known about one person. */
export function personBody(data: EntityData & { readonly person: PersonDetail }): Markup {
  const { person } = data;
  const path = `/people/${encodeURIComponent(person.id)}`;
  const facts: readonly (readonly [string, HtmlValue])[] = [
    [
      "Directory",
      html`${presenceBadge(person)}${person.absentSinceMs !== null && html` since ${ago(person.absentSinceMs, data.nowMs)}`}`,
    ],
    ["Source", person.source],
    ["E-mail address", person.email ?? "none"],
    ["User name", person.userName],
    ["Groups", groupChips(person)],
    // Over SCIM the provider works with the id that it was given here.
    ...(person.externalId === person.id
      ? []
      : [["Key at the source", html`<code>${person.externalId}</code>`] as const]),
    ["Id here", html`<code>${person.id}</code>`],
    ["First seen", moment(person.createdAtMs)],
    ["Last change", ago(person.modifiedAtMs, data.nowMs)],
  ];
  return html`<section aria-labelledby="who"><h2 id="who">Who</h2><div class="panel">${factList(facts)}</div></section>
<section aria-labelledby="standing"><h2 id="standing">In each target</h2>
${
  person.syncStatuses.length === 0
    ? html`<p class="empty">No target is connected.</p>`
    : html`<div class="columns">${person.syncStatuses.map((standing) => standingCard(standing, path, data, wanted(person, standing), person))}</div>`
}</section>
${historySection(data.history, path)}`;
}

/** What the directory wants for somebody in a target. */
function wanted(person: PersonDetail, { note }: SyncStatus): string {
  if (person.absentSinceMs !== null) return "no access: gone from the directory";
  if (!person.isActive) return "no access: inactive in the directory";
  if (note === "out-of-scope") return "no access: not in this target's scope";
  return "access";
}

const groupChips = ({ groups }: PersonDetail): Markup =>
  groups.length === 0
    ? html`none`
    : html`<ul class="chips">${groups.slice(0, 60).map(({ id, displayName }) => html`<li><a href="/groups/${encodeURIComponent(id)}">${displayName}</a></li>`)}${groups.length > 60 && html`<li><span>and ${groups.length - 60} more</span></li>`}</ul>`;

/** One group: what it is, how it stands, who is in it. */
export function groupBody(data: EntityData & { readonly group: GroupDetail; readonly members: Markup }): Markup {
  const { group } = data;
  const path = `/groups/${encodeURIComponent(group.id)}`;
  const syncStatuses = group.syncStatuses.filter(({ state }) => state !== null);
  return html`<section aria-labelledby="who"><h2 id="who">What</h2><div class="panel">${factList([
    [
      "Directory",
      html`${group.absentSinceMs === null ? badge("good", "Present") : badge("idle", "Gone")}${group.absentSinceMs !== null && html` since ${ago(group.absentSinceMs, data.nowMs)}`}`,
    ],
    ["Source", group.source],
    ["Key at the source", html`<code>${group.externalId}</code>`],
    ["Id here", html`<code>${group.id}</code>`],
    ["Last change", ago(group.modifiedAtMs, data.nowMs)],
  ])}</div></section>
${
  syncStatuses.length > 0 &&
  html`<section aria-labelledby="standing"><h2 id="standing">In each target</h2><div class="columns">${syncStatuses.map((standing) => standingCard(standing, path, data, group.absentSinceMs === null ? "the group with its people" : "no such group", null))}</div></section>`
}
<section aria-labelledby="members"><h2 id="members">People in it</h2>${data.members}</section>
${historySection(data.history, path)}`;
}

const factList = (facts: readonly (readonly [string, HtmlValue])[]): Markup =>
  html`<dl class="facts">${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;

function standingCard(
  standing: SyncStatus,
  path: string,
  { status, visitor, nowMs }: EntityData,
  want: string,
  person: PersonDetail | null,
): Markup {
  const { target, state, note, seenState, errorMessage, remoteId } = standing;
  const type = status.targets.find(({ name }) => name === target)?.type ?? "";
  const [word, tone] = state === null ? (["Nothing there", "idle"] as const) : stateWords[state];
  const held = person?.held.filter((item) => item.target === target) ?? [];
  const facts: readonly (readonly [string, HtmlValue])[] = [
    ["Wanted", want],
    ...(person === null
      ? []
      : [
          [
            "Seen there",
            html`${seenState === null ? "not looked at since the last change" : seenWords[seenState]}${standing.seenSinceMs !== null && html`, since ${ago(standing.seenSinceMs, nowMs)}`}`,
          ] as const,
        ]),
    [
      "Last call",
      errorMessage !== null
        ? html`refused${standing.attempts > 1 && ` ${count(standing.attempts, "time")}`}; next try ${standing.retryAtMs === null ? "with the next change" : ago(standing.retryAtMs, nowMs)}`
        : html`last success ${ago(standing.lastSuccessAtMs, nowMs)}`,
    ],
    ...(remoteId === null
      ? []
      : [
          [
            "Id there",
            html`<code>${remoteId}</code>${standing.ownership === "adopted" && " (was there before Rollcall)"}`,
          ] as const,
        ]),
  ];
  return html`<article class="card ${tone}"><header><div><h3>${target}</h3><p>${productOf(type)}</p></div>${badge(tone, word)}</header>
${errorMessage !== null && html`<p class="problem">${errorMessage}</p>`}
${note !== null && html`<p class="hint flat">${want !== "access" && note === "not-in-target" ? `Not in ${productOf(type)}: there is nothing to take away.` : noteText(note, productOf(type))}</p>`}
${held.map((item) => html`<p class="hint flat">${opWord(item.change.op)} is ${item.approvedAtMs === null ? html`held since ${ago(item.sinceMs, nowMs)}${item.dismissedAtMs !== null && html`, dismissed ${ago(item.dismissedAtMs, nowMs)} by ${item.dismissedBy ?? "somebody"}`}: <a href="/plan#${target}">review</a>` : "approved, and under way"}.</p>`)}
${factList(facts)}
${only(
  visitor,
  "operator",
  () => html`<footer><div class="actions">
  <form method="post" action="${path}/sync">${csrfField(visitor)}<input type="hidden" name="target" value="${target}"><button type="submit" class="secondary">Sync now</button></form>
  ${
    seenState === "invited" &&
    want === "access" &&
    (standing.reinviteAskedAtMs === null
      ? html`<form method="post" action="${path}/reinvite">${csrfField(visitor)}<input type="hidden" name="target" value="${target}"><button type="submit" class="secondary">Invite again</button></form>`
      : html`<p>Asked to be invited again ${ago(standing.reinviteAskedAtMs, nowMs)}</p>`)
  }
</div></footer>`,
)}</article>`;
}

const historySection = ({ rows, nextBeforeSeq }: ActivityPage, path: string): Markup =>
  html`<section aria-labelledby="history"><h2 id="history">History</h2>${
    rows.length === 0
      ? html`<p class="empty">Nothing is recorded.</p>`
      : html`${activityList(rows)}${nextBeforeSeq !== null && html`<nav class="pager" aria-label="Older history"><p>The newest ${rows.length}</p><div><a class="button secondary" href="${path}?before=${nextBeforeSeq}#history">Older</a></div></nav>`}`
  }</section>`;
