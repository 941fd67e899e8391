import { noAlertChannel, testAlertChannel } from "../../app/alerts.ts";
import { locateConfig } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import type { Cli } from "../command.ts";
import { printJson, table } from "../output/print.ts";

const help = `
Examples:
  rollcall alerts test
  rollcall alerts test ops-mail -c rollcall.yaml

Exit code: 0 when every message was accepted, 1 otherwise.`;

export function addAlerts(cli: Cli): void {
  const alerts = cli.group("alerts", "messages to people when something needs them", help);
  cli.add(
    { name: "test [channel]", summary: "send a message to each channel, or to the one named", help, run: testAlerts },
    alerts,
  );
}

async function testAlerts(context: Context, options: GlobalOptions, name = ""): Promise<number> {
  const all = context.alertChannels(await locateConfig(context, options));
  const channels = all.filter((channel) => name === "" || channel.name === name);
  if (channels.length === 0) throw noAlertChannel(all, name);
  const results = await Promise.all(channels.map((channel) => testAlertChannel(channel, context.now)));
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
