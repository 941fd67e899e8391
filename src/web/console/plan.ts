import type { Plan } from "../../domain/plan.ts";
import type { HeldItem } from "../../domain/sync.ts";
import type { Visitor } from "../access/role.ts";
import { detailOf, heldSubject, lossOf, opCounts, subjectOf } from "./change-words.ts";
import { html, type Markup } from "./html.ts";
import { icon } from "./icons.ts";
import { csrfField, only } from "./layout.ts";
import type { TargetStatus } from "./parts.ts";
import type { Planned } from "./plan-desk.ts";
import { ago, badge, count, figure, opTone, opWord, product } from "./words.ts";

/** So many names are shown of one kind; the download has all. */
const namesShown = 200;
const heldShown = 500;

/** One target on the page of plans. */
export interface TargetPlan {
  readonly target: TargetStatus;
  /** Removals beyond the budget that nobody has approved. */
  readonly held: readonly HeldItem[];
  readonly digest: string | null;
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
    return html`<div class="empty"><p><strong>No target yet.</strong> There is nothing to plan.</p><p><a class="button" href="/connections">Connect Bitwarden or 1Password</a></p></div>`;
  return html`${data.plans.map((plan) => targetSection(plan, data))}`;
}

function targetSection(plan: TargetPlan, data: PlanData): Markup {
  const { target, held, planned } = plan;
  return html`<section aria-labelledby="${target.name}">
<div class="between"><h2 id="${target.name}">${target.name} <small>${product(target.type)}</small></h2>${budgetText(target)}</div>
${held.length > 0 && heldPanel(plan, data)}
<div class="panel" id="plan-${target.name}"${planned?.status === "working" && html` hx-get="/plan?live" hx-trigger="every 1s" hx-select="[id='plan-${target.name}']" hx-swap="outerHTML"`}>
${planView(plan, data)}
</div>
</section>`;
}

const budgetText = ({ budget }: TargetStatus): Markup =>
  html`<p class="hint">Removal budget: ${figure(budget.spent)} of ${count(budget.allowed, "person", "people")} used</p>`;

function heldPanel({ target, held, digest }: TargetPlan, { visitor, nowMs }: PlanData): Markup {
  const name = target.name;
  const total = held.length;
  return html`<div class="panel heldback"><h3>${icon("held")}<span>${count(total, "removal is", "removals are")} held back</span></h3>
<p>At once, more people would lose access or a group in ${name} than the removal budget allows. That can be right: a department was closed. It can also be a broken filter or an empty export. Go through the names; nothing happens to them meanwhile.</p>
<div class="scroll tall" role="region" aria-label="Held removals of ${name}" tabindex="0"><table>
<caption>${count(total, "held removal", "held removals")}${total > heldShown && `, the first ${heldShown} shown`} · <a href="/plan/${encodeURIComponent(name)}/held.csv" download>CSV</a> · <a href="/plan/${encodeURIComponent(name)}/held.json" download>JSON</a></caption>
<thead><tr><th scope="col">Who</th><th scope="col">Would lose</th><th scope="col">Held since</th></tr></thead>
<tbody>${held
    .slice(0, heldShown)
    .map(
      (item) =>
        html`<tr><th scope="row" class="name"><a href="/${item.kind === "user" ? "people" : "groups"}/${encodeURIComponent(item.entityId)}">${heldSubject(item)}</a></th><td>${lossOf(item, product(target.type))}</td><td>${ago(item.sinceMs, nowMs)}</td></tr>`,
    )}</tbody></table></div>
${digest !== null && only(visitor, "operator", () => approvalForm(name, total, digest, visitor))}
${visitor.role === "viewer" && html`<p class="hint">Approving needs the role operator.</p>`}
</div>`;
}

const approvalForm = (
  name: string,
  total: number,
  digest: string,
  visitor: Visitor,
): Markup => html`<div class="decide">
<form method="post" action="/plan/${encodeURIComponent(name)}/approve">${csrfField(visitor)}<input type="hidden" name="digest" value="${digest}">
<label for="confirm-${name}">To let exactly these pass once, type <strong>${total}</strong> (the number of removals) or <strong>${name}</strong></label>
<div class="row"><input id="confirm-${name}" name="confirm" autocomplete="off" spellcheck="false" required><button type="submit" class="danger">Approve ${count(total, "removal")}</button></div>
<p class="hint">Digest <code>${digest}</code>. If anybody is added or taken off meanwhile, nothing is approved and this page shows the new list.</p></form>
<form method="post" action="/plan/${encodeURIComponent(name)}/dismiss">${csrfField(visitor)}<input type="hidden" name="digest" value="${digest}">
<p class="hint">Not right? Leave them held and mend it in the directory: who is back there is off this list by themselves. As the budget grows again, a few pass each day.</p>
<button type="submit" class="secondary">Leave held</button></form></div>`;

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
${plan.held.length > 0 && html`<p class="hint">${count(plan.held.length, "change is", "changes are")} held besides: over the removal budget, or out of seats.</p>`}
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
