import type { SourceStatus, TargetStatus } from "../../../app/status.ts";
import type { Attention } from "../../../domain/ports/console-store.ts";
import { expiringSoon, type StoredToken } from "../../../domain/ports/scim-store.ts";
import { productOf } from "../../../targets/registry.ts";
import { count, figure, people } from "../../../text/numbers.ts";
import { duration } from "../../../text/times.ts";
import { type HtmlValue, html } from "./html.ts";
import { ago, nextTry, type Tone, timeOf } from "./labels.ts";

/** One thing that needs a person, with what to do about it. */
export interface AttentionLine {
  readonly tone: Extract<Tone, "bad" | "warn" | "held" | "idle">;
  readonly title: string;
  readonly detail: HtmlValue;
  readonly action: { readonly label: string; readonly href: string; readonly isExternal?: true } | null;
}

/** The parts of the status that the lines need. */
export interface AttentionStatus {
  readonly sources: readonly Pick<SourceStatus, "name" | "error" | "failingSince">[];
  readonly targets: readonly Pick<
    TargetStatus,
    "name" | "type" | "error" | "failingSince" | "retryAt" | "missing" | "budget"
  >[];
}

export interface AttentionData {
  readonly status: AttentionStatus;
  readonly attention: readonly Attention[];
  /** Tokens of identity providers. */
  readonly tokens: readonly StoredToken[];
  readonly vendorUrl: (target: string) => string | null;
  readonly nowMs: number;
}

const order = ["bad", "held", "warn", "idle"] as const;

/** Everything that needs a person: failures first, then held changes, then the rest. */
export function attentionLines(data: AttentionData): readonly AttentionLine[] {
  const lines = [
    ...failures(data),
    ...expiringTokens(data),
    ...data.attention.filter((each) => isOpen(each, data)).map((each) => lineOf(each, data)),
  ];
  return lines.sort((a, b) => order.indexOf(a.tone) - order.indexOf(b.tone));
}

/** A person who is deleted from the source is missing nowhere: the status counts only those who should have an account. */
const isOpen = ({ kind, target }: Attention, { status }: AttentionData): boolean =>
  kind !== "missing" || (status.targets.find(({ name }) => name === target)?.missing ?? 1) > 0;

function failures({ status, nowMs }: AttentionData): readonly AttentionLine[] {
  const line = (
    { name, error, failingSince }: Pick<SourceStatus, "name" | "error" | "failingSince">,
    title: string,
    effect: HtmlValue,
  ): readonly AttentionLine[] =>
    error === null
      ? []
      : [
          {
            tone: "bad",
            title: `${name} ${title}`,
            detail: html`Since ${ago(timeOf(failingSince), nowMs)}: ${error.message ?? error.code}. ${effect}`,
            action: { label: "Open the connection", href: `/connections#${name}` },
          },
        ];
  return [
    ...status.sources.flatMap((source) =>
      line(source, "can't be read", "The last good state stays: nobody loses access because of this."),
    ),
    ...status.targets.flatMap((target) =>
      line(
        target,
        "can't be reached, or refuses Rollcall",
        html`All changes wait, removals too. Next try: ${nextTry(target.retryAt, nowMs)}. To try at once, use Sync now.`,
      ),
    ),
  ];
}

const expiringTokens = ({ tokens, nowMs }: AttentionData): readonly AttentionLine[] =>
  expiringSoon(tokens, nowMs).map(({ source, label, expiresAtMs }) => ({
    tone: "warn",
    title: `A token of ${source} expires soon`,
    detail: html`${label === "" ? "It" : label} expires ${ago(expiresAtMs, nowMs)}. After that, Rollcall refuses the identity provider. Make a new token now, and enter it at the provider.`,
    action: { label: "Make a new token", href: `/connections/new/provider?source=${encodeURIComponent(source)}` },
  }));

function firstNames({ first, count: total }: Attention): string {
  const names = first.slice(0, 3).map(({ name }) => name);
  const more = total - names.length;
  return more > 0 && names.length > 0 ? `${names.join(", ")} and ${figure(more)} more` : names.join(", ");
}

