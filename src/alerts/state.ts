import { z } from "zod";
import { ALERT_KINDS } from "./conditions.ts";
import type { Incident } from "./incidents.ts";
import { emptyOutbox, type Outbox } from "./outbox.ts";

/** What survives a restart: what goes on, who was told, what is still to be sent. */
export interface AlertState {
  readonly incidents: readonly Incident[];
  readonly outbox: Outbox;
}

export const emptyState: AlertState = { incidents: [], outbox: emptyOutbox };

const kind = z.enum(ALERT_KINDS);
const severity = z.enum(["warning", "critical"]);
const ms = z.number();

const stored = z.object({
  version: z.literal(1),
  incidents: z.array(
    z.object({
      key: z.string(),
      kind,
      severity,
      subject: z.string().nullable(),
      title: z.string(),
      sinceMs: ms,
      goneSinceMs: ms.nullable(),
      overSinceMs: ms.nullable(),
      returns: z.number(),
      told: z.record(z.string(), z.object({ atMs: ms, version: z.string() })),
    }),
  ),
  outbox: z.object({
    waiting: z.array(
      z.object({
        channel: z.string(),
        key: z.string().nullable(),
        message: z.object({
          id: z.string(),
          event: z.enum(["alert", "reminder", "recovery", "summary", "test"]),
          kind: kind.nullable(),
          severity,
          subject: z.string().nullable(),
          title: z.string(),
          text: z.string(),
          facts: z.record(z.string(), z.union([z.string(), z.number()])),
          sinceMs: ms,
          atMs: ms,
        }),
        attempts: z.number(),
        nextAtMs: ms,
      }),
    ),
    sentAtMs: z.record(z.string(), z.array(ms)),
  }),
});

/** As `AlertStore` keeps it. */
export const printState = (state: AlertState): string => JSON.stringify({ version: 1, ...state });

/** Null for a text that another release wrote: then everything that goes on is told once more. */
export function parseState(text: string): AlertState | null {
  try {
    return stored.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
