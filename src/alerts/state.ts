import { z } from "zod";
import { alertKinds, alertSeverities } from "../domain/model/alert.ts";
import type { Incident } from "./incidents.ts";
import { emptyOutbox, type Outbox } from "./outbox.ts";

/** Everything that has to survive a restart. */
export interface AlertState {
  readonly incidents: readonly Incident[];
  readonly outbox: Outbox;
}

export const emptyState: AlertState = { incidents: [], outbox: emptyOutbox };

/** Version of the stored form. */
const version = 2;
const kind = z.enum(alertKinds);
const severity = z.enum(alertSeverities);
const ms = z.number();

const stored = z.object({
  version: z.literal(version),
  incidents: z.array(
    z.object({
      key: z.string(),
      kind,
      severity,
      subject: z.string().nullable(),
      title: z.string(),
      sinceMs: ms,
      goneSinceMs: ms.nullable(),
      told: z.record(z.string(), z.object({ atMs: ms, severity, size: z.number() })),
    }),
  ),
  outbox: z.object({
    waiting: z.array(
      z.object({
        channel: z.string(),
        key: z.string(),
        message: z.object({
          id: z.string(),
          event: z.enum(["alert", "reminder", "recovery", "test"]),
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

/** Returns the text that `AlertStore` keeps. */
export const printState = (state: AlertState): string => JSON.stringify({ version, ...state });

/** Returns null for a text of another release. Then every incident that lasts is told once more. */
export function parseState(text: string): AlertState | null {
  try {
    return stored.parse(JSON.parse(text));
  } catch {
    // The text is not JSON, or has another form.
    return null;
  }
}
