import type { SourceStatus, StatusReport, TargetStatus } from "../../../app/status.ts";
import type { AuditRow } from "../../../domain/model/audit.ts";
import type { HourlyCounts } from "../../../domain/ports/console-store.ts";
import { productNames, productOf } from "../../../targets/registry.ts";
import { findingText, sourceTypeName } from "../../../text/notes.ts";
import { figure } from "../../../text/numbers.ts";
import { duration } from "../../../text/times.ts";
import { activityList } from "../components/activity-rows.ts";
import { type AttentionData, type AttentionLine, attentionLines } from "../components/attention-lines.ts";
import { hourChart } from "../components/chart.ts";
import { html, type Markup } from "../components/html.ts";
import { icon } from "../components/icons.ts";
import { ago, badge, nextTry, type Tone, timeOf } from "../components/labels.ts";

export interface OverviewData extends AttentionData {
  readonly status: StatusReport;
  readonly hours: readonly HourlyCounts[];
  readonly recent: readonly AuditRow[];
}

/** Attention lines first, then each target and source, then the newest activity. */
export function overviewBody(data: OverviewData): Markup {
  const { status, recent, nowMs } = data;
  return html`<div id="live" hx-get="/?live" hx-trigger="every 5s" hx-select="#live" hx-swap="outerMorph">
${attentionSection(attentionLines(data))}
<section aria-labelledby="targets">
  <h2 id="targets">Targets</h2>
  ${
    status.targets.length === 0
      ? html`<div class="empty">${icon("target")}<p><strong>No target yet.</strong> Users and groups are stored, but nobody's access follows them.</p><p><a class="button" href="/connections">Connect ${productNames}</a></p></div>`
      : html`<div class="cards">${status.targets.map((target) => targetCard(target, data))}</div>`
  }
</section>
<section aria-labelledby="sources">
  <h2 id="sources">Sources</h2>
  <div class="cards">${status.sources.map((source) => sourceCard(source, nowMs))}</div>
</section>
<section aria-labelledby="recent">
  <div class="between"><h2 id="recent">Latest activity</h2><a href="/activity">All activity</a></div>
  ${recent.length === 0 ? html`<p class="empty">Nothing has happened yet.</p>` : activityList(recent)}
</section>
</div>`;
}

function attentionSection(lines: readonly AttentionLine[]): Markup {
  const isCalm = lines.length === 0;
  const title = isCalm
    ? "Nothing needs you"
    : lines.length === 1
      ? "One thing needs you"
      : `${lines.length} things need you`;
  return html`<section aria-labelledby="attention" class="attention${isCalm && " calm"}">
  <h2 id="attention" aria-live="polite">${isCalm && icon("good")}<span>${title}</span></h2>
  ${isCalm ? html`<p>All targets matched the sources at the last check.</p>` : html`<ul>${lines.map(attentionItem)}</ul>`}
</section>`;
}

const attentionItem = ({ tone, title, detail, action }: AttentionLine): Markup =>
  html`<li class="${tone}">${icon(tone)}<div><strong>${title}</strong>${detail && html`<p>${detail}</p>`}</div>
      ${action && html`<a class="button${tone === "bad" || tone === "held" ? "" : " secondary"}" href="${action.href}"${action.isExternal && html` target="_blank" rel="noreferrer"`}>${action.label}${action.isExternal && icon("external")}</a>`}</li>`;

function targetTone({ error, failed, held, dismissed, pending, lastSuccessAt }: TargetStatus): readonly [Tone, string] {
  if (error !== null) return ["bad", "Failing"];
  if (held > dismissed) return ["held", "Changes held"];
  if (failed > 0) return ["warn", "Some refused"];
  if (lastSuccessAt === null) return ["idle", "Not checked yet"];
  return pending > 0 ? ["wait", "Working"] : ["good", "In sync"];
}

const figureItem = (href: string, value: number, label: string, tone = ""): Markup =>
  html`<li${value > 0 && tone !== "" && html` class="${tone}"`}><a href="${href}"><strong>${figure(value)}</strong> <span>${label}</span></a></li>`;

function targetCard(target: TargetStatus, { hours, nowMs }: OverviewData): Markup {
  const { name, type, error, lastSuccessAt, oldestPendingSeconds, missing } = target;
  const [tone, word] = targetTone(target);
  const product = productOf(type);
  const people = (state: string): string => `/people?target=${encodeURIComponent(name)}&state=${state}`;
  return html`<article class="card ${tone}">
  <header><div><h3>${name}</h3><p>${product}</p></div>${badge(tone, word)}</header>
  ${error && html`<p class="problem">${error.message ?? error.code ?? "unknown error"}</p>`}
  <ul class="figures">${figureItem(people("inSync"), target.inSync, "in sync")}${figureItem(people("pending"), target.pending, "pending", "wait")}${figureItem(people("failed"), target.failed, "failed", "bad")}${figureItem(`/plan#${name}`, target.held, "held", "held")}</ul>
  ${hourChart(
    name,
    hours.filter((hour) => hour.target === name),
    nowMs,
  )}
  <footer><p>Last success ${ago(timeOf(lastSuccessAt), nowMs)}${error && html` · next try ${nextTry(target.retryAt, nowMs)}`}${oldestPendingSeconds !== null && html` · oldest pending ${duration(oldestPendingSeconds * 1000)}`}${missing > 0 && html` · <a href="${people("missing")}">${figure(missing)} not in ${product}</a>`}</p></footer>
</article>`;
}

function sourceCard(
  { name, type, users, groups, lastSuccessAt, error, failingSince, findings }: SourceStatus,
  nowMs: number,
): Markup {
  const [tone, word]: readonly [Tone, string] =
    error !== null ? ["bad", "Failing"] : lastSuccessAt === null ? ["idle", "Never seen"] : ["good", "Healthy"];
  const where = encodeURIComponent(name);
  const waiting = type === "scim" ? "Waiting for the identity provider's first request" : "No complete poll yet";
  return html`<article class="card ${tone}">
  <header><div><h3>${name}</h3><p>${sourceTypeName(type)}</p></div>${badge(tone, word)}</header>
  ${error && html`<p class="problem">Failing for ${duration(nowMs - (timeOf(failingSince) ?? nowMs))}: ${error.message ?? error.code}</p>`}
  <ul class="figures">${figureItem(`/people?source=${where}`, users, users === 1 ? "person" : "people")}${figureItem(`/groups?source=${where}`, groups, groups === 1 ? "group" : "groups")}</ul>
  ${findings.length > 0 && html`<ul class="findings">${findings.map((finding) => html`<li>${figure(finding.count)} ${findingText[finding.kind]}</li>`)}</ul>`}
  <footer><p>${lastSuccessAt === null ? waiting : html`Last seen ${ago(timeOf(lastSuccessAt), nowMs)}`}</p></footer>
</article>`;
}
