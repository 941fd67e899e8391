import type { StatusReport } from "../../../app/status.ts";
import type { ActivityPage, GroupDetail, PersonDetail, SyncStatus } from "../../../domain/ports/console-store.ts";
import { productOf, wordsOf } from "../../../targets/registry.ts";
import { operationName } from "../../../text/changes.ts";
import { accountStateNames, noteText } from "../../../text/notes.ts";
import { count, sentence } from "../../../text/numbers.ts";
import type { Visitor } from "../../access/role.ts";
import { presenceBadge, syncStateNames } from "../components/access-state.ts";
import { activityList, entityPath } from "../components/activity-rows.ts";
import { type HtmlValue, html, type Markup } from "../components/html.ts";
import { ago, badge, factList, moment } from "../components/labels.ts";
import { csrfField, only } from "../components/layout.ts";

interface EntityData {
  readonly history: ActivityPage;
  readonly status: Pick<StatusReport, "targets">;
  readonly visitor: Visitor;
  readonly nowMs: number;
}

const presence = (entity: Parameters<typeof presenceBadge>[0], nowMs: number): Markup =>
  html`${presenceBadge(entity)}${entity.absentSinceMs !== null && html` ${ago(entity.absentSinceMs, nowMs)}`}`;

const code = (text: string): Markup => html`<code>${text}</code>`;

/** Everything known about one person. */
export function personBody(data: EntityData & { readonly person: PersonDetail }): Markup {
  const { person, nowMs } = data;
  const path = entityPath("user", person.id);
  return html`<section aria-labelledby="who"><h2 id="who">Person</h2><div class="panel">${factList([
    ["State", presence(person, nowMs)],
    ["Source", person.source],
    ["E-mail address", person.email ?? "none"],
    ["User name", person.userName],
    ["Groups", groupChips(person)],
    // A SCIM client that sends no externalId uses the Rollcall ID.
    person.externalId !== person.id && ["Source ID", code(person.externalId)],
    ["Rollcall ID", code(person.id)],
    ["First seen", moment(person.createdAtMs)],
    ["Last change", ago(person.modifiedAtMs, nowMs)],
  ])}</div></section>
<section aria-labelledby="targets"><h2 id="targets">Targets</h2>
${
  person.syncStatuses.length === 0
    ? html`<p class="empty">No target is connected.</p>`
    : html`<div class="columns">${person.syncStatuses.map((status) => targetCard(status, path, data, { desired: desiredAccess(person, status), person }))}</div>`
}</section>
${historySection(data.history, path)}`;
}

/** Whether the source gives a person access to a target, and why not. */
function desiredAccess(person: PersonDetail, { note }: SyncStatus): string {
  if (person.absentSinceMs !== null) return "no access: deleted from the source";
  if (!person.isActive) return "no access: inactive in the source";
  if (note === "out-of-scope") return "no access: not in the scope of this target";
  return "access";
}

const maxGroupsShown = 60;

const groupChips = ({ groups }: PersonDetail): Markup =>
  groups.length === 0
    ? html`none`
    : html`<ul class="chips">${groups.slice(0, maxGroupsShown).map(({ id, displayName }) => html`<li><a href="${entityPath("group", id)}">${displayName}</a></li>`)}${groups.length > maxGroupsShown && html`<li><span>and ${groups.length - maxGroupsShown} more</span></li>`}</ul>`;

/** One group: its facts, its state in each target, its members. */
export function groupBody(data: EntityData & { readonly group: GroupDetail; readonly members: Markup }): Markup {
  const { group, nowMs } = data;
  const path = entityPath("group", group.id);
  const statuses = group.syncStatuses.filter(({ state }) => state !== null);
  const desired = group.absentSinceMs === null ? "the group with its members" : "no group: deleted from the source";
  return html`<section aria-labelledby="who"><h2 id="who">Group</h2><div class="panel">${factList([
    ["State", presence(group, nowMs)],
    ["Source", group.source],
    ["Source ID", code(group.externalId)],
    ["Rollcall ID", code(group.id)],
    ["Last change", ago(group.modifiedAtMs, nowMs)],
  ])}</div></section>
${
  statuses.length > 0 &&
  html`<section aria-labelledby="targets"><h2 id="targets">Targets</h2><div class="columns">${statuses.map((status) => targetCard(status, path, data, { desired, person: null }))}</div></section>`
}
<section aria-labelledby="members"><h2 id="members">Members</h2>${data.members}</section>
${historySection(data.history, path)}`;
}

