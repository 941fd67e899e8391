import type { Response } from "express";
import { type Cell, csvText } from "../../../app/audit-files.ts";
import type { TargetStatus } from "../../../app/status.ts";
import type { HeldItem } from "../../../domain/model/held-change.ts";
import type { Change, Plan } from "../../../domain/model/plan.ts";
import { wordsOf } from "../../../targets/registry.ts";
import { consequenceOf, detailOf, heldJson, heldSubject, planJson, subjectOf } from "../../../text/changes.ts";
import { isoTime } from "../../../text/times.ts";
import { sendText } from "../../http/send-file.ts";

type Format = "csv" | "json";

const send = (response: Response, name: string, format: Format, document: object, rows: readonly (readonly Cell[])[]) =>
  sendText(response, name, format, format === "csv" ? csvText(rows) : JSON.stringify(document, null, 2));

/** Sends the held changes of a target as a download. */
export function sendHeld(
  response: Response,
  target: Pick<TargetStatus, "name" | "type">,
  held: readonly HeldItem[],
  format: Format,
): void {
  const document = held.map((item) => ({ key: item.key, ...heldJson(item) }));
  send(response, `held-${target.name}`, format, { target: target.name, held: document }, [
    ["who", "change", "what would happen", "held since", "dismissed at", "dismissed by"],
    ...held.map((item) => [
      heldSubject(item),
      item.change.op,
      consequenceOf(item, wordsOf(target.type)),
      isoTime(item.sinceMs),
      isoTime(item.dismissedAtMs),
      item.dismissedBy,
    ]),
  ]);
}

/** Sends the plan of a target as a download; as JSON, what `rollcall plan --json` prints for it. */
export function sendPlan(response: Response, target: string, plan: Plan, format: Format): void {
  const row = (state: string, change: Change, reason: string) => [
    state,
    change.op,
    subjectOf(change),
    detailOf(change),
    reason,
  ];
  send(response, `plan-${target}`, format, planJson(target, plan), [
    ["state", "change", "who or what", "detail", "reason"],
    ...plan.changes.map((change) => row("would be done", change, "")),
    ...plan.held.map(({ change, reason, isDismissed }) => row("held", change, isDismissed ? "dismissed" : reason)),
    ...plan.skipped.map(({ change, reason }) => row("skipped", change, reason)),
  ]);
}
