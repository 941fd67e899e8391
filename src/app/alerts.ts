import { randomUUID } from "node:crypto";
import { type AlertChannel, SendError } from "../alerts/channel.ts";
import type { AlertLimits } from "../alerts/conditions.ts";
import { createFactsReader } from "../alerts/facts.ts";
import type { AlertMessage } from "../alerts/incidents.ts";
import { type Alerts, createAlerts } from "../alerts/service.ts";
import { type Config, ldapSources } from "../config/index.ts";
import { RollcallError } from "../domain/model/errors.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import type { Logger, Metrics } from "../telemetry/index.ts";
import type { Context } from "./context.ts";

const testWithinMs = 20_000;

/**
 * Opens the alerts of the configuration. Without a section `alerts` they do nothing. `isSettled`: true if this process
 * changes nothing more, so that alerts need not wait.
 */
export function openAlerts(
  context: Context,
  configNow: () => Config,
  store: DirectoryStore,
  logger: Logger,
  { metrics = null, isSettled = false }: { readonly metrics?: Metrics | null; readonly isSettled?: boolean } = {},
): Alerts {
  const { now, sleep } = context;
  const config = configNow();
  const channels = context.alertChannels(config);
  return createAlerts({
    channels,
    limits: limitsOf(config, isSettled),
    recoverAfterMs: config.alerts?.recoverAfterMs ?? 0,
    facts: createFactsReader({
      store,
      polledSources: ldapSources(config).map(({ name }) => name),
      targets: () => configNow().targets,
      now,
      steadyNow: () => performance.now(),
    }),
    store,
    now,
    sleep,
    newId: randomUUID,
    log: (level, message, fields) => logger[level](message, fields),
    counted: (channel, kind, outcome) => metrics?.alert({ channel, kind, outcome }),
  });
}

/** No delay is longer than `failingFor`: a short `failingFor` asks for early alerts. */
function limitsOf({ alerts }: Config, isSettled: boolean): AlertLimits {
  const failingForMs = alerts?.failingForMs ?? 0;
  return isSettled
    ? { failingForMs, briefMs: 0, gatherMs: 0 }
    : { failingForMs, briefMs: Math.min(failingForMs, 60_000), gatherMs: Math.min(failingForMs, 30_000) };
}

/** The public URL of the console, or null if the configuration has none. */
export const consoleUrlOf = ({ admin }: Config): string | null => admin?.publicUrl ?? null;

/** The error for a channel that does not exist. `name` empty: no channel is configured at all. */
export function noAlertChannel(all: readonly AlertChannel[], name: string): RollcallError {
  if (name === "")
    return new RollcallError("CONFIG_INVALID", "the configuration has no alerts: add a channel under alerts.channels");
  const known = all.map((channel) => channel.name).join(", ") || "none";
  return new RollcallError("CONFIG_INVALID", `no alert channel "${name}" in the configuration; there is: ${known}`);
}

/** Sends a test message. Returns the answer, or why it failed. */
export async function testAlertChannel(channel: AlertChannel, now: () => number) {
  const { name, type } = channel;
  const atMs = now();
  const message: AlertMessage = {
    id: randomUUID(),
    event: "test",
    kind: null,
    severity: "warning",
    subject: null,
    title: `this is a test of the alert channel ${name}`,
    text: 'Sent by "rollcall alerts test". Nothing is wrong.',
    facts: {},
    sinceMs: atMs,
    atMs,
  };
  try {
    const said = await channel.send(message, AbortSignal.timeout(testWithinMs));
    return { name, type, ok: true, message: `sent in ${((now() - atMs) / 1000).toFixed(1)} s; the answer: ${said}` };
  } catch (error) {
    // Any other error is a defect of Rollcall, and ends the command with its stack.
    if (!(error instanceof SendError)) throw error;
    return { name, type, ok: false, message: error.message };
  }
}
