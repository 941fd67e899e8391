import type { ChangeOp } from "../../../domain/model/plan.ts";
import { wordsOf } from "../../../targets/registry.ts";
import { operationName } from "../../../text/changes.ts";
import { ago as agoText, isoTime } from "../../../text/times.ts";
import { type HtmlValue, html, type Markup } from "./html.ts";
import { type IconName, icon } from "./icons.ts";

/** "3 min ago", with the exact time for machines and as a tooltip; "never" for null. */
export const ago = (ms: number | null, nowMs: number): Markup =>
  ms === null ? html`never` : html`<time datetime="${isoTime(ms)}">${agoText(ms, nowMs)}</time>`;

/** "in 3 min"; "now" for null and for a time that is over. */
export function nextTry(retryAt: string | null, nowMs: number): HtmlValue {
  const atMs = retryAt === null ? nowMs : Date.parse(retryAt);
  return atMs <= nowMs ? "now" : ago(atMs, nowMs);
}

/** The time in UTC: "2026-11-22 04:19:02". */
export const moment = (ms: number): Markup => {
  const iso = isoTime(ms);
  return html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)}</time>`;
};

/** Milliseconds since the epoch of a time of the status report. */
export const timeOf = (iso: string | null): number | null => (iso === null ? null : Date.parse(iso));

/** A state: always shown as a colour, a sign and a word. */
export type Tone = "good" | "bad" | "warn" | "wait" | "held" | "idle";

/** A small label. */
export const badge = (tone: Tone, text: HtmlValue): Markup =>
  html`<span class="badge ${tone}">${icon(tone)}<span>${text}</span></span>`;

const operationTones: Readonly<Record<string, Tone>> = {
  invite: "good",
  adopt: "good",
  restore: "good",
  reinvite: "good",
  suspend: "warn",
  remove: "bad",
  createGroup: "good",
  adoptGroup: "good",
  renameGroup: "good",
  removeGroup: "bad",
  setMembers: "wait",
  setGroups: "wait",
};

/** The name of an operation on a target of this type, coloured by what it gives or takes. */
export const operationBadge = (op: ChangeOp, type: string): Markup =>
  badge(operationTones[op] ?? "idle", operationName(op, wordsOf(type).operationNames));

/** A message above or inside a form; read out at once if it is about a mistake. */
export const callout = (kind: Extract<IconName, "bad" | "warn" | "info">, text: HtmlValue): Markup =>
  html`<div class="notice ${kind === "info" ? "" : kind}"${kind === "bad" && html` role="alert"`}>${icon(kind)}<div>${text}</div></div>`;

/** A list of names and values. */
export const factList = (facts: readonly (readonly [name: string, value: HtmlValue] | false | null)[]): Markup =>
  html`<dl class="facts">${facts.map((fact) => fact && html`<dt>${fact[0]}</dt><dd>${fact[1]}</dd>`)}</dl>`;

/** A table that scrolls by itself on a narrow screen. `head` are cells made with `<th>`. */
export const dataTable = (
  label: string,
  caption: HtmlValue,
  head: readonly (string | Markup)[],
  rows: readonly Markup[],
  more = "",
): Markup =>
  html`<div class="scroll${more}" role="region" aria-label="${label}" tabindex="0"><table>${caption && html`<caption>${caption}</caption>`}
<thead><tr>${head.map((cell) => (typeof cell === "string" ? html`<th scope="col">${cell}</th>` : cell))}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
