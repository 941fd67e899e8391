import type { HeldItem } from "../../../domain/model/held-change.ts";
import { isUndecided } from "../../../domain/model/held-change.ts";
import type { HeldReason, Plan } from "../../../domain/model/plan.ts";
import { productNames, productOf } from "../../../targets/registry.ts";
import { consequenceOf, detailOf, heldSubject, opCounts, subjectOf } from "../../../text/changes-for-people.ts";
import type { Visitor } from "../../access/role.ts";
import { html, type Markup } from "../components/html.ts";
import { icon } from "../components/icons.ts";
import { csrfField, only } from "../components/layout.ts";
import type { HeldNow, TargetStatus } from "../parts.ts";
import type { Planned } from "../plan-desk.ts";
import { ago, badge, count, figure, opTone, opWord } from "../words.ts";

/** So many names are shown of one kind; the download has all. */
const namesShown = 200;
const heldShown = 500;

/** One target on the page of plans. */
export interface TargetPlan {
  readonly target: TargetStatus;
  /** What waits for an approval. */
  readonly held: HeldNow;
  readonly planned: Planned | null;
}

export interface PlanData {
  readonly plans: readonly TargetPlan[];
  readonly visitor: Visitor;
  readonly nowMs: number;
}

/** What is held comes first: it waits for a person. Then what a look at each target now would do. */
export function planBody(data: PlanData): Markup {
  if (data.plans.length === 0)
    return html`<div class="empty"><p><strong>No target yet.</strong> There is nothing to plan.</p><p><a class="button" href="/connections">Connect ${productNames}</a></p></div>`;
  return html`${data.plans.map((plan) => targetSection(plan, data))}`;
}

function targetSection(plan: TargetPlan, data: PlanData): Markup {
  const { target, held, planned } = plan;
  return html`<section aria-labelledby="${target.name}">
<div class="between"><h2 id="${target.name}">${target.name} <small>${productOf(target.type)}</small></h2>${budgetText(target)}</div>
${held.undecidedDigest !== null && heldPanel(plan, held.undecidedDigest, data)}
${held.dismissedDigest !== null && dismissedPanel(plan, held.dismissedDigest, data)}
<div class="panel" id="plan-${target.name}"${planned?.status === "working" && html` hx-get="/plan?live" hx-trigger="every 1s" hx-select="[id='plan-${target.name}']" hx-swap="outerHTML"`}>
${planView(plan, data)}
</div>
</section>`;
}

const budgetText = ({ budget }: TargetStatus): Markup =>
  html`<p class="hint">Removal budget: ${figure(budget.spent)} of ${count(budget.allowed, "person", "people")} used</p>`;

function heldPanel({ target, held }: TargetPlan, digest: string, { visitor, nowMs }: PlanData): Markup {
  const items = held.items.filter(isUndecided);
  const noun = nounOf(items);
  const total = count(items.length, noun);
  return html`<div class="panel heldback"><h3>${icon("held")}<span>${total} ${items.length === 1 ? "is" : "are"} held back</span></h3>
${whyHeld(target, (reason) => items.filter((item) => item.reason === reason).length)}
${heldTable(target, items, nowMs)}
${only(visitor, "operator", () => html`<div class="decide">${approvalForm(target.name, items, { digest, noun }, visitor)}${dismissalForm(target.name, digest, visitor)}</div>`)}
${visitor.role === "viewer" && html`<p class="hint">Deciding needs the role operator.</p>`}
</div>`;
}

/** What was dismissed waits for nobody: it stands there quietly, and can be approved all the same. */
function dismissedPanel({ target, held }: TargetPlan, digest: string, { visitor, nowMs }: PlanData): Markup {
  const items = held.items.filter((item) => !isUndecided(item));
  const noun = nounOf(items);
  return html`<details class="panel"><summary>${badge("idle", "Dismissed")} <strong>${count(items.length, noun)} dismissed</strong>: held whatever the budget allows</summary>
<p>Somebody has looked at these and said no. They stay held until the directory no longer asks for them, or until they are approved.</p>
${heldTable(target, items, nowMs)}
${only(visitor, "operator", () => html`<div class="decide">${approvalForm(target.name, items, { digest, noun }, visitor)}</div>`)}
</details>`;
}

