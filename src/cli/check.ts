import { messageOf } from "../domain/errors.ts";
import type { CheckFinding } from "../domain/target.ts";
import { createLogger, type LogLevel } from "../telemetry.ts";
import type { Composition, GlobalOptions } from "./composition.ts";
import { locateConfig } from "./locate.ts";
import { printJson } from "./render.ts";
import { closeAll, connect } from "./targets.ts";

interface Finding extends CheckFinding {
  readonly name: string;
}

/** `rollcall check`: the configuration, then a token and one read of every target, with what is wrong and how to mend it. */
export async function check(composition: Composition, options: GlobalOptions): Promise<number> {
  const config = locateConfig(composition, options);
  const findings: Finding[] = [{ name: "configuration", level: "ok", message: `${config.sources.length} sources and ${config.targets.length} targets` }];
  try {
    const store = await composition.openStore(config);
    const made = (await store.tokens()).filter((token) => token.revokedAtMs === null);
    findings.push({ name: "store", level: "ok", message: config.store.path });
    for (const source of config.sources) {
      const hasToken = source.tokens.length > 0 || made.some((token) => token.source === source.name);
      findings.push(
        hasToken
          ? { name: source.name, level: "ok", message: "has a token" }
          : { name: source.name, level: "error", message: `has no token: run "rollcall token create --source ${source.name}", or set token in the configuration` },
      );
    }
    const connections = connect(composition, config, config.targets, store, createLogger({ level: options.logLevel as LogLevel }));
    const checked = await Promise.all(connections.map(async ({ target }) => (await target.check(AbortSignal.timeout(60_000))).map((finding) => ({ name: target.name, ...finding }))));
    findings.push(...checked.flat());
    await closeAll(connections);
    await store.close();
  } catch (error) {
    findings.push({ name: "store", level: "error", message: messageOf(error) });
  }
  if (config.targets.length === 0) findings.push({ name: "configuration", level: "warning", message: "has no targets: the directory is kept, and nobody's access follows it" });
  if (options.json) printJson(composition.terminal, { findings });
  else composition.terminal.out(findings.map(({ name, level, message }) => `${mark[level]} ${name}: ${message}`).join("\n"));
  return findings.some((finding) => finding.level === "error") ? 1 : 0;
}

const mark = { ok: "ok     ", warning: "warning", error: "ERROR  " } as const;
