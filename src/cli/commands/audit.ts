import { type Command, Option } from "commander";
import { type FileFormat, fileText, lossesFile, lossJson, trailFile } from "../../app/audit-files.ts";
import { locateConfigOpenable } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { auditFilter } from "../../app/queries.ts";
import type { AuditFilter, AuditHead, ChainedRow, LostAccess } from "../../domain/model/audit.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import type { AuditTrail } from "../../domain/ports/audit-store.ts";
import { count } from "../../text/numbers.ts";
import { isoTime } from "../../text/times.ts";
import { parseNumber, parseTime, type TimeArgument } from "../arguments.ts";
import type { Cli } from "../command.ts";
import { printJson, table } from "../output/print.ts";
import { detailAndRequest } from "./user.ts";

const help = `
Examples:
  rollcall audit --person ada@example.com
  rollcall audit --lost-access --since 7d
  rollcall audit export --format csv --since 2026-01-01 > audit.csv
  rollcall audit verify --head 18231:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

All of them only read, also while "rollcall serve" runs.`;

interface FilterOptions extends GlobalOptions {
  readonly since?: TimeArgument;
  readonly until?: TimeArgument;
  readonly person?: string;
  readonly target?: string;
  readonly action?: string;
  readonly lostAccess?: boolean;
}

export function addAudit(cli: Cli): void {
  const audit = cli.group("audit", "what was done, when, why and who requested it", help);
  withFilter(
    cli.add(
      {
        name: "list",
        summary: "the newest rows; runs if no command is given",
        help: `
Examples:
  rollcall audit list --person ada@example.com
  rollcall audit list --lost-access --since 7d`,
        run: listAudit,
        settings: { isDefault: true },
      },
      audit,
    ),
  ).addOption(
    new Option("--limit <number>", "maximum number of rows")
      .argParser(parseNumber(10_000, "a number from 1 to 10000; export has no limit."))
      .default(50),
  );
  withFilter(
    cli.add(
      {
        name: "export",
        summary: "all matching rows, to standard output",
        help: `
Examples:
  rollcall audit export > audit.jsonl
  rollcall audit export --format csv --lost-access --target acme --since 90d > lost.csv

Values of --action with --lost-access: suspend, remove, removeFromGroup, removeGroup.
In CSV, a cell that a spreadsheet would run as a formula begins with an apostrophe.
Exit code: 0, 1 error.`,
        run: exportAudit,
      },
      audit,
    ),
  ).addOption(
    new Option("--format <format>", "a JSON document on each line, or CSV").choices(["jsonl", "csv"]).default("jsonl"),
  );
  cli
    .add(
      {
        name: "verify",
        summary: "check all rows: was one changed, deleted, inserted or moved?",
        help: `
Examples:
  rollcall audit verify
  rollcall audit verify --head 18231:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

Store the printed head in another place, where people with access to the database can't change it. Later, --head checks
that no row up to this head is missing or replaced.
Exit code: 0 intact, 1 not.`,
        run: verifyAudit,
      },
      audit,
    )
    .option("--head <seq:hash>", "a head noted earlier: the trail must still have it");
}

const withFilter = (command: Command): Command =>
  command
    .addOption(
      new Option("--since <when>", "from then on: 2026-11-01, 2026-11-01T08:00Z, 24h, 30d").argParser(parseTime),
    )
    .addOption(new Option("--until <when>", "before then").argParser(parseTime))
    .option("--person <email|id>", "about that person, also under a former address")
    .option("--target <name>", "about that target")
    .option("--action <action>", "user.update, suspend, approve, …; user means all user.…")
    .option("--lost-access", "only lost access, each row with its cause and its approval");

