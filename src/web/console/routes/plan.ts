import { namedBy } from "../../../domain/model/held-change.ts";
import { planBody } from "../pages/plan.ts";
import type { Asked, Done, Pages } from "../pages.ts";
import type { ConsoleParts, TargetStatus } from "../parts.ts";
import { createPlanDesk } from "../plan-desk.ts";
import { count } from "../words.ts";
import { sendHeld, sendPlan } from "./downloads.ts";

/** What would happen, what is held, and the decision about it. */
export function planRoutes(pages: Pages, parts: ConsoleParts): void {
  const { actions, status, now } = parts;
  const desk = createPlanDesk({ plan: actions.plan, now });
  const targetOf = async ({ param }: Asked): Promise<TargetStatus | null> =>
    (await status()).targets.find(({ name }) => name === param("target")) ?? null;

  pages.get("/plan", "viewer", async ({ visitor }) => {
    const { targets } = await status();
    const plans = await Promise.all(
      targets.map(async (target) => {
        return { target, held: await actions.held(target.name), planned: desk.find(target.name) };
      }),
    );
    return {
      title: "Plan",
      section: "plan",
      lead: "What would happen now, and the removals that wait for somebody to look at them.",
      body: planBody({ plans, visitor, nowMs: now() }),
    };
  });

  // Reading a whole target costs calls: a viewer looks at what others have worked out.
  pages.post("/plan/:target/work-out", "operator", async (asked): Promise<Done | null> => {
    const target = await targetOf(asked);
    if (target === null) return null;
    desk.start(target.name);
    return {
      to: `/plan#${target.name}`,
      notice: { kind: "info", text: `${target.name} is being read; the plan appears below.` },
    };
  });

  pages.post("/plan/:target/approve", "operator", async (asked, form): Promise<Done | null> => {
    const target = await targetOf(asked);
    if (target === null) return null;
    const to = `/plan#${target.name}`;
    const digest = form["digest"] ?? "";
    const items = namedBy((await actions.held(target.name)).items, digest);
    if (items.length === 0)
      return {
        to,
        notice: {
          kind: "bad",
          text: "The held removals have changed since that page was made. Nothing is approved: look at the new list.",
        },
      };
    const typed = (form["confirm"] ?? "").trim();
    if (typed !== String(items.length) && typed !== target.name)
      return {
        to,
        notice: { kind: "bad", text: `Nothing is approved: type ${items.length} or ${target.name} to confirm.` },
      };
    const approved = await actions.approve(target.name, digest, { actor: asked.visitor.actor, requestId: null });
    return {
      to,
      notice:
        approved === 0
          ? { kind: "bad", text: "The held removals have changed just now. Nothing is approved: look at the new list." }
          : {
              kind: "good",
              text: `${count(approved, "removal")} may pass once, and ${approved === 1 ? "is" : "are"} being done now.`,
            },
    };
  });

  pages.post("/plan/:target/dismiss", "operator", async (asked, form): Promise<Done | null> => {
    const target = await targetOf(asked);
    if (target === null) return null;
    const cause = { actor: asked.visitor.actor, requestId: null };
    const dismissed = await actions.dismiss(target.name, form["digest"] ?? "", cause);
    if (dismissed === 0)
      return {
        to: `/plan#${target.name}`,
        notice: {
          kind: "bad",
          text: "The held removals have changed since that page was made. Nothing is dismissed: look at the new list.",
        },
      };
    return {
      to: `/plan#${target.name}`,
      notice: {
        kind: "info",
        text: `Left held in ${target.name}: ${count(dismissed, "removal waits", "removals wait")} whatever the budget allows. Mend it in the directory, or come back to approve.`,
      },
    };
  });

  pages.get("/plan/:target/held.:format", "viewer", async (asked) => {
    const [target, format] = [await targetOf(asked), asked.param("format")];
    if (target === null || (format !== "csv" && format !== "json")) return null;
    sendHeld(asked.response, target.name, (await actions.held(target.name)).items, format);
    return "answered";
  });

  pages.get("/plan/:target/plan.:format", "viewer", async (asked) => {
    const [target, format] = [await targetOf(asked), asked.param("format")];
    const planned = target === null ? null : desk.find(target.name);
    if (target === null || planned?.status !== "done" || (format !== "csv" && format !== "json")) return null;
    sendPlan(asked.response, target.name, planned.plan, format);
    return "answered";
  });
}
