import type { Request, Response } from "express";
import { z } from "zod";
import type { ActivityPage, ActivityQuery, ConsoleStore } from "../../../domain/ports/console-store.ts";
import { writeThrough } from "../../http/write-through.ts";
import { activityList, activityRow } from "../components/activity-rows.ts";
import { choiceField } from "../components/filters.ts";
import { flag, html, type Markup } from "../components/html.ts";
import { icon } from "../components/icons.ts";
import type { ConsoleStatus } from "../parts.ts";

const text = z.string().max(200).catch("");
const shape = z.object({
  target: text,
  kind: z.enum(["", "directory", "calls", "decisions", "dismissals", "sign-ins"]).catch(""),
  actor: text,
  failed: z.enum(["", "1"]).catch(""),
  before: z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER).nullable().catch(null),
});
/** What the log is narrowed down to. */
export type ActivityFilter = Readonly<z.output<typeof shape>>;

export const parseActivityFilter = (query: unknown): ActivityFilter => shape.parse(query);

/** Where each kind of row can be told: by who did it, or by what it is called. */
const kinds: Readonly<Record<Exclude<ActivityFilter["kind"], "">, Partial<ActivityQuery>>> = {
  directory: { actor: "scim:" },
  calls: { actor: "reconcile" },
  decisions: { action: "approve" },
  dismissals: { action: "dismiss" },
  "sign-ins": { action: "console" },
};
const kindChoices = [
  { value: "directory", label: "From the directory (SCIM)" },
  { value: "calls", label: "Calls to targets" },
  { value: "decisions", label: "Approvals" },
  { value: "dismissals", label: "Dismissals" },
  { value: "sign-ins", label: "Sign-ins" },
];

/** The question to the store. */
export const activityQuery = (filter: ActivityFilter, limit: number): ActivityQuery => ({
  entityId: null,
  target: filter.target === "" ? null : filter.target,
  action: null,
  actor: filter.actor === "" ? null : filter.actor,
  sinceMs: null,
  untilMs: null,
  isFailureOnly: filter.failed !== "",
  beforeSeq: filter.before,
  limit,
  ...(filter.kind !== "" && kinds[filter.kind]),
});

function queryString(filter: ActivityFilter, change: Partial<Record<keyof ActivityFilter, string>> = {}): string {
  const entries = Object.entries({ ...filter, before: "", ...change }).filter(
    ([, value]) => value !== "" && value !== null,
  );
  const query = new URLSearchParams(Object.fromEntries(entries.map(([key, value]) => [key, String(value)]))).toString();
  return query === "" ? "" : `?${query}`;
}

export interface ActivityData {
  readonly page: ActivityPage;
  readonly filter: ActivityFilter;
  readonly status: ConsoleStatus;
}

/** The log, newest first; on its first page new rows come in by themselves. */
export function activityBody({ page, filter, status }: ActivityData): Markup {
  const newest = page.rows[0]?.seq ?? 0;
  return html`<form class="filters" method="get" action="/activity" data-instant>
  ${choiceField("kind", "What", "Everything", kindChoices, filter.kind)}
  ${choiceField(
    "target",
    "Target",
    "Every target",
    status.targets.map(({ name }) => ({ value: name, label: name })),
    filter.target,
  )}
  <div class="tick"><label for="failed"><input id="failed" name="failed" type="checkbox" value="1"${flag("checked", filter.failed !== "")}> Failures only</label></div>
  <button type="submit" class="secondary">Apply</button>
</form>
${
  filter.before === null &&
  html`<div class="live" data-stream="/activity/stream${queryString(filter)}" data-after="${newest}" hidden><p role="status" data-said>Live: new rows appear by themselves.</p><button type="button" class="secondary" aria-pressed="false" data-pause>Pause</button></div>`
}
${
  page.rows.length === 0
    ? html`<p class="empty" id="log-empty">Nothing fits. ${filter.failed !== "" && "No call has failed."}</p><ol class="log" reversed id="log" hidden></ol>`
    : html`<div id="log-frame">${activityList(page.rows)}</div>`
}
<nav class="pager" aria-label="Older activity"><p>${filter.before !== null && html`<a href="/activity${queryString(filter)}">Newest</a>`}</p><div>${page.nextBeforeSeq !== null && html`<a class="button secondary" rel="next" href="/activity${queryString(filter, { before: String(page.nextBeforeSeq) })}">Older</a>`}</div></nav>`;
}

/** Beside the heading: the trail as a file. */
export const exportLinks: Markup = html`<a class="button secondary" href="/activity/lost-access">Lost access</a><a class="button secondary" href="/activity/export.csv" download>${icon("download")}Audit trail, CSV</a><a class="button secondary" href="/activity/export.jsonl" download>${icon("download")}JSON lines</a>`;

export interface StreamParts {
  readonly reader: ConsoleStore;
  readonly query: ActivityQuery;
  /** Ends when the server stops. */
  readonly stopping: AbortSignal;
  /** Asked at each look: a stream must not outlive the session that opened it. */
  readonly isStillIn: () => boolean;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

const lookEveryMs = 1000;
/** Often enough for every proxy to keep the connection. */
const beatEvery = 15;

/** New rows as server-sent events, each with the markup of the list; `Last-Event-ID` goes on where a connection broke. */
export async function streamActivity(request: Request, response: Response, parts: StreamParts): Promise<void> {
  const { reader, query, stopping, isStillIn, sleep } = parts;
  const closed = new AbortController();
  response.on("close", () => closed.abort());
  const signal = AbortSignal.any([closed.signal, stopping]);
  response.set({ "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no" });
  response.flushHeaders();
  response.write("retry: 3000\n\n");
  const asked = Number(request.get("last-event-id") ?? request.query["after"]);
  let afterSeq = Number.isSafeInteger(asked) && asked >= 0 ? asked : await reader.newestSeq();
  for (let round = 1; !signal.aborted && isStillIn(); round += 1) {
    const { rows, lookedAtSeq } = await reader.activityAfter(query, afterSeq);
    afterSeq = lookedAtSeq;
    const text = rows.map((row) => `id: ${row.seq}\ndata: ${JSON.stringify(activityRow(row).toString())}\n\n`).join("");
    if (text !== "" && !(await writeThrough(response, text))) break;
    if (round % beatEvery === 0 && !(await writeThrough(response, ": still here\n\n"))) break;
    await sleep(lookEveryMs, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
  response.end();
}
