import { type FileFormat, lossesFile, sendFile, trailFile } from "../../api/export.ts";
import { activityBody, activityQuery, exportLinks, parseActivityFilter, streamActivity } from "../pages/activity.ts";
import { lossExports, lossesBody, lossQuery, parseLossFilter } from "../pages/lost-access.ts";
import type { Asked, Pages } from "../pages.ts";
import type { ConsoleParts } from "../parts.ts";

const rowsPerPage = 50;
/** Each open page of the log asks the store once a second. */
const streamsLimit = 50;
/** Each export reads the whole trail. */
const exportsLimit = 4;

/** The log, live, and the trail as a file. */
export function activityRoutes(pages: Pages, parts: ConsoleParts): void {
  const { reader, trail, status, stopping, sleep } = parts;
  let streams = 0;
  let exports = 0;

  pages.get("/activity", "viewer", async ({ request }) => {
    const filter = parseActivityFilter(request.query);
    const page = await reader.activity(activityQuery(filter, rowsPerPage));
    return {
      title: "Activity",
      section: "activity",
      lead: "Everything that was asked for and done, newest first. Times are UTC.",
      actions: exportLinks,
      body: activityBody({ page, filter, status: await status() }),
    };
  });

  pages.get("/activity/stream", "viewer", async ({ request, response, visitor }) => {
    if (streams >= streamsLimit) {
      response.status(503).set("Retry-After", "30").end();
      return "answered";
    }
    streams += 1;
    try {
      await streamActivity(request, response, {
        reader,
        query: { ...activityQuery(parseActivityFilter(request.query), 500), beforeSeq: null },
        stopping,
        isStillIn: visitor.isStillIn,
        sleep,
      });
    } finally {
      streams -= 1;
    }
    return "answered";
  });

  pages.get("/activity/lost-access", "viewer", async ({ request }) => {
    const filter = parseLossFilter(request.query);
    return {
      title: "Lost access",
      section: "activity",
      trail: [{ href: "/activity", label: "Activity" }],
      lead: "Who lost access to what, when, why and on whose word, newest first. Times are UTC.",
      actions: lossExports(filter),
      body: lossesBody({
        page: await trail.newestLosses(lossQuery(filter), filter.before, rowsPerPage),
        filter,
        status: await status(),
      }),
    };
  });

  pages.get("/activity/lost-access/export.:format", "viewer", (asked) =>
    exporting(asked, (format) =>
      sendFile(asked.response, lossesFile, trail.lostAccess(lossQuery(parseLossFilter(asked.request.query))), format),
    ),
  );

  pages.get("/activity/export.:format", "viewer", (asked) => {
    const whole = { sinceMs: null, untilMs: null, person: null, target: null, action: null };
    return exporting(asked, (format) => sendFile(asked.response, trailFile, trail.auditRows(whole), format));
  });

  /** Each walks over the whole trail. */
  async function exporting(asked: Asked, send: (format: FileFormat) => Promise<void>): Promise<"answered" | null> {
    const format = asked.param("format");
    if (format !== "csv" && format !== "jsonl") return null;
    if (exports >= exportsLimit) {
      asked.response.status(503).set("Retry-After", "30").type("text/plain");
      asked.response.send(`${exports} exports are under way: try again in a minute\n`);
      return "answered";
    }
    exports += 1;
    try {
      await send(format);
    } finally {
      exports -= 1;
    }
    return "answered";
  }
}