const nounOf = (items: readonly HeldItem[]): string =>
  items.every(({ reason }) => reason === "budget" || reason === "scope") ? "removal" : "change";

function whyHeld({ name, budget }: TargetStatus, countOf: (reason: HeldReason) => number): readonly (Markup | false)[] {
  const [overBudget, scope, restored] = [countOf("budget"), countOf("scope"), countOf("restored")];
  const [returning, handedOn] = [countOf("returning"), countOf("handed-on")];
  return [
    scope > 0 &&
      html`<p>${count(scope, "person", "people")} would lose access to ${name} as no group of the directory matches <code>users.groups</code> of this target: hardly ever what is meant. Was the group renamed or deleted, or is there a slip in the configuration? They keep what they have until somebody approves.</p>`,
    returning > 0 &&
      html`<p>${count(returning, "person", "people")} would get back the access to ${name} that they lost some time ago: more at once than is usual. That can be right: a season begins. It can also be an attribute that can't be read any more, or an old copy of the directory, which shows leavers as if they had never left. Left undecided, some of them pass as the days go by.</p>`,
    handedOn > 0 &&
      html`<p>${count(handedOn, "person has", "people have")} an address in ${name} that was somebody else's, who is gone and had another name. With the address they would get that entry, with the groups and collections that were given to it by hand; and who had it before may still know its password. Approve it where it is the same person. Else remove the old entry there by hand: they are invited anew then.</p>`,
    overBudget > 0 &&
      html`<p>More people would lose access or a group in ${name} than the removal budget allows. That can be right: a department was closed. It can also be a broken filter or an empty export. Go through the names: left undecided, some of them pass as the budget grows again.</p>`,
    overBudget > 0 &&
      budget.spent > 0 &&
      html`<p>${count(budget.spent, "person has", "people have")} lost access or a group already, within the budget: <a href="/activity/lost-access?target=${encodeURIComponent(name)}">see who</a>. Who is back in the directory has it back by themselves.</p>`,
    restored > 0 &&
      html`<p>${count(restored, "change is", "changes are")} asked for only by the backup that the database was restored from; no source has said so since. It may be out of date: who has left could be let in again, who came back could lose access. They wait for a decision, or until a source tells what is right.</p>`,
  ];
}

const heldTable = (
  { name, type }: TargetStatus,
  items: readonly HeldItem[],
  nowMs: number,
): Markup => html`<div class="scroll tall" role="region" aria-label="${items.every(isUndecided) ? "Held" : "Dismissed"} removals of ${name}" tabindex="0"><table>
<caption>${count(items.length, "entry", "entries")}${items.length > heldShown && `, the first ${heldShown} shown`} · <a href="/plan/${encodeURIComponent(name)}/held.csv" download>CSV</a> · <a href="/plan/${encodeURIComponent(name)}/held.json" download>JSON</a></caption>
<thead><tr><th scope="col">Who</th><th scope="col">What would happen</th><th scope="col">Held since</th>${items.some((item) => !isUndecided(item)) && html`<th scope="col">Dismissed</th>`}</tr></thead>
<tbody>${items
  .slice(0, heldShown)
  .map(
    (item) =>
      html`<tr><th scope="row" class="name"><a href="/${item.kind === "user" ? "people" : "groups"}/${encodeURIComponent(item.entityId)}">${heldSubject(item)}</a></th><td>${consequenceOf(item, productOf(type))}</td><td>${ago(item.sinceMs, nowMs)}</td>${item.dismissedAtMs !== null && html`<td>${ago(item.dismissedAtMs, nowMs)} by ${item.dismissedBy ?? "somebody"}</td>`}</tr>`,
  )}</tbody></table></div>`;

