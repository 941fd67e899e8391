import { locateConfig } from "../../app/config-location.ts";
import type { Context, GlobalOptions, Paint } from "../../app/context.ts";
import { withoutName } from "../../app/open-targets.ts";
import type { Config } from "../../config/index.ts";
import type { AuditRow } from "../../domain/model/audit.ts";
import type { Link, ObservedState } from "../../domain/model/link.ts";
import type { UserDetails } from "../../domain/ports/audit-store.ts";
import { count, isoTime, oneLine, printJson, table } from "../output/print.ts";
import { explain } from "./status.ts";

/** `rollcall user`: everything known about one person. Exit 1 when nobody is known by that name. */
export async function showUser(context: Context, options: GlobalOptions, query?: string): Promise<number> {
  const config = await locateConfig(context, options);
  const { terminal } = context;
  const store = await context.openStoreToRead(config);
  const userDetails = (await store?.userDetails(query ?? "")) ?? [];
  await store?.close();
  if (options.json) printJson(terminal, { users: userDetails.map(toJson) });
  else if (userDetails.length > 0)
    terminal.out(userDetails.map((userDetails) => describeDossier(userDetails, config, terminal.paint)).join("\n\n"));
  if (userDetails.length > 0) return 0;
  terminal.note(`rollcall: nobody is known as "${query}"`);
  return 1;
}

const toJson = ({ user, userName, groups, links, held, history }: UserDetails) => ({
  id: user.id,
  source: user.source,
  externalId: user.externalId,
  userName,
  email: user.email,
  displayName: user.displayName,
  active: user.isActive,
  absentSince: isoTime(user.absentSinceMs),
  rev: user.rev,
  groups,
  targets: links.map((link) => ({
    name: link.target,
    remoteId: link.remoteId,
    ownership: link.ownership,
    hasAccess: link.hasAccess,
    inSync: isInSync(link, user.rev),
    note: link.note,
    error: link.errorMessage,
    code: link.errorCode,
    retryAt: isoTime(link.retryAtMs),
    lastSuccessAt: isoTime(link.lastSuccessAtMs),
  })),
  held: held.map((item) => ({
    target: item.target,
    ...item.change,
    since: isoTime(item.sinceMs),
    approvedAt: isoTime(item.approvedAtMs),
    dismissedAt: isoTime(item.dismissedAtMs),
    dismissedBy: item.dismissedBy,
  })),
  history: history.map((row) => ({
    at: isoTime(row.atMs),
    actor: row.actor,
    action: row.action,
    target: row.target,
    rev: row.rev,
    requestId: row.requestId,
    detail: row.detail,
  })),
});

/** Delivered as wanted. Somebody whom 1Password does not know is not, and is never shown as if. */
const isInSync = ({ appliedRev, errorCode, note }: Link, rev: number): boolean =>
  appliedRev >= rev && errorCode === null && note !== "not-in-target";

function describeDossier(
  { user, userName, groups, links, held, history }: UserDetails,
  config: Config,
  paint: Paint,
): string {
  const state =
    user.absentSinceMs !== null ? `deleted ${isoTime(user.absentSinceMs)}` : user.isActive ? "active" : "inactive";
  const lines = [
    paint("strong", oneLine(`${user.displayName} <${user.email ?? "no e-mail address"}>`)),
    table([
      ["source", user.source],
      ["id", user.id],
      ["userName", userName],
      ["state", paint(state === "active" ? "good" : "warning", state)],
      ["groups", groups.join(", ") || "none"],
    ]),
    paint("strong", "  targets"),
    links.length === 0
      ? "    none yet"
      : table(
          links.map((link) => [
            link.target,
            `${linkText(link, user.rev, config, paint)}  ${paint("quiet", link.remoteId ?? "")}`,
          ]),
          "    ",
        ),
    ...held.map(
      (item) =>
        `    ${item.target}: ${item.change.op} is held since ${isoTime(item.sinceMs)}${item.approvedAtMs === null ? "" : ", approved"}${item.dismissedAtMs === null ? "" : `, dismissed ${isoTime(item.dismissedAtMs)} by ${item.dismissedBy}`}`,
    ),
    paint("strong", "  history"),
    table(
      history.map((row) => [
        paint("quiet", isoTime(row.atMs) ?? ""),
        row.target ?? "",
        row.action,
        row.actor,
        detailText(row),
      ]),
      "    ",
    ),
  ];
  return lines.join("\n");
}

/** Of somebody who counts as having access. */
const accessText: Readonly<Record<ObservedState, string>> = {
  invited: "invited, not accepted yet",
  accepted: "accepted, waits to be confirmed by an administrator",
  active: "has access",
  suspended: "has access",
  staged: "has access",
  unknown: "has access",
  absent: "has access",
};

function linkText(link: Link, rev: number, config: Config, paint: Paint): string {
  const access = link.hasAccess
    ? paint("good", accessText[link.observedState ?? "active"])
    : paint("warning", "no access");
  if (link.errorMessage !== null) {
    const reason = withoutName(link.target, link.errorMessage);
    return `${access}; ${paint("bad", `FAILED ${count(link.attempts, "time")}:`)} ${reason}; next try ${isoTime(link.retryAtMs) ?? "with the next change"}`;
  }
  const progress = isInSync(link, rev) ? "in sync" : link.appliedRev < rev && "pending";
  const note =
    link.note === null ? null : explain(link.note, config.targets.find(({ name }) => name === link.target)?.type);
  return [access, progress, note].filter(Boolean).join("; ");
}

/** What an audit row says beside its action, in a few words. */
export function detailText({ detail, requestId }: Pick<AuditRow, "detail" | "requestId">): string {
  const request = requestId === null ? [] : [`request ${requestId}`];
  const details = Object.entries(detail).map(([key, value]) => {
    if (value !== null && typeof value === "object" && !Array.isArray(value) && "from" in value)
      return `${key} ${JSON.stringify(value["from"])} -> ${JSON.stringify(value["to"])}`;
    if (key === "group" && value !== null && typeof value === "object" && "name" in value)
      return `group ${String(value["name"])}`;
    return typeof value === "string" ? `${key} ${value}` : `${key} ${JSON.stringify(value)}`;
  });
  return [...details, ...request].join(", ");
}
