import type { AuditRow } from "../../../domain/model/audit.ts";
import type { Attention, HourTally } from "../../../domain/ports/console-store.ts";
import type { StoredToken } from "../../../domain/ports/scim-store.ts";
import { productNames, productOf } from "../../../targets/registry.ts";
import { activityList } from "../components/activity-rows.ts";
import { type AttentionLine, attentionLines } from "../components/attention-lines.ts";
import { hourChart } from "../components/chart.ts";
import { type HtmlValue, html, type Markup } from "../components/html.ts";
import { icon } from "../components/icons.ts";
import type { ConsoleStatus, SourceStatus, TargetStatus } from "../parts.ts";
import { ago, badge, count, figure, nextTry, sourceType, span, type Tone } from "../words.ts";

export interface OverviewData {
  readonly status: ConsoleStatus;
  readonly attention: readonly Attention[];
  readonly hours: readonly HourTally[];
  readonly recent: readonly AuditRow[];
  readonly tokens: readonly StoredToken[];
  readonly vendorUrl: (target: string) => string | null;
  readonly nowMs: number;
}

/** What needs a person first, then every source and target in one glance, then what happened. */
export function overviewBody(data: OverviewData): Markup {
  const { status, recent, nowMs } = data;
  const lines = attentionLines(data);
  return html`<div id="live" hx-get="/?live" hx-trigger="every 5s" hx-select="#live" hx-swap="outerMorph">
${attentionSection(lines)}
<section aria-labelledby="targets">
  <h2 id="targets">Targets</h2>
  ${
    status.targets.length === 0
      ? html`<div class="empty">${icon("target")}<p><strong>No target yet.</strong> The directory is kept, and nobody's access follows it.</p><p><a class="button" href="/connections">Connect ${productNames}</a></p></div>`
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
  const title =
    lines.length === 0
      ? "Nothing needs you"
      : lines.length === 1
        ? "One thing needs you"
        : `${lines.length} things need you`;
  return html`<section aria-labelledby="attention" class="attention${lines.length === 0 && " calm"}">
  <h2 id="attention" aria-live="polite">${lines.length === 0 && icon("good")}<span>${title}</span></h2>
  ${
    lines.length === 0
      ? html`<p>Everyone has the access that the directory gives them, as far as the last look at each target tells.</p>`
      : html`<ul>${lines.map(
          (
            line,
          ) => html`<li class="${line.tone}">${icon(line.tone)}<div><strong>${line.title}</strong>${line.detail && html`<p>${line.detail}</p>`}</div>
      ${line.action && html`<a class="button${line.tone === "bad" || line.tone === "held" ? "" : " secondary"}" href="${line.action.href}"${line.action.isExternal && html` target="_blank" rel="noreferrer"`}>${line.action.label}${line.action.isExternal && icon("external")}</a>`}</li>`,
        )}</ul>`
  }
</section>`;
}

function targetTone({ error, failed, held, dismissed, pending, lastSuccessAt }: TargetStatus): readonly [Tone, string] {
  if (error !== null) return ["bad", "Failing"];
  if (held > dismissed) return ["held", "Holding back"];
  if (failed > 0) return ["warn", "Some refused"];
  if (lastSuccessAt === null) return ["idle", "Not looked at yet"];
  return pending > 0 ? ["wait", "Working"] : ["good", "In sync"];
}

function targetCard(target: TargetStatus, { hours, nowMs }: OverviewData): Markup {
  const { name, type, error, lastSuccessAt } = target;
  const [tone, word] = targetTone(target);
  const link = (state: string): string => `/people?target=${encodeURIComponent(name)}&state=${state}`;
  const figures: readonly (readonly [label: string, value: number, state: string, tone: string])[] = [
    ["in sync", target.inSync, "inSync", ""],
    ["pending", target.pending, "pending", "wait"],
    ["failed", target.failed, "failed", "bad"],
    ["held", target.held, "held", "held"],
  ];
  return html`<article class="card ${tone}">
  <header><div><h3>${name}</h3><p>${productOf(type)}</p></div>${badge(tone, word)}</header>
  ${error && html`<p class="problem">${error.message ?? error.code ?? "unknown error"}</p>`}
  <ul class="figures">${figures.map(
    ([label, value, state, colour]) =>
      html`<li${value > 0 && colour !== "" && html` class="${colour}"`}><a href="${state === "held" ? `/plan#${name}` : link(state)}"><strong>${figure(value)}</strong> <span>${label}</span></a></li>`,
  )}</ul>
  ${hourChart(
    name,
    hours.filter((hour) => hour.target === name),
    nowMs,
  )}
  <footer><p>Last success ${ago(timeOf(lastSuccessAt), nowMs)}${error && html` · next try ${nextTry(target.retryAt, nowMs)}`}${target.oldestPendingSeconds !== null && html` · oldest pending ${span(target.oldestPendingSeconds * 1000)}`}${target.missing > 0 && html` · <a href="${link("missing")}">${figure(target.missing)} not in ${productOf(type)}</a>`}</p></footer>
</article>`;
}

function sourceCard(
  { name, type, users, groups, lastSuccessAt, error, failingSince, findings }: SourceStatus,
  nowMs: number,
): Markup {
  const [tone, word]: readonly [Tone, string] =
    error !== null ? ["bad", "Failing"] : lastSuccessAt === null ? ["idle", "Not heard of yet"] : ["good", "Healthy"];
  const noticed: readonly HtmlValue[] = findings.map(
    (finding) =>
      html`<li>${count(finding.count, findingText[finding.kind] ?? finding.kind, findingText[finding.kind] ?? finding.kind)}</li>`,
  );
  return html`<article class="card ${tone}">
  <header><div><h3>${name}</h3><p>${sourceType(type)}</p></div>${badge(tone, word)}</header>
  ${error && html`<p class="problem">Failing for ${span(nowMs - (timeOf(failingSince) ?? nowMs))}: ${error.message ?? error.code}</p>`}
  <ul class="figures"><li><a href="/people?source=${encodeURIComponent(name)}"><strong>${figure(users)}</strong> <span>${users === 1 ? "person" : "people"}</span></a></li><li><a href="/groups?source=${encodeURIComponent(name)}"><strong>${figure(groups)}</strong> <span>${groups === 1 ? "group" : "groups"}</span></a></li></ul>
  ${noticed.length > 0 && html`<ul class="findings">${noticed}</ul>`}
  <footer><p>${lastSuccessAt === null ? (type === "scim" ? "Waiting for the identity provider's first request" : "No complete poll yet") : html`Last heard of ${ago(timeOf(lastSuccessAt), nowMs)}`}</p></footer>
</article>`;
}

const timeOf = (iso: string | null): number | null => (iso === null ? null : Date.parse(iso));

const findingText: Readonly<Record<string, string>> = {
  "without-email": "without an e-mail address",
  contact: "contacts, who can't have an account",
  "duplicate-email": "e-mail addresses that several people have",
  "duplicate-id": "entries with the id of another one",
  "without-id": "entries without an id that lasts",
  referral: "referrals, not followed",
  warning: "warnings",
};