interface CardSubject {
  readonly desired: string;
  /** Null for a group. */
  readonly person: PersonDetail | null;
}

function targetCard(status: SyncStatus, path: string, data: EntityData, { desired, person }: CardSubject): Markup {
  const { target, state, note, errorMessage } = status;
  const { nowMs } = data;
  const type = data.status.targets.find(({ name }) => name === target)?.type ?? "";
  const product = productOf(type);
  const [word, tone] = state === null ? (["Nothing", "idle"] as const) : syncStateNames[state];
  const held = person?.held.filter((item) => item.target === target) ?? [];
  return html`<article class="card ${tone}"><header><div><h3>${target}</h3><p>${product}</p></div>${badge(tone, word)}</header>
${errorMessage !== null && html`<p class="problem">${errorMessage}</p>`}
${note !== null && html`<p class="hint flat">${sentence(noteText(note, product, desired === "access"))}</p>`}
${held.map((item) => html`<p class="hint flat">${operationName(item.change.op, wordsOf(type).operationNames)} is ${item.approvedAtMs === null ? html`held since ${ago(item.sinceMs, nowMs)}${item.dismissedAtMs !== null && html`, dismissed ${ago(item.dismissedAtMs, nowMs)} by ${item.dismissedBy ?? "somebody"}`}: <a href="/plan#${target}">review</a>` : "approved, and will be done in the next run"}.</p>`)}
${factList([["Should have", desired], person !== null && ["Has", observed(status, nowMs)], ["Last call", lastCall(status, nowMs)], targetId(status, product)])}
${only(data.visitor, "operator", () => cardActions(status, path, data, desired))}</article>`;
}

const observed = ({ seenState, seenSinceMs }: SyncStatus, nowMs: number): Markup =>
  html`${seenState === null ? "not checked since the last change" : accountStateNames[seenState]}${seenSinceMs !== null && html`, since ${ago(seenSinceMs, nowMs)}`}`;

const lastCall = ({ errorMessage, attempts, retryAtMs, lastSuccessAtMs }: SyncStatus, nowMs: number): Markup =>
  errorMessage === null
    ? html`last success ${ago(lastSuccessAtMs, nowMs)}`
    : html`refused${attempts > 1 && ` ${count(attempts, "time")}`}; next try ${retryAtMs === null ? "with the next change" : ago(retryAtMs, nowMs)}`;

const targetId = ({ remoteId, ownership }: SyncStatus, product: string): readonly [string, HtmlValue] | null =>
  remoteId === null
    ? null
    : [`${product} ID`, html`${code(remoteId)}${ownership === "adopted" && " (existed before Rollcall)"}`];

function cardActions(
  { target, seenState, reinviteAskedAtMs }: SyncStatus,
  path: string,
  { visitor, nowMs }: EntityData,
  desired: string,
): Markup {
  const form = (action: string, label: string): Markup =>
    html`<form method="post" action="${path}/${action}">${csrfField(visitor)}<input type="hidden" name="target" value="${target}"><button type="submit" class="secondary">${label}</button></form>`;
  const canReinvite = seenState === "invited" && desired === "access";
  return html`<footer><div class="actions">${form("sync", "Sync now")}
${canReinvite && (reinviteAskedAtMs === null ? form("reinvite", "Invite again") : html`<p>A new invitation was requested ${ago(reinviteAskedAtMs, nowMs)}</p>`)}</div></footer>`;
}

const historySection = ({ rows, nextBeforeSeq }: ActivityPage, path: string): Markup =>
  html`<section aria-labelledby="history"><h2 id="history">History</h2>${
    rows.length === 0
      ? html`<p class="empty">Nothing is recorded.</p>`
      : html`${activityList(rows)}${nextBeforeSeq !== null && html`<nav class="pager" aria-label="Older history"><p>The newest ${rows.length}</p><div><a class="button secondary" href="${path}?before=${nextBeforeSeq}#history">Older</a></div></nav>`}`
  }</section>`;
