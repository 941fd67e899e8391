import type { AlertMessage } from "./outbox.ts";

/** What surrounds every message. */
export interface Letterhead {
  /** Where the console is; null without one. */
  readonly consoleUrl: string | null;
  /** Name of this installation, for those who have several; null for none. */
  readonly installation: string | null;
}

const words = {
  alert: { warning: "Warning", critical: "CRITICAL" },
  reminder: { warning: "Still", critical: "STILL" },
  recovery: { warning: "Over", critical: "Over" },
  summary: { warning: "Summary", critical: "Summary" },
  test: { warning: "Test", critical: "Test" },
} as const;

/** One line: `CRITICAL: target acme has been failing for 20 min`. */
export const headline = ({ event, severity, title }: AlertMessage): string => `${words[event][severity]}: ${title}`;

/** `Rollcall`, or with the name of the installation. */
export const sender = ({ installation }: Letterhead): string =>
  installation === null ? "Rollcall" : `Rollcall ${installation}`;

/** When it began, and where to look. */
export function footer({ event, sinceMs }: AlertMessage, { consoleUrl }: Letterhead): string {
  const since = event === "test" ? [] : [`since ${new Date(sinceMs).toISOString()}`];
  return [...since, ...(consoleUrl === null ? [] : [consoleUrl])].join(" · ");
}
