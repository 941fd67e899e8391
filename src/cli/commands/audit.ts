import { locateConfigOpenable } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import type { AuditFilter, AuditHead, ChainedRow, LostAccess } from "../../domain/model/audit.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import type { AuditTrail } from "../../domain/ports/audit-store.ts";
import { type FileFormat, fileText, lossesFile, trailFile } from "../../web/api/export.ts";
import { count, isoTime, printJson, table } from "../output/print.ts";
import type { Moment } from "../time-argument.ts";
import { detailText } from "./user.ts";

interface FilterOptions extends GlobalOptions {
  readonly since?: Moment;
  readonly until?: Moment;
  readonly person?: string;
  readonly target?: string;
  readonly action?: string;
  readonly lostAccess?: boolean;
}

/** `rollcall audit verify`. Exit 0 intact, 1 not. */
export async function verifyAudit(
  context: Context,
  options: GlobalOptions & { readonly head?: string },
): Promise<number> {
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
        : `intact: ${count(rows, "row")}, ${first} to ${last}${kept === null ? "" : `; row ${kept.seq} is the one that was kept`}\nhead ${head}`,
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

/** `rollcall audit list`: the newest rows, oldest of them first. */
export async function listAudit(
  context: Context,
  options: FilterOptions & { readonly limit: number },
): Promise<number> {
  const filter = filterOf(context, options);
  const { terminal } = context;
  await withTrail(context, options, async (trail) => {
    if (options.lostAccess === true) {
      let losses: readonly LostAccess[] = [];
      for await (const page of trail.lostAccess(filter)) losses = [...losses, ...page].slice(-options.limit);
      if (options.json) printJson(terminal, { lostAccess: losses.map(lossesFile.toJson) });
      else terminal.out(losses.length === 0 ? "no access was taken away" : readable(losses.map(lossLine)));
      return;
    }
    const rows = await trail.newestAuditRows(filter, options.limit);
    if (options.json) printJson(terminal, { rows: rows.map(trailFile.toJson) });
    else terminal.out(rows.length === 0 ? "no rows" : readable(rows.map(rowLine)));
  });
  return 0;
}

/** `rollcall audit export`: page by page, so that the whole trail needs no more memory than its largest page. */
export async function exportAudit(
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

function filterOf(context: Context, options: FilterOptions): AuditFilter {
  const nowMs = context.now();
  return {
    sinceMs: options.since?.(nowMs) ?? null,
    untilMs: options.until?.(nowMs) ?? null,
    person: options.person ?? null,
    target: options.target ?? null,
    action: options.action ?? null,
  };
}

async function withTrail<T>(
  context: Context,
  options: GlobalOptions,
  work: (trail: AuditTrail) => Promise<T>,
): Promise<T> {
  const trail = await context.openAuditTrail(await locateConfigOpenable(context, options));
  try {
    return await work(trail);
  } finally {
    await trail.close();
  }
}

const rowLine = (row: ChainedRow): readonly string[] => [
  isoTime(row.atMs) ?? "",
  row.target ?? "",
  row.action,
  row.name ?? row.entityId ?? "",
  row.actor,
  detailText(row),
];

function lossLine({
  atMs,
  target,
  what,
  name,
  entityId,
  group,
  outcome,
  cause,
  approval,
}: LostAccess): readonly string[] {
  const because =
    cause === null
      ? "found by a full look: nothing in the directory provides for it (drift, or the configuration)"
      : `${cause.action} ${detailText(cause)} by ${cause.actor}, ${isoTime(cause.atMs)}`;
  return [
    isoTime(atMs) ?? "",
    target,
    outcome === "applied" ? what : `${what} (unconfirmed)`,
    name ?? entityId ?? "",
    what === "removeFromGroup" ? (group ?? "") : "",
    approval === null ? because : `${because}; let pass by ${approval.actor}, ${isoTime(approval.atMs)}`,
  ];
}

/** Columns; a control character in a name must not reach the terminal. */
const readable = (lines: readonly (readonly string[])[]): string =>
  table(
    lines.map((line) => line.map((cell) => cell.replaceAll(/\p{Cc}/gu, "\ufffd"))),
    "",
  );
