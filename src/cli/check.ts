import { type Config, ldapSources, scimSources } from "../config/index.ts";
import { messageOf } from "../domain/errors.ts";
import { isTokenGood } from "../domain/resources.ts";
import type { DirectoryStore } from "../domain/store.ts";
import type { CheckFinding } from "../domain/target.ts";
import { createLogger, type LogLevel } from "../telemetry.ts";
import type { Composition, GlobalOptions } from "./composition.ts";
import { checkListeners } from "./listeners.ts";
import { locateConfig } from "./locate.ts";
import { count, printJson, table } from "./render.ts";
import { closeAll, connect, withoutName } from "./targets.ts";

interface Finding extends CheckFinding {
  readonly name: string;
}

const checkWithinMs = 60_000;

/** `rollcall check`: the configuration, then a token and one read of every target, with what is wrong and how to mend it. */
export async function check(composition: Composition, options: GlobalOptions): Promise<number> {
  const config = locateConfig(composition, options);
  const found = `${count(config.sources.length, "source")}, ${count(config.targets.length, "target")}`;
  const findings: Finding[] = [{ name: "configuration", level: "ok", message: found }];
  if (config.targets.length === 0)
    findings.push({
      name: "configuration",
      level: "warning",
      message: "has no targets: the directory is kept, and nobody's access follows it",
    });
  findings.push(...checkListeners(config, composition.now()));
  findings.push(...(await checkConnections(composition, config, options)));
  if (options.json) printJson(composition.terminal, { findings });
  else
    composition.terminal.out(
      table(
        findings.map(({ name, level, message }) => [mark[level], name, message]),
        "",
      ),
    );
  return findings.some((finding) => finding.level === "error") ? 1 : 0;
}

const mark = { ok: "ok", warning: "warning", error: "ERROR" } as const;

async function checkConnections(
  composition: Composition,
  config: Config,
  options: GlobalOptions,
): Promise<readonly Finding[]> {
  await using cleanup = new AsyncDisposableStack();
  const findings: Finding[] = [];
  try {
    const store = await composition.openStore(config);
    cleanup.defer(() => store.close());
    findings.push(...(await checkStore(config, store, composition.now())));
    const connections = connect(
      composition,
      config,
      config.targets,
      store,
      createLogger({ level: options.logLevel as LogLevel }),
    );
    cleanup.defer(() => closeAll(connections));
    const checks = connections.map(async ({ target }) =>
      (await target.check(AbortSignal.timeout(checkWithinMs))).map(({ message, ...finding }) => ({
        name: target.name,
        ...finding,
        message: withoutName(target.name, message),
      })),
    );
    const directories = ldapSources(config).map(async (source) =>
      (await composition.checkDirectory(source, AbortSignal.timeout(checkWithinMs))).map((finding) => ({
        name: source.name,
        ...finding,
      })),
    );
    findings.push(...(await Promise.all([...directories, ...checks])).flat());
  } catch (error) {
    findings.push({ name: "store", level: "error", message: messageOf(error) });
  }
  return findings;
}

/** Can it be written, and has every source a token? */
async function checkStore(config: Config, store: DirectoryStore, nowMs: number): Promise<readonly Finding[]> {
  await store.assertWritable();
  const made = (await store.tokens()).filter((token) => isTokenGood(token, nowMs));
  return [
    { name: "store", level: "ok", message: config.store.path },
    ...scimSources(config).map(({ name, tokens }): Finding => {
      const good = tokens.length + made.filter((token) => token.source === name).length;
      if (tokens.some((token) => token.reveal().length < 16))
        return { name, level: "warning", message: "has a token of fewer than 16 characters, which can be guessed" };
      if (good > 0) return { name, level: "ok", message: count(good, "token") };
      return {
        name,
        level: "error",
        message: `has no token: run "rollcall token create --source ${name}", or set token in the configuration`,
      };
    }),
  ];
}
