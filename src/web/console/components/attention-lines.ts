import type { Attention } from "../../../domain/ports/console-store.ts";
import { expiringSoon, type StoredToken } from "../../../domain/ports/scim-store.ts";
import { productOf } from "../../../targets/registry.ts";
import type { ConsoleStatus } from "../parts.ts";
import { ago, count, figure, nextTry, people, span, type Tone } from "../words.ts";
import { type HtmlValue, html } from "./html.ts";

/** One thing that waits for a person, with what to do about it. */
export interface AttentionLine {
  readonly tone: Extract<Tone, "bad" | "warn" | "held" | "idle">;
  readonly title: string;
  readonly detail: HtmlValue;
  readonly action: { readonly label: string; readonly href: string; readonly isExternal?: true } | null;
}

interface AttentionData {
  readonly status: ConsoleStatus;
  readonly attention: readonly Attention[];
  /** Tokens of identity providers. */
  readonly tokens: readonly StoredToken[];
  readonly vendorUrl: (target: string) => string | null;
  readonly nowMs: number;
}

const order = ["bad", "held", "warn", "idle"] as const;

/** Everything that waits for a person: what is broken first, then what is held, then what can wait. */
export function attentionLines(data: AttentionData): readonly AttentionLine[] {
  const lines = [
    ...failures(data),
    ...ending(data),
    ...data.attention.filter((each) => isOpen(each, data)).map((each) => lineOf(each, data)),
  ];
  return lines.sort((a, b) => order.indexOf(a.tone) - order.indexOf(b.tone));
}

/** Who has left the directory is missing nowhere: the status counts those who should be there. */
const isOpen = ({ kind, target }: Attention, { status }: AttentionData): boolean =>
  kind !== "missing" || (status.targets.find(({ name }) => name === target)?.missing ?? 1) > 0;

function failures({ status, nowMs }: AttentionData): readonly AttentionLine[] {
  const of = (
    role: "source" | "target",
    { name, error, failingSince, ...more }: ConsoleStatus["sources"][number] | ConsoleStatus["targets"][number],
  ): readonly AttentionLine[] =>
    error === null
      ? []
      : [
          {
            tone: "bad",
            title: role === "source" ? `${name} cannot be read` : `${name} cannot be reached or refuses us`,
            detail: html`Since ${ago(failingSince === null ? null : Date.parse(failingSince), nowMs)}: ${error.message ?? error.code}. ${role === "source" ? "The last good state stays; nobody loses access because of it." : html`Changes wait, removals too, and are made once it answers. It is tried again ${nextTry("retryAt" in more ? more.retryAt : null, nowMs)}; Sync now tries at once.`}`,
            action: { label: "Look at the connection", href: `/connections#${name}` },
          },
        ];
  return [
    ...status.sources.flatMap((source) => of("source", source)),
    ...status.targets.flatMap((target) => of("target", target)),
  ];
}

/** A provider whose token ends is shut out from one moment to the next. */
const ending = ({ tokens, nowMs }: AttentionData): readonly AttentionLine[] =>
  expiringSoon(tokens, nowMs).map(({ source, label, expiresAtMs }) => ({
    tone: "warn",
    title: `A token of ${source} is about to expire`,
    detail: html`${label === "" ? "It" : label} ends ${ago(expiresAtMs, nowMs)}; from then on the identity provider is refused. Make another and give it to the provider first.`,
    action: { label: "Make another", href: `/connections/new/provider?source=${encodeURIComponent(source)}` },
  }));

const firstNames = ({ first, count: total }: Attention): string => {
  const names = first.slice(0, 3).map(({ name }) => name);
  const more = total - names.length;
  return more > 0 ? `${names.join(", ")} and ${figure(more)} more` : names.join(", ");
};

/** What is held is what came after: who is called to a bad filter must know of those who came first. */
function alreadyGone(target: ConsoleStatus["targets"][number] | undefined): string {
  const spent = target?.budget.spent ?? 0;
  return spent === 0 ? "" : ` ${people(spent)} ${spent === 1 ? "has" : "have"} lost access or a group already.`;
}

