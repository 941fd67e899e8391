import type { HeldNow } from "../../../app/decisions.ts";
import type { Planned } from "../../../app/plans.ts";
import type { TargetStatus } from "../../../app/status.ts";
import { type HeldItem, isUndecided } from "../../../domain/model/held-change.ts";
import type { HeldReason, Plan } from "../../../domain/model/plan.ts";
import { productNames, productOf, wordsOf } from "../../../targets/registry.ts";
import {
  byOperation,
  consequenceOf,
  detailOf,
  heldNoun,
  heldSubject,
  operationName,
  subjectOf,
} from "../../../text/changes.ts";
import { count, figure, people } from "../../../text/numbers.ts";
import type { Visitor } from "../../access/role.ts";
import { entityPath } from "../components/activity-rows.ts";
import { html, type Markup } from "../components/html.ts";
import { icon } from "../components/icons.ts";
import { ago, badge, dataTable, operationBadge } from "../components/labels.ts";
import { csrfField, only } from "../components/layout.ts";

/** Maximum number of names shown of one operation; the download has all. */
const maxNamesShown = 200;
const maxHeldShown = 500;

/** One target on the page of plans. */
export interface TargetPlan {
  readonly target: Pick<TargetStatus, "name" | "type" | "budget">;
  readonly held: HeldNow;
  readonly planned: Planned | null;
}

export interface PlanData {
  readonly plans: readonly TargetPlan[];
  readonly visitor: Visitor;
  readonly nowMs: number;
}

/** For each target: held changes first, because they need a person; then what a sync would do now. */
export function planBody(data: PlanData): Markup {
  if (data.plans.length === 0)
    return html`<div class="empty"><p><strong>No target yet.</strong> There is nothing to plan.</p><p><a class="button" href="/connections">Connect ${productNames}</a></p></div>`;
  return html`${data.plans.map((plan) => targetSection(plan, data))}`;
}

function targetSection(plan: TargetPlan, data: PlanData): Markup {
  const { target, held, planned } = plan;
  const { name, type, budget } = target;
  return html`<section aria-labelledby="${name}">
<div class="between"><h2 id="${name}">${name} <small>${productOf(type)}</small></h2><p class="hint">Removal limit: ${figure(budget.spent)} of ${people(budget.allowed)} used</p></div>
${held.undecidedDigest !== null && heldPanel(plan, held.undecidedDigest, data)}
${held.dismissedDigest !== null && dismissedPanel(plan, held.dismissedDigest, data)}
<div class="panel" id="plan-${name}"${planned?.status === "working" && html` hx-get="/plan?live" hx-trigger="every 1s" hx-select="[id='plan-${name}']" hx-swap="outerHTML"`}>
${planView(plan, data)}
</div>
</section>`;
}

function heldPanel({ target, held }: TargetPlan, digest: string, { visitor, nowMs }: PlanData): Markup {
  const items = held.items.filter(isUndecided);
  return html`<div class="panel heldback"><h3>${icon("held")}<span>${count(items.length, heldNoun(items))} ${items.length === 1 ? "is" : "are"} held</span></h3>
${whyHeld(target, (reason) => items.filter((item) => item.reason === reason).length)}
${heldTable(target, items, nowMs)}
${only(visitor, "operator", () => html`<div class="decide">${approvalForm(target.name, items, digest, visitor)}${dismissalForm(target.name, digest, visitor)}</div>`)}
${visitor.role === "viewer" && html`<p class="hint">A decision needs the role operator.</p>`}
</div>`;
}

/** Dismissed changes need nobody. They can still be approved. */
function dismissedPanel({ target, held }: TargetPlan, digest: string, { visitor, nowMs }: PlanData): Markup {
  const items = held.items.filter((item) => !isUndecided(item));
  return html`<details class="panel"><summary>${badge("idle", "Dismissed")} <strong>${count(items.length, heldNoun(items))} dismissed</strong>: held whatever the limit allows</summary>
<p>Somebody dismissed these changes. They stay held until the source no longer requests them, or until somebody approves them.</p>
${heldTable(target, items, nowMs)}
${only(visitor, "operator", () => html`<div class="decide">${approvalForm(target.name, items, digest, visitor)}</div>`)}
</details>`;
}

