import { locateConfig } from "../../app/config-location.ts";
import type { Context, GlobalOptions, Paint } from "../../app/context.ts";
import { withoutName } from "../../app/open-targets.ts";
import type { Config } from "../../config/index.ts";
import type { AuditRow } from "../../domain/model/audit.ts";
import type { Link } from "../../domain/model/link.ts";
import type { UserDetails } from "../../domain/ports/audit-store.ts";
import { productOf } from "../../targets/registry.ts";
import { detailText } from "../../text/audit.ts";
import { accountStateNames, noteText } from "../../text/notes.ts";
import { count } from "../../text/numbers.ts";
import { isoTime, withIsoTimes } from "../../text/times.ts";
import type { Cli } from "../command.ts";
import { oneLine, printJson, table } from "../output/print.ts";

const help = `
Examples:
  rollcall user ada@example.com
  rollcall user 1552bd60-bd29-4d82-b5aa-a1b0cfb4f7fa --json

Exit code: 0, 1 when nobody has that e-mail address or id.`;

export const addUser = (cli: Cli): void =>
  void cli.add({ name: "user <email|id>", summary: "everything known about one person", help, run: showUser });

async function showUser(context: Context, options: GlobalOptions, query = ""): Promise<number> {
  const config = await locateConfig(context, options);
  const { terminal } = context;
  const store = await context.database(config).openToRead();
  const users = (await store?.userDetails(query)) ?? [];
  await store?.close();
  if (options.json) printJson(terminal, { users: users.map(toJson) });
  else if (users.length > 0)
    terminal.out(users.map((details) => describeUser(details, config, terminal.paint)).join("\n\n"));
  if (users.length > 0) return 0;
  terminal.note(`rollcall: no user "${query}" is known`);
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
  held: held.map(({ key, kind, entityId, reason, change, ...item }) => ({ ...change, ...withIsoTimes(item) })),
  history: history.map(({ seq, kind, entityId, name, ...row }) => withIsoTimes(row)),
});

/** True if the target has what the source wants. False for a person whom the target does not know. */
const isInSync = ({ appliedRev, errorCode, note }: Link, rev: number): boolean =>
  appliedRev >= rev && errorCode === null && note !== "not-in-target";

function describeUser(details: UserDetails, config: Config, paint: Paint): string {
  const { user, userName, groups, links, held, history } = details;
  const state =
    user.absentSinceMs !== null ? `deleted ${isoTime(user.absentSinceMs)}` : user.isActive ? "active" : "inactive";
  return [
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
            `${linkText(link, details, config, paint)}  ${paint("quiet", link.remoteId ?? "")}`,
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
        paint("quiet", isoTime(row.atMs)),
        row.target ?? "",
        row.action,
        row.actor,
        detailAndRequest(row),
      ]),
      "    ",
    ),
  ].join("\n");
}

/** The details of an audit row, with the id of the request that caused it. */
export const detailAndRequest = (row: Pick<AuditRow, "detail" | "requestId">): string =>
  [detailText(row), row.requestId !== null && `request ${row.requestId}`].filter(Boolean).join(", ");

function linkText(link: Link, { user, held }: UserDetails, config: Config, paint: Paint): string {
  const { observedState, note } = link;
  const waits = observedState === "invited" || observedState === "accepted";
  const access = link.hasAccess
    ? paint("good", waits ? accountStateNames[observedState] : "has access")
    : paint("warning", "no access");
  if (link.errorMessage !== null) {
    const reason = withoutName(link.target, link.errorMessage);
    return `${access}; ${paint("bad", `FAILED ${count(link.attempts, "time")}:`)} ${reason}; next try ${isoTime(link.retryAtMs) ?? "with the next change"}`;
  }
  const isHeld = held.some(({ target, approvedAtMs }) => target === link.target && approvedAtMs === null);
  const isPending = link.appliedRev < user.rev;
  const progress = isHeld ? "held" : isInSync(link, user.rev) ? "in sync" : isPending && "pending";
  const type = config.targets.find(({ name }) => name === link.target)?.type;
  const isWanted = user.isActive && user.absentSinceMs === null;
  const why = note !== null && noteText(note, type === undefined ? "the target" : productOf(type), isWanted);
  return [access, progress, why].filter(Boolean).join("; ");
}
