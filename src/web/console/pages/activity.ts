import { z } from "zod";
import { activityQuery } from "../../../app/queries.ts";
import type { StatusReport } from "../../../app/status.ts";
import type { ActivityPage, ActivityQuery } from "../../../domain/ports/console-store.ts";
import { activityList } from "../components/activity-rows.ts";
import { beforeSeq, choiceField, hrefOf, logPager, targetField } from "../components/filters.ts";
import { flag, html, type Markup } from "../components/html.ts";
import { icon } from "../components/icons.ts";

const text = z.string().max(200).catch("");
const shape = z.object({
  target: text,
  kind: z.enum(["", "directory", "calls", "decisions", "dismissals", "sign-ins"]).catch(""),
  actor: text,
  failed: z.enum(["", "1"]).catch(""),
  before: beforeSeq,
});
/** The filter of the log. A value in the address that is not valid counts as missing. */
export type ActivityFilter = Readonly<z.output<typeof shape>>;

export const parseActivityFilter = (query: unknown): ActivityFilter => shape.parse(query);

/** Each kind of row, and the beginning of the actor or of the action that its rows have. */
const kinds: Readonly<
  Record<
    Exclude<ActivityFilter["kind"], "">,
    { readonly label: string; readonly query: Partial<Pick<ActivityQuery, "actor" | "action">> }
  >
> = {
  directory: { label: "From SCIM sources", query: { actor: "scim:" } },
  calls: { label: "Calls to targets", query: { actor: "reconcile" } },
  decisions: { label: "Approvals", query: { action: "approve" } },
  dismissals: { label: "Dismissals", query: { action: "dismiss" } },
  "sign-ins": { label: "Sign-ins", query: { action: "console" } },
};

/** The question to the store. */
export const logQuery = ({ target, actor, failed, before, kind }: ActivityFilter, limit: number): ActivityQuery =>
  activityQuery({
    target,
    actor,
    isFailureOnly: failed !== "",
    beforeSeq: before,
    limit,
    ...(kind !== "" && kinds[kind].query),
  });

export interface ActivityData {
  readonly page: ActivityPage;
  readonly filter: ActivityFilter;
  readonly status: StatusReport;
}

/** The log, newest first. On its first page new rows appear automatically. */
export function activityBody({ page, filter, status }: ActivityData): Markup {
  const newest = page.rows[0]?.seq ?? 0;
  const stream = hrefOf("/activity/stream", { ...filter, before: null });
  return html`<form class="filters" method="get" action="/activity" data-instant>
  ${choiceField(
    "kind",
    "What",
    "Everything",
    Object.entries(kinds).map(([value, { label }]) => ({ value, label })),
    filter.kind,
  )}
  ${targetField(status.targets, filter.target)}
  <div class="tick"><label for="failed"><input id="failed" name="failed" type="checkbox" value="1"${flag("checked", filter.failed !== "")}> Failures only</label></div>
  <button type="submit" class="secondary">Apply</button>
</form>
${
  filter.before === null &&
  html`<div class="live" data-stream="${stream}" data-after="${newest}" hidden><p role="status" data-said>Live: new rows appear automatically.</p><button type="button" class="secondary" aria-pressed="false" data-pause>Pause</button></div>`
}
${
  page.rows.length === 0
    ? html`<p class="empty" id="log-empty">No rows match. ${filter.failed !== "" && "No call has failed."}</p><ol class="log" reversed id="log" hidden></ol>`
    : html`<div id="log-frame">${activityList(page.rows)}</div>`
}
${logPager("/activity", filter, page.nextBeforeSeq, "Older activity")}`;
}

/** Beside the heading: the audit trail as a file. */
export const exportLinks: Markup = html`<a class="button secondary" href="/activity/lost-access">Lost access</a><a class="button secondary" href="/activity/export.csv" download>${icon("download")}Audit trail, CSV</a><a class="button secondary" href="/activity/export.jsonl" download>${icon("download")}JSON lines</a>`;
