import { locateConfigAlone } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { messageOf } from "../../domain/model/errors.ts";
import type { Cli } from "../command.ts";
import { printJson } from "../output/print.ts";

const help = `
Examples:
  rollcall health -c rollcall.yaml
  rollcall health --ready -c rollcall.yaml

For the health check of a container: the port comes from the configuration.
Exit code: 0 healthy, 1 not.`;

export const addHealth = (cli: Cli): void =>
  void cli
    .add({ name: "health", summary: "is the process that serves this configuration healthy?", help, run: health })
    .option("--ready", "ask whether it can take writes: /readyz instead of /healthz");

interface HealthOptions {
  readonly ready?: boolean;
}

const answerWithinMs = 4_000;
const portUnknown = { ok: false, text: "the port is not known: server.listen has port 0, which means any free port" };

/** Asks the running process, at the port of its configuration. */
async function health(context: Context, options: HealthOptions & GlobalOptions): Promise<number> {
  const { host, port } = locateConfigAlone(context, options).server.listen;
  const url = `http://${reachable(host)}:${port}/${options.ready === true ? "readyz" : "healthz"}`;
  const { ok, text } = port === 0 ? portUnknown : await ask(url);
  if (options.json) printJson(context.terminal, { url, ok, answer: text });
  else if (ok) context.terminal.out("ok");
  else context.terminal.note(`rollcall: ${url} is not healthy: ${text}`);
  return ok ? 0 : 1;
}

async function ask(url: string): Promise<{ readonly ok: boolean; readonly text: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(answerWithinMs) });
    const text = (await response.text()).trim().slice(0, 500);
    return { ok: response.ok, text: response.ok ? text : `${response.status} ${text}` };
  } catch (error) {
    const cause = error instanceof Error ? error.cause : null;
    return { ok: false, text: `${messageOf(cause instanceof Error ? cause : error)}; is "rollcall serve" running?` };
  }
}

/** Replaces "every address" by loopback: nobody can connect to "every address". */
function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