function approvalForm(
  name: string,
  items: readonly HeldItem[],
  { digest, noun }: { readonly digest: string; readonly noun: string },
  visitor: Visitor,
): Markup {
  const id = `confirm-${name}-${digest}`;
  return html`<form method="post" action="/plan/${encodeURIComponent(name)}/approve">${csrfField(visitor)}<input type="hidden" name="digest" value="${digest}">
<label for="${id}">To let exactly these pass once, type <strong>${items.length}</strong> (the number of ${noun}s) or <strong>${name}</strong></label>
<div class="row"><input id="${id}" name="confirm" autocomplete="off" spellcheck="false" required><button type="submit" class="danger">Approve ${count(items.length, noun)}</button></div>
<p class="hint">Digest <code>${digest}</code>. If anybody is added or taken off meanwhile, nothing is approved and this page shows the new list.</p></form>`;
}

const dismissalForm = (
  name: string,
  digest: string,
  visitor: Visitor,
): Markup => html`<form method="post" action="/plan/${encodeURIComponent(name)}/dismiss">${csrfField(visitor)}<input type="hidden" name="digest" value="${digest}">
<p class="hint">Not right? Leave them held: exactly these wait, however the budget grows, and nothing asks you about them again. Mend it in the directory: who is back there is off this list by themselves. You can still approve them later; what is held later is a new question.</p>
<button type="submit" class="secondary">Leave held</button></form>`;

function planView({ target, planned }: TargetPlan, { visitor, nowMs }: PlanData): Markup {
  const again = (label: string): Markup | null =>
    only(
      visitor,
      "operator",
      () =>
        html`<form method="post" action="/plan/${encodeURIComponent(target.name)}/work-out">${csrfField(visitor)}<button type="submit" class="secondary">${label}</button></form>`,
    );
  if (planned === null)
    return html`<div class="between"><p class="flat">What would be done if every entry of ${target.name} was compared now. It is read as a whole for that; nothing is written.</p>${again("Work out the plan")}</div>`;
  if (planned.status === "working")
    return html`<p class="flat" role="status" aria-busy="true">Reading ${target.name}, since ${ago(planned.sinceMs, nowMs)}… <a href="/plan">Look again</a></p>`;
  if (planned.status === "failed")
    return html`<p class="problem" role="alert">${target.name} could not be read ${ago(planned.atMs, nowMs)}: ${planned.message}</p>${again("Try again")}`;
  const { plan } = planned;
  const where = `/plan/${encodeURIComponent(target.name)}`;
  return html`<div class="between"><p class="flat" role="status"><strong>${summary(plan)}</strong> <span class="hint">as of ${ago(planned.atMs, nowMs)}</span></p><div class="actions"><a class="button secondary" href="${where}/plan.csv" download>${icon("download")}CSV</a><a class="button secondary" href="${where}/plan.json" download>${icon("download")}JSON</a>${again("Again")}</div></div>
${opCounts(plan.changes).map(
  ([op, changes]) =>
    html`<details><summary>${badge(opTone(op), opWord(op))} <strong>${figure(changes.length)}</strong></summary><ul class="names">${changes.slice(0, namesShown).map((change) => html`<li>${subjectOf(change)}${detailOf(change) !== "" && html` <small>${detailOf(change)}</small>`}</li>`)}${changes.length > namesShown && html`<li><em>and ${figure(changes.length - namesShown)} more: download them</em></li>`}</ul></details>`,
)}
${plan.held.length > 0 && html`<p class="hint">${count(plan.held.length, "change is", "changes are")} held besides: over the removal budget, asked for only by a restored backup, dismissed, or out of seats.</p>`}
${
  plan.skipped.length > 0 &&
  html`<details><summary>${badge("idle", "Skipped")} <strong>${figure(plan.skipped.length)}</strong></summary><ul class="names">${plan.skipped.slice(0, namesShown).map(({ change, reason }) => html`<li>${subjectOf(change)} <small>${opWord(change.op)}: ${reason}</small></li>`)}</ul></details>`
}`;
}

const summary = ({ changes, held }: Plan): string => {
  if (changes.length === 0 && held.length === 0) return "Nothing to do: everything is as the directory wants it.";
  if (changes.length === 0) return "Nothing to do but what is held.";
  return `${count(changes.length, "change")} would be made.`;
};
