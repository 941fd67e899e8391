import { type FileFormat, lossesFile, trailFile } from "../../../app/audit-files.ts";
import { auditFilter } from "../../../app/queries.ts";
import type { AuditRow } from "../../../domain/model/audit.ts";
import { streamActivity } from "../../http/activity-stream.ts";
import { sendFile } from "../../http/send-file.ts";
import { createSlots } from "../../http/slots.ts";
import type { ConsoleParts } from "../../parts.ts";
import { activityRow } from "../components/activity-rows.ts";
import { activityBody, exportLinks, logQuery, parseActivityFilter } from "../pages/activity.ts";
import { lossExports, lossesBody, lossQuery, parseLossFilter } from "../pages/lost-access.ts";
import type { Asked, Pages } from "../pages.ts";

const rowsPerPage = 50;
/** Each open page of the log reads the store once a second. */
const maxStreams = 50;
/** Each export reads the whole trail. */
const maxExports = 4;

/** The activity log with its live stream, lost access, and both as files. */
export function activityRoutes(pages: Pages, parts: ConsoleParts): void {
  const { reader, trail, status } = parts;
  const streams = createSlots(maxStreams);
  const exports = createSlots(maxExports);

  pages.get("/activity", "viewer", async ({ request }) => {
    const filter = parseActivityFilter(request.query);
    const page = await reader.activity(logQuery(filter, rowsPerPage));
    return {
      title: "Activity",
      section: "activity",
      lead: "Everything that was requested and done, newest first. Times are in UTC.",
      actions: exportLinks,
      body: activityBody({ page, filter, status: await status() }),
    };
  });

  pages.get("/activity/stream", "viewer", async ({ request, response, visitor }) => {
    const query = { ...logQuery(parseActivityFilter(request.query), rowsPerPage), beforeSeq: null };
    const eventOf = (row: AuditRow): string => `data: ${JSON.stringify(activityRow(row).toString())}`;
    const stream = { ...parts, isStillIn: visitor.isStillIn, eventOf };
    const isServed = await streams.run(() => streamActivity(stream, query, request, response));
    if (!isServed) response.status(503).set("Retry-After", "30").end();
    return "answered";
  });

  pages.get("/activity/lost-access", "viewer", async ({ request }) => {
    const filter = parseLossFilter(request.query);
    const page = await trail.newestLosses(lossQuery(filter), filter.before, rowsPerPage);
    return {
      title: "Lost access",
      section: "activity",
      trail: [{ href: "/activity", label: "Activity" }],
      lead: "All lost access with its cause and who requested it, newest first. Times are in UTC.",
      actions: lossExports(filter),
      body: lossesBody({ page, filter, status: await status() }),
    };
  });

  pages.get("/activity/lost-access/export.:format", "viewer", (asked) =>
    exporting(asked, (format) =>
      sendFile(asked.response, lossesFile, trail.lostAccess(lossQuery(parseLossFilter(asked.request.query))), format),
    ),
  );

  pages.get("/activity/export.:format", "viewer", (asked) =>
    exporting(asked, (format) => sendFile(asked.response, trailFile, trail.auditRows(auditFilter()), format)),
  );

  async function exporting(
    { param, response }: Asked,
    send: (format: FileFormat) => Promise<void>,
  ): Promise<"answered" | null> {
    const format = param("format");
    if (format !== "csv" && format !== "jsonl") return null;
    if (!(await exports.run(() => send(format)))) {
      response.status(503).set("Retry-After", "30").type("text/plain");
      response.send(`${maxExports} exports are running, the maximum: try again in a minute\n`);
    }
    return "answered";
  }
}