function lineOf(each: Attention, { status, vendorUrl, nowMs }: AttentionData): AttentionLine {
  const target = status.targets.find(({ name }) => name === each.target);
  const product = productOf(target?.type ?? each.target);
  const where = encodeURIComponent(each.target);
  const names = firstNames(each);
  const named = names === "" ? "" : `: ${names}`;
  const since =
    each.sinceMs === null || nowMs - each.sinceMs < 60_000
      ? ""
      : ` The oldest has waited for ${duration(nowMs - each.sinceMs)}.`;
  const held = (title: string, detail: string): AttentionLine => ({
    tone: "held",
    title: `${title} in ${each.target}`,
    detail: `${detail}${since}`,
    action: { label: "Review the names", href: `/plan#${each.target}` },
  });
  const list = (filter: string, label = "See who"): AttentionLine["action"] => ({
    label,
    href: `/people?target=${where}&${filter}`,
  });
  const url = vendorUrl(each.target);
  switch (each.kind) {
    case "held": {
      const spent = target?.budget.spent ?? 0;
      const before = spent === 0 ? "" : ` ${people(spent)} lost access or a group before the limit was reached.`;
      return held(
        count(each.count, "removal is held", "removals are held"),
        `More people would lose access than the removal limit allows${named}.${before}`,
      );
    }
    case "scope":
      return held(
        `No group matches users.groups: ${count(each.count, "removal is held", "removals are held")}`,
        `Was the group renamed or deleted, or is the configuration wrong? Access stays until somebody approves${named}.`,
      );
    case "restored":
      return held(
        count(each.count, "change of the restored backup is held", "changes of the restored backup are held"),
        `Only the backup requests them${named}.`,
      );
    case "returning":
      return held(
        count(each.count, "person waits to get access back", "people wait to get access back"),
        `They lost access some time ago, and more people return at once than usual${named}. A directory that can't be read in full, or an old copy of it, can show leavers as active.`,
      );
    case "handed-on":
      return held(
        count(each.count, "person has an address of a deleted person", "people have an address of a deleted person"),
        `The deleted person had another name${named}. Approve if it is the same person. If not, remove the old account in ${product}: then the new person is invited.`,
      );
    case "seats":
      return {
        ...held(
          count(each.count, "invitation waits for a seat", "invitations wait for a seat"),
          `maxSeats is reached${named}. Raise it in the configuration to invite them.`,
        ),
        action: list("state=held"),
      };
    case "failing":
      return {
        tone: "bad",
        title: `${product} refuses ${each.count === 1 ? (each.first[0]?.name ?? "one entry") : `changes of ${count(each.count, "entry", "people or groups")}`}`,
        detail: `${each.first[0]?.error ?? names}${each.count > 1 ? ` (${names})` : ""}`,
        action: list("state=failed", "See who and why"),
      };
    case "accepted":
      return {
        tone: "warn",
        title: `${people(each.count)} accepted the invitation and ${each.count === 1 ? "waits" : "wait"} for a confirmation in ${each.target}`,
        detail: `Only an administrator of ${product} can confirm them. Until then they see nothing${named}.${since}`,
        action: url === null ? list("seen=accepted") : { label: `Open ${product}`, href: url, isExternal: true },
      };
    case "missing":
      return {
        tone: "idle",
        title: `${people(target?.missing ?? each.count)} without an account in ${each.target}`,
        detail: `The API of ${product} can't invite: invite them there${each.count === target?.missing && names !== "" ? ` (${names})` : ""}.`,
        action: list("state=missing"),
      };
    case "invitation":
      return {
        tone: "warn",
        title: `${count(each.count, "invitation has", "invitations have")} expired, or will soon, in ${each.target}`,
        detail: `Not accepted within five days${named}.${since}`,
        action: list("seen=invited", "See who, invite again"),
      };
    default:
      return each.kind satisfies never;
  }
}
