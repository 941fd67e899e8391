import { randomUUID } from "node:crypto";
import type { AlertLimits } from "../alerts/conditions.ts";
import { createFactsReader } from "../alerts/facts.ts";
import type { AlertMessage } from "../alerts/outbox.ts";
import { type AlertChannel, type Alerts, createAlerts, SendError } from "../alerts/service.ts";
import { printJson, table } from "../cli/output/print.ts";
import { type Config, ldapSources } from "../config/index.ts";
import { RollcallError } from "../domain/model/errors.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import type { Logger, Metrics } from "../telemetry/index.ts";
import { locateConfig } from "./config-location.ts";
import type { Context, GlobalOptions } from "./context.ts";

const testWithinMs = 20_000;

/**
 * The alerts of the configuration over a store; without a section they do nothing. `isSettled`: nothing more comes in
 * this process, so there is nothing to wait for.
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

/** Never longer than `failingFor`: who makes that short wants to hear soon. */
function limitsOf({ alerts }: Config, isSettled: boolean): AlertLimits {
  const failingForMs = alerts?.failingForMs ?? 0;
  return isSettled
    ? { failingForMs, briefMs: 0, gatherMs: 0 }
    : { failingForMs, briefMs: Math.min(failingForMs, 60_000), gatherMs: Math.min(failingForMs, 30_000) };
}

/** Where the console is reached, when the configuration says so. */
export const consoleUrlOf = ({ admin }: Config): string | null => admin?.publicUrl ?? null;

/** `rollcall alerts test [channel]`: sends one message to each channel, and says what happened. Exit 1 when one failed. */
export async function testAlerts(context: Context, options: GlobalOptions, name?: string): Promise<number> {
  const config = await locateConfig(context, options);
  const all = context.alertChannels(config);
  const channels = all.filter((channel) => name === undefined || channel.name === name);
  if (channels.length === 0) throw noChannel(all, name);
  const results = await Promise.all(channels.map((channel) => tryChannel(context, channel)));
  if (options.json) printJson(context.terminal, { channels: results });
  else
    context.terminal.out(
      table(
        results.map((result) => [result.ok ? "ok" : "ERROR", result.name, result.type, result.message]),
        "",
      ),
    );
  return results.every(({ ok }) => ok) ? 0 : 1;
}

function noChannel(all: readonly AlertChannel[], name: string | undefined): RollcallError {
  if (name === undefined)
    return new RollcallError("CONFIG_INVALID", "the configuration has no alerts: add a channel under alerts.channels");
  const known = all.map((channel) => channel.name).join(", ") || "none";
  return new RollcallError("CONFIG_INVALID", `no alert channel "${name}" in the configuration; there is: ${known}`);
}

async function tryChannel({ now }: Context, channel: AlertChannel) {
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
    // Anything else is a fault of ours, and ends the command with its stack.
    if (!(error instanceof SendError)) throw error;
    return { name, type, ok: false, message: error.message };
  }
}