function lineOf(each: Attention, { status, vendorUrl, nowMs }: AttentionData): AttentionLine {
  const target = status.targets.find(({ name }) => name === each.target);
  const name = productOf(target?.type ?? each.target);
  const where = encodeURIComponent(each.target);
  const since =
    each.sinceMs === null || nowMs - each.sinceMs < 60_000
      ? ""
      : html` The first has waited for ${span(nowMs - each.sinceMs)}.`;
  const url = vendorUrl(each.target);
  const vendor = url === null ? null : ({ label: `Open ${name}`, href: url, isExternal: true } as const);
  switch (each.kind) {
    case "held":
      return {
        tone: "held",
        title: `${count(each.count, "removal is", "removals are")} held back in ${each.target}`,
        detail: html`More would lose access than the removal budget allows${each.first.length > 0 && `: ${firstNames(each)}`}.${alreadyGone(target)}${since}`,
        action: { label: "Review by name", href: `/plan#${each.target}` },
      };
    case "scope":
      return {
        tone: "held",
        title: `No group matches users.groups of ${each.target}: ${count(each.count, "removal is", "removals are")} held back`,
        detail: html`Was the group renamed or deleted, or is there a slip in the configuration? They keep what they have until somebody approves${each.first.length > 0 && `: ${firstNames(each)}`}.${since}`,
        action: { label: "Review by name", href: `/plan#${each.target}` },
      };
    case "restored":
      return {
        tone: "held",
        title: `${count(each.count, "entry waits", "people or groups wait")} for a decision in ${each.target}`,
        detail: html`Only the restored backup asks for it, taking or giving access${each.first.length > 0 && `: ${firstNames(each)}`}.${since}`,
        action: { label: "Review by name", href: `/plan#${each.target}` },
      };
    case "returning":
      return {
        tone: "held",
        title: `${count(each.count, "person waits", "people wait")} to get access back in ${each.target}`,
        detail: html`They lost it some time ago, and more are back at once than is usual${each.first.length > 0 && `: ${firstNames(each)}`}. A directory that can't be read in full, or an old copy of it, shows leavers as if they had never left.${since}`,
        action: { label: "Review by name", href: `/plan#${each.target}` },
      };
    case "handed-on":
      return {
        tone: "held",
        title: `${count(each.count, "person has", "people have")} an address that was somebody else's in ${each.target}`,
        detail: html`Who had it is gone, and had another name${each.first.length > 0 && `: ${firstNames(each)}`}. Approve it where it is the same person; else remove the old entry there, and they are invited anew.${since}`,
        action: { label: "Review by name", href: `/plan#${each.target}` },
      };
    case "seats":
      return {
        tone: "held",
        title: `${count(each.count, "invitation waits", "invitations wait")} for a seat in ${each.target}`,
        detail: html`maxSeats is reached: ${firstNames(each)}. Raise it in the configuration to let them in.`,
        action: { label: "See who", href: `/people?target=${where}&state=held` },
      };
    case "failing":
      return {
        tone: "bad",
        title: `${name} refuses ${each.count === 1 ? (each.first[0]?.name ?? "one entry") : count(each.count, "entry", "people or groups")}`,
        detail: html`${each.first[0]?.error ?? firstNames(each)}${each.count > 1 && html` (${firstNames(each)})`}`,
        action: { label: "See who and why", href: `/people?target=${where}&state=failed` },
      };
    case "accepted":
      return {
        tone: "warn",
        title: `${people(each.count)} accepted, not confirmed in ${each.target}`,
        detail: html`Only an administrator of ${name} can confirm them; until then they see nothing: ${firstNames(each)}.${since}`,
        action: vendor ?? { label: "See who", href: `/people?target=${where}&seen=accepted` },
      };
    case "missing":
      return {
        tone: "idle",
        title: `${people(target?.missing ?? each.count)} not in ${each.target}`,
        detail: html`${name}'s API cannot invite anybody: invite them there${each.count === target?.missing && html` (${firstNames(each)})`}.`,
        action: { label: "See who", href: `/people?target=${where}&state=missing` },
      };
    case "invitation":
      return {
        tone: "warn",
        title: `${count(each.count, "invitation", "invitations")} expired or about to in ${each.target}`,
        detail: html`Not taken up within five days: ${firstNames(each)}.${since}`,
        action: { label: "See who, invite again", href: `/people?target=${where}&seen=invited` },
      };
  }
}
