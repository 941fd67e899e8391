import { stringify } from "csv-stringify/sync";
import type { Response } from "express";
import type { HeldItem } from "../../../domain/model/held-change.ts";
import type { Change, Plan } from "../../../domain/model/plan.ts";
import { consequenceOf, detailOf, heldSubject, subjectOf } from "../../../text/changes-for-people.ts";

/** `escape_formulas`: a spreadsheet must not run what somebody called themselves. */
const csv = (rows: readonly (readonly unknown[])[]): string => stringify([...rows], { escape_formulas: true });

/** Sends a file to keep. `name` is ours: letters, digits, dots and dashes. */
function sendFile(response: Response, name: string, type: string, body: string): void {
  response.set({ "Content-Type": type, "Content-Disposition": `attachment; filename="${name}"` }).send(body);
}

const csvType = "text/csv; charset=utf-8";

/** The held removals of a target. */
export function sendHeld(response: Response, target: string, held: readonly HeldItem[], format: "csv" | "json"): void {
  if (format === "json") {
    const items = held.map(({ key, change, reason, sinceMs, dismissedAtMs, dismissedBy }) => ({
      key,
      ...change,
      reason,
      since: isoOf(sinceMs),
      dismissedAt: dismissedAtMs === null ? null : isoOf(dismissedAtMs),
      dismissedBy,
    }));
    return void sendFile(
      response,
      `held-${target}.json`,
      "application/json",
      JSON.stringify({ target, held: items }, null, 2),
    );
  }
  const rows = held.map((item) => [
    heldSubject(item),
    item.change.op,
    consequenceOf(item, target),
    isoOf(item.sinceMs),
    item.dismissedAtMs === null ? "" : isoOf(item.dismissedAtMs),
    item.dismissedBy ?? "",
  ]);
  const columns = ["who", "change", "what would happen", "held since", "dismissed at", "dismissed by"];
  sendFile(response, `held-${target}.csv`, csvType, csv([columns, ...rows]));
}

/** What `rollcall plan --json` prints for a target, or the same as rows. */
export function sendPlan(response: Response, target: string, plan: Plan, format: "csv" | "json"): void {
  const { changes, held, skipped, ...digests } = plan;
  if (format === "json") {
    const body = {
      name: target,
      changes,
      held: held.map(({ change, reason, isDismissed }) => ({ ...change, reason, dismissed: isDismissed })),
      skipped,
      ...digests,
    };
    return void sendFile(response, `plan-${target}.json`, "application/json", JSON.stringify(body, null, 2));
  }
  const row = (state: string, change: Change, reason: string) => [
    state,
    change.op,
    subjectOf(change),
    detailOf(change),
    reason,
  ];
  sendFile(
    response,
    `plan-${target}.csv`,
    csvType,
    csv([
      ["state", "change", "who or what", "detail", "reason"],
      ...changes.map((change) => row("would be done", change, "")),
      ...held.map(({ change, reason, isDismissed }) => row("held", change, isDismissed ? "dismissed" : reason)),
      ...skipped.map(({ change, reason }) => row("skipped", change, reason)),
    ]),
  );
}

const isoOf = (ms: number): string => new Date(ms).toISOString();
