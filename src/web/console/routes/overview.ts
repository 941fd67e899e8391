import { activityQuery } from "../../../app/queries.ts";
import type { ConsoleParts } from "../../parts.ts";
import { overviewBody } from "../pages/overview.ts";
import type { Pages } from "../pages.ts";

const dayMs = 86_400_000;
const recentRows = 8;

/** The overview: attention lines, targets and sources, and the newest activity. */
export function overviewRoutes(pages: Pages, { reader, scim, status, vendorUrl, now }: ConsoleParts): void {
  pages.get("/", "viewer", async () => {
    const report = await status();
    const targets = report.targets.map(({ name }) => name);
    const nowMs = now();
    const [attention, hours, { rows: recent }, tokens] = await Promise.all([
      reader.attention(targets, nowMs),
      reader.hourly(targets, nowMs - dayMs),
      reader.activity(activityQuery({ limit: recentRows })),
      scim.list(),
    ]);
    return {
      title: "Overview",
      section: "overview",
      body: overviewBody({ status: report, attention, hours, recent, tokens, vendorUrl, nowMs }),
    };
  });
}