function whyHeld(
  { name, budget }: TargetPlan["target"],
  countOf: (reason: HeldReason) => number,
): readonly (Markup | false)[] {
  const [overLimit, scope, restored] = [countOf("budget"), countOf("scope"), countOf("restored")];
  const [returning, reassigned] = [countOf("returning"), countOf("handed-on")];
  return [
    scope > 0 &&
      html`<p>${people(scope)} would lose access to ${name}: no group of the source matches <code>users.groups</code> of this target. This is rarely intended. Was the group renamed or deleted, or is the configuration wrong? Access stays until somebody approves.</p>`,
    returning > 0 &&
      html`<p>${people(returning)} would get access to ${name} back. They lost it some time ago, and more people return at once than usual. That can be right: a season begins. It can also be an attribute that Rollcall can no longer read, or an old copy of the directory: both show leavers as active. If you do nothing, some of them pass every day.</p>`,
    reassigned > 0 &&
      html`<p>${count(reassigned, "person has", "people have")} an e-mail address in ${name} that belonged to a deleted person with another name. With the address they would get the old account, with its groups and collections. The former owner may still know its password. Approve if it is the same person. If not, remove the old account in ${name}: then the new person is invited.</p>`,
    overLimit > 0 &&
      html`<p>More people would lose access or a group in ${name} than the removal limit allows. That can be right: a department was closed. It can also be a broken filter or an empty export. Check the names. If you do nothing, some of them pass as the limit window moves on.</p>`,
    overLimit > 0 &&
      budget.spent > 0 &&
      html`<p>${count(budget.spent, "person has", "people have")} already lost access or a group within the limit: <a href="/activity/lost-access?target=${encodeURIComponent(name)}">see who</a>. To give it back, fix the source: access returns automatically.</p>`,
    restored > 0 &&
      html`<p>${count(restored, "change is", "changes are")} requested only by the restored backup of the database. No source has requested them since, so they may be out of date: leavers could get access back, others could lose it. They stay held until you decide, or until a source sends the current state.</p>`,
  ];
}

function heldTable({ name, type }: TargetPlan["target"], items: readonly HeldItem[], nowMs: number): Markup {
  const isDismissed = items.some((item) => !isUndecided(item));
  const path = `/plan/${encodeURIComponent(name)}`;
  return dataTable(
    `${isDismissed ? "Dismissed" : "Held"} changes of ${name}`,
    html`${count(items.length, "entry", "entries")}${items.length > maxHeldShown && `, the first ${maxHeldShown} shown`} · <a href="${path}/held.csv" download>CSV</a> · <a href="${path}/held.json" download>JSON</a>`,
    ["Who", "What would happen", "Held since", ...(isDismissed ? ["Dismissed"] : [])],
    items
      .slice(0, maxHeldShown)
      .map(
        (item) =>
          html`<tr><th scope="row" class="name"><a href="${entityPath(item.kind, item.entityId)}">${heldSubject(item)}</a></th><td>${consequenceOf(item, wordsOf(type))}</td><td>${ago(item.sinceMs, nowMs)}</td>${item.dismissedAtMs !== null && html`<td>${ago(item.dismissedAtMs, nowMs)} by ${item.dismissedBy ?? "somebody"}</td>`}</tr>`,
      ),
    " tall",
  );
}

