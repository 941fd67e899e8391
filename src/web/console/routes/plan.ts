import type { TargetStatus } from "../../../app/status.ts";
import { namedBy } from "../../../domain/model/held-change.ts";
import { heldNoun } from "../../../text/changes.ts";
import { count } from "../../../text/numbers.ts";
import type { ConsoleParts } from "../../parts.ts";
import { planBody } from "../pages/plan.ts";
import { type Asked, causeOf, type Done, done, type Pages } from "../pages.ts";
import { sendHeld, sendPlan } from "./downloads.ts";

const hasChanged = "The held changes are different from those on the page that you saw.";

/** Plans, held changes, and the decisions about them. */
export function planRoutes(pages: Pages, { decisions, plans, status, now }: ConsoleParts): void {
  const targetOf = async ({ param }: Asked): Promise<TargetStatus | null> =>
    (await status()).targets.find(({ name }) => name === param("target")) ?? null;
  const back = ({ name }: TargetStatus, kind: Done["notice"]["kind"], text: string): Done =>
    done(`/plan#${name}`, kind, text);

  pages.get("/plan", "viewer", async ({ visitor }) => {
    const { targets } = await status();
    const all = targets.map(async (target) => ({
      target,
      held: await decisions.held(target.name),
      planned: plans.find(target.name),
    }));
    return {
      title: "Plan",
      section: "plan",
      lead: "The changes that a sync would make now, and the changes that are held for a decision.",
      body: planBody({ plans: await Promise.all(all), visitor, nowMs: now() }),
    };
  });

  // Reading a whole target uses up the vendor's rate limit: a viewer sees the plans that others have made.
  pages.post("/plan/:target/work-out", "operator", async (asked): Promise<Done | null> => {
    const target = await targetOf(asked);
    if (target === null) return null;
    const coming = plans.start(target.name);
    if (coming === null) return back(target, "bad", "Too many plans are being made: try again in a minute.");
    // The page shows the error of a plan that failed.
    coming.catch(() => undefined);
    return back(target, "info", `${target.name} is being read. The plan appears below.`);
  });

  pages.post("/plan/:target/approve", "operator", async (asked, form): Promise<Done | null> => {
    const target = await targetOf(asked);
    if (target === null) return null;
    const digest = form["digest"] ?? "";
    const items = namedBy((await decisions.held(target.name)).items, digest);
    const stale = back(target, "bad", `${hasChanged} Nothing is approved: check the new list.`);
    if (items.length === 0) return stale;
    const typed = (form["confirm"] ?? "").trim();
    if (typed !== String(items.length) && typed !== target.name)
      return back(target, "bad", `Nothing is approved: type ${items.length} or ${target.name} to confirm.`);
    const approved = await decisions.approve(target.name, digest, causeOf(asked.visitor));
    if (approved === 0) return stale;
    const be = approved === 1 ? "is" : "are";
    return back(target, "good", `${count(approved, heldNoun(items))} may pass once, and ${be} being done now.`);
  });

  pages.post("/plan/:target/dismiss", "operator", async (asked, form): Promise<Done | null> => {
    const target = await targetOf(asked);
    if (target === null) return null;
    const dismissed = await decisions.dismiss(target.name, form["digest"] ?? "", causeOf(asked.visitor));
    if (dismissed === 0) return back(target, "bad", `${hasChanged} Nothing is dismissed: check the new list.`);
    return back(
      target,
      "info",
      `Dismissed in ${target.name}: ${count(dismissed, "change stays", "changes stay")} held, whatever the limit allows. Fix the source, or approve here later.`,
    );
  });

  pages.get("/plan/:target/held.:format", "viewer", async (asked) => {
    const [target, format] = [await targetOf(asked), asked.param("format")];
    if (target === null || (format !== "csv" && format !== "json")) return null;
    sendHeld(asked.response, target, (await decisions.held(target.name)).items, format);
    return "answered";
  });

  pages.get("/plan/:target/plan.:format", "viewer", async (asked) => {
    const [target, format] = [await targetOf(asked), asked.param("format")];
    const planned = target === null ? null : plans.find(target.name);
    if (target === null || planned?.status !== "done" || (format !== "csv" && format !== "json")) return null;
    sendPlan(asked.response, target.name, planned.plan, format);
    return "answered";
  });
}