async function verifyAudit(context: Context, options: GlobalOptions & { readonly head?: string }): Promise<number> {
  const kept = options.head === undefined ? null : parseHead(options.head);
  const verdict = await withTrail(context, options, (trail) => trail.verifyAudit(kept));
  const { rows, broken } = verdict;
  const head = verdict.head === null ? null : `${verdict.head.seq}:${verdict.head.hash}`;
  const [first, last] = [isoTime(verdict.firstAtMs), isoTime(verdict.lastAtMs)];
  if (options.json) {
    printJson(context.terminal, { intact: broken === null, rows, first, last, head, broken });
  } else if (broken === null) {
    context.terminal.out(
      rows === 0
        ? "intact: no rows yet"
        : `intact: ${count(rows, "row")}, ${first} to ${last}${kept === null ? "" : `; row ${kept.seq} has the given hash`}\nhead ${head}`,
    );
  }
  if (broken === null) return 0;
  context.terminal.note(
    `rollcall: the audit trail is NOT intact at row ${broken.seq}: ${broken.reason}. Keep the database as it is, and compare it with a backup or an export`,
  );
  return 1;
}

function parseHead(text: string): AuditHead {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text.trim()) ?? [];
  if (seq === undefined || hash === undefined)
    throw new RollcallError("CONFIG_INVALID", `--head ${text}: a head looks like 1234: and 64 hex digits`);
  return { seq: Number(seq), hash: hash.toLowerCase() };
}

/** Prints the newest rows, oldest of them first. */
async function listAudit(context: Context, options: FilterOptions & { readonly limit: number }): Promise<number> {
  const filter = filterOf(context, options);
  const { terminal } = context;
  await withTrail(context, options, async (trail) => {
    if (options.lostAccess === true) {
      let losses: readonly LostAccess[] = [];
      for await (const page of trail.lostAccess(filter)) losses = [...losses, ...page].slice(-options.limit);
      if (options.json) printJson(terminal, { lostAccess: losses.map(lossJson) });
      else terminal.out(losses.length === 0 ? "nobody lost access" : readable(losses.map(lossLine)));
      return;
    }
    const rows = await trail.newestAuditRows(filter, options.limit);
    if (options.json) printJson(terminal, { rows: rows.map(trailFile.toJson) });
    else terminal.out(rows.length === 0 ? "no rows" : readable(rows.map(rowLine)));
  });
  return 0;
}

/** Writes page by page: the memory needed is that of the largest page. */
async function exportAudit(
  context: Context,
  options: FilterOptions & { readonly format: FileFormat },
): Promise<number> {
  const filter = filterOf(context, options);
  await withTrail(context, options, async (trail) => {
    const pieces =
      options.lostAccess === true
        ? fileText(lossesFile, trail.lostAccess(filter), options.format)
        : fileText(trailFile, trail.auditRows(filter), options.format);
    for await (const text of pieces) await context.terminal.write(text);
  });
  return 0;
}

const filterOf = ({ now }: Context, { since, until, person, target, action }: FilterOptions): AuditFilter =>
  auditFilter({ sinceMs: since?.(now()), untilMs: until?.(now()), person, target, action });

async function withTrail<T>(
  context: Context,
  options: GlobalOptions,
  work: (trail: AuditTrail) => Promise<T>,
): Promise<T> {
  const config = await locateConfigOpenable(context, options);
  await using cleanup = new AsyncDisposableStack();
  const trail = await context.database(config).openAuditTrail();
  cleanup.defer(() => trail.close());
  return await work(trail);
}

const rowLine = (row: ChainedRow): readonly string[] => [
  isoTime(row.atMs),
  row.target ?? "",
  row.action,
  row.name ?? row.entityId ?? "",
  row.actor,
  detailAndRequest(row),
];

function lossLine(loss: LostAccess): readonly string[] {
  const { atMs, target, what, outcome, cause, approval } = loss;
  const because =
    cause === null
      ? "found by a full check: neither a source nor the configuration gives this access"
      : `${cause.action} ${detailAndRequest(cause)} by ${cause.actor}, ${isoTime(cause.atMs)}`;
  return [
    isoTime(atMs),
    target,
    outcome === "applied" ? what : `${what} (unconfirmed)`,
    loss.name ?? loss.entityId ?? "",
    what === "removeFromGroup" ? (loss.group ?? "") : "",
    approval === null ? because : `${because}; approved by ${approval.actor}, ${isoTime(approval.atMs)}`,
  ];
}

/** Columns. Control characters in a name do not reach the terminal. */
const readable = (lines: readonly (readonly string[])[]): string =>
  table(
    lines.map((line) => line.map((cell) => cell.replaceAll(/\p{Cc}/gu, "\ufffd"))),
    "",
  );
