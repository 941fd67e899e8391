import type { LinkNote } from "../../domain/model/link.ts";
import { type HtmlValue, html, type Markup } from "./components/html.ts";
import { type IconName, icon } from "./components/icons.ts";

/** "1 person", "2,301 people". */
export const count = (number: number, one: string, many = `${one}s`): string =>
  `${figure(number)} ${number === 1 ? one : many}`;

/** "people" needs no grammar elsewhere. */
export const people = (number: number): string => count(number, "person", "people");

/** "12,345". */
export const figure = (number: number): string => number.toLocaleString("en-US");

/** "3 min" of a length of time in milliseconds. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

/** "3 min ago", with the exact time for machines and on hovering; "never" for null. */
export function ago(ms: number | null, nowMs: number): Markup {
  if (ms === null) return html`never`;
  const text = ms > nowMs ? `in ${span(ms - nowMs)}` : nowMs - ms < 5000 ? "just now" : `${span(nowMs - ms)} ago`;
  return html`<time datetime="${new Date(ms).toISOString()}">${text}</time>`;
}

/** "in 3 min" of a target that fails; "now" for null, and for what is over. */
export function nextTry(retryAt: string | null, nowMs: number): HtmlValue {
  const atMs = retryAt === null ? nowMs : Date.parse(retryAt);
  return atMs <= nowMs ? "now" : ago(atMs, nowMs);
}

/** The moment itself, in UTC: "2026-11-22 04:19:02". */
export const moment = (ms: number): Markup => {
  const iso = new Date(ms).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)}</time>`;
};

/** How something stands: always a colour, a sign and a word. */
export type Tone = "good" | "bad" | "warn" | "wait" | "held" | "idle";

/** A small label. */
export const badge = (tone: Tone, text: HtmlValue): Markup =>
  html`<span class="badge ${tone}">${icon(tone)}<span>${text}</span></span>`;

/** "SCIM" of "scim". */
export const sourceType = (type: string): string => ({ scim: "SCIM", ldap: "LDAP" })[type] ?? type;

/** "Suspend" of "suspend": what a change does, for people. */
const opWords: Readonly<Record<string, readonly [one: string, tone: Tone, icon?: IconName]>> = {
  invite: ["Invite", "good"],
  adopt: ["Take over", "good"],
  restore: ["Restore access", "good"],
  reinvite: ["Invite again", "good"],
  suspend: ["Suspend", "warn"],
  remove: ["Remove", "bad"],
  createGroup: ["Create group", "good"],
  adoptGroup: ["Take over group", "good"],
  renameGroup: ["Rename group", "good"],
  removeGroup: ["Delete group", "bad"],
  setMembers: ["Change members", "wait"],
  setGroups: ["Change groups", "wait"],
  addToGroup: ["Add to group", "good"],
  removeFromGroup: ["Take out of group", "warn"],
};
/** What a change is called; unknown ones as they are. */
export const opWord = (op: string): string => opWords[op]?.[0] ?? op;
/** Does it give or take? */
export const opTone = (op: string): Tone => opWords[op]?.[1] ?? "idle";

/** What a link's note means, for people. `target` is the product's name. */
export function noteText(note: LinkNote, target: string): string {
  switch (note) {
    case "not-in-target":
      return `Not in ${target}, whose API cannot invite: invite them there.`;
    case "out-of-scope":
      return "Not in this target's scope (users.groups).";
    case "protected":
      return "Protected: nothing is ever done to this member.";
    case "conflict":
      return "Another person has the same e-mail address and came first; this one is left out.";
    case "no-email":
      return "Has no e-mail address, so no account can be matched.";
    case "email-differs":
      return `Has another e-mail address in ${target}, which only they can change there.`;
    case "ambiguous":
      return `Several entries of ${target} could be this one; nothing is done until that is mended there.`;
    case "staged":
      return `Is staged in ${target}: somebody must invite them there.`;
    case "unknown-state":
      return "Is in a state that Rollcall does not know; nothing is done.";
    case "suspended-by-others":
      return "Was suspended by somebody else; Rollcall does not reactivate them (reactivate: own).";
    case "source-gone":
      return "Came from a source that the configuration no longer has; what they have stays as it is.";
    case "drift":
      return "Was changed in the target by hand, and is left so (driftPolicy: report).";
  }
}