function approvalForm(name: string, items: readonly HeldItem[], digest: string, visitor: Visitor): Markup {
  const id = `confirm-${name}-${digest}`;
  const noun = heldNoun(items);
  return html`<form method="post" action="/plan/${encodeURIComponent(name)}/approve">${csrfField(visitor)}<input type="hidden" name="digest" value="${digest}">
<label for="${id}">To let exactly these pass once, type <strong>${items.length}</strong> (the number of ${noun}s) or <strong>${name}</strong></label>
<div class="row"><input id="${id}" name="confirm" autocomplete="off" spellcheck="false" required><button type="submit" class="danger">Approve ${count(items.length, noun)}</button></div>
<p class="hint">Digest <code>${digest}</code>. If the list changes before you approve, nothing is approved and this page shows the new list.</p></form>`;
}

const dismissalForm = (
  name: string,
  digest: string,
  visitor: Visitor,
): Markup => html`<form method="post" action="/plan/${encodeURIComponent(name)}/dismiss">${csrfField(visitor)}<input type="hidden" name="digest" value="${digest}">
<p class="hint">Are they wrong? Dismiss them: exactly these changes stay held, whatever the limit allows, and nobody is asked about them again. Fix the source: a person who is back there leaves this list automatically. You can approve them later. Changes that are held later are not dismissed.</p>
<button type="submit" class="secondary">Dismiss</button></form>`;

function planView({ target, planned }: TargetPlan, { visitor, nowMs }: PlanData): Markup {
  const path = `/plan/${encodeURIComponent(target.name)}`;
  const makePlan = (label: string): Markup | null =>
    only(
      visitor,
      "operator",
      () =>
        html`<form method="post" action="${path}/work-out">${csrfField(visitor)}<button type="submit" class="secondary">${label}</button></form>`,
    );
  if (planned === null)
    return html`<div class="between"><p class="flat">A plan shows what a sync of ${target.name} would do now. It reads the whole target and writes nothing.</p>${makePlan("Make a plan")}</div>`;
  if (planned.status === "working")
    return html`<p class="flat" role="status" aria-busy="true">Reading ${target.name} since ${ago(planned.sinceMs, nowMs)}… <a href="/plan">Reload</a></p>`;
  if (planned.status === "failed")
    return html`<p class="problem" role="alert">${target.name} could not be read ${ago(planned.atMs, nowMs)}: ${planned.message}</p>${makePlan("Try again")}`;
  const { plan, atMs } = planned;
  return html`<div class="between"><p class="flat" role="status"><strong>${summary(plan)}</strong> <span class="hint">as of ${ago(atMs, nowMs)}</span></p><div class="actions"><a class="button secondary" href="${path}/plan.csv" download>${icon("download")}CSV</a><a class="button secondary" href="${path}/plan.json" download>${icon("download")}JSON</a>${makePlan("Again")}</div></div>
${byOperation(plan.changes).map(([op, changes]) =>
  nameList(
    operationBadge(op, target.type),
    changes.map((change) => [subjectOf(change), detailOf(change)]),
  ),
)}
${plan.held.length > 0 && html`<p class="hint">In addition, ${count(plan.held.length, "change is", "changes are")} held: over the removal limit, requested only by a restored backup, dismissed, or without a seat.</p>`}
${
  plan.skipped.length > 0 &&
  nameList(
    badge("idle", "Skipped"),
    plan.skipped.map(({ change, reason }) => [
      subjectOf(change),
      `${operationName(change.op, wordsOf(target.type).operationNames)}: ${reason}`,
    ]),
  )
}`;
}

const nameList = (label: Markup, rows: readonly (readonly [name: string, detail: string])[]): Markup =>
  html`<details><summary>${label} <strong>${figure(rows.length)}</strong></summary><ul class="names">${rows.slice(0, maxNamesShown).map(([name, detail]) => html`<li>${name}${detail !== "" && html` <small>${detail}</small>`}</li>`)}${rows.length > maxNamesShown && html`<li><em>and ${figure(rows.length - maxNamesShown)} more: the download has all</em></li>`}</ul></details>`;

function summary({ changes, held }: Plan): string {
  if (changes.length > 0) return `${count(changes.length, "change")} would be made.`;
  return held.length === 0
    ? "Nothing to do: the target matches the sources."
    : "Nothing to do except the held changes.";
}
