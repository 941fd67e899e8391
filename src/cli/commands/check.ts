import { checkSecrets } from "../../app/check-secrets.ts";
import { composeConfig, locateFile } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { closeTargets, openTargets, withoutName } from "../../app/open-targets.ts";
import { sourceFindings } from "../../app/removed-sources.ts";
import { openToReport } from "../../app/status.ts";
import { type Config, ldapSources, scimSources, storeName } from "../../config/index.ts";
import { messageOf } from "../../domain/model/errors.ts";
import type { DirectoryStore } from "../../domain/ports/directory-store.ts";
import { isTokenGood, type StoredToken } from "../../domain/ports/scim-store.ts";
import type { CheckFinding } from "../../domain/ports/target.ts";
import { otherAccount } from "../../reconcile/read-input.ts";
import { checkListeners } from "../../server/listeners.ts";
import { createLogger } from "../../telemetry/index.ts";
import { count } from "../../text/numbers.ts";
import type { Cli } from "../command.ts";
import { printJson, table } from "../output/print.ts";

const help = `
Examples:
  rollcall check -c rollcall.yaml
  rollcall check -c rollcall.yaml --json

Exit code: 0 when everything works, 1 otherwise.`;

export const addCheck = (cli: Cli): void =>
  void cli.add({ name: "check", summary: "validate the configuration and try every connection", help, run: check });

interface Finding extends CheckFinding {
  readonly name: string;
}

const checkWithinMs = 60_000;

async function check(context: Context, options: GlobalOptions): Promise<number> {
  const file = locateFile(context, options);
  const config = await composeConfig(context, file);
  const found = `${count(config.sources.length, "source")}, ${count(config.targets.length, "target")}`;
  const findings: Finding[] = [{ name: "configuration", level: "ok", message: found }];
  if (config.targets.length === 0)
    findings.push({
      name: "configuration",
      level: "warning",
      message: "has no targets: users and groups are stored, but nobody's access follows them",
    });
  findings.push(...checkSecrets(file, config), ...checkListeners(config, context.now()));
  findings.push(...(await checkConnections(context, config, options)));
  if (options.json) printJson(context.terminal, { findings });
  else
    context.terminal.out(
      table(
        findings.map(({ name, level, message }) => [mark[level], name, message]),
        "",
      ),
    );
  return findings.some((finding) => finding.level === "error") ? 1 : 0;
}

const mark = { ok: "ok", warning: "warning", error: "ERROR" } as const;

async function checkConnections(context: Context, config: Config, options: GlobalOptions): Promise<readonly Finding[]> {
  await using cleanup = new AsyncDisposableStack();
  const findings: Finding[] = [];
  let part = "store";
  try {
    const { store, problem } = await openToCheck(context, config);
    cleanup.defer(() => store.close());
    findings.push(problem ?? { name: "store", level: "ok", message: storeName(config.store) });
    if (problem === null)
      for (const finding of await context.database(config).check()) findings.push({ name: "store", ...finding });
    findings.push(...checkTokens(config, await store.tokens(), context.now()));
    findings.push(...(await sourceFindings(config, store)));
    part = "targets";
    const connections = openTargets(context, config, config.targets, store, createLogger({ level: options.logLevel }));
    cleanup.defer(() => closeTargets(connections));
    for (const { target } of connections) {
      const account = await store.accountOf(target.name);
      if (account !== null && account !== target.account)
        findings.push({ name: target.name, level: "error", message: messageOf(otherAccount(target, account)) });
    }
    const checks = connections.map(async ({ target }) =>
      (await target.check(AbortSignal.timeout(checkWithinMs))).map(({ message, ...finding }) => ({
        name: target.name,
        ...finding,
        message: withoutName(target.name, message),
      })),
    );
    const directories = ldapSources(config).map(async (source) =>
      (await context.checkDirectory(source, AbortSignal.timeout(checkWithinMs))).map((finding) => ({
        name: source.name,
        ...finding,
      })),
    );
    findings.push(...(await Promise.all([...directories, ...checks])).flat());
  } catch (error) {
    findings.push({ name: part, level: "error", message: messageOf(error) });
  }
  return findings;
}

/** Opens the database. If it can only be read, that is a finding, and the connections are checked all the same. */
async function openToCheck(
  context: Context,
  config: Config,
): Promise<{ readonly store: DirectoryStore; readonly problem: Finding | null }> {
  try {
    const store = await context.database(config).open();
    try {
      await store.assertWritable();
      return { store, problem: null };
    } catch (error) {
      return { store, problem: unusable(error) };
    }
  } catch (error) {
    return { store: await openToReport(context, config), problem: unusable(error) };
  }
}

const unusable = (error: unknown): Finding => ({ name: "store", level: "error", message: messageOf(error) });

/** A finding for each source: how many tokens it has. */
const checkTokens = (config: Config, stored: readonly StoredToken[], nowMs: number): readonly Finding[] => {
  const made = stored.filter((token) => isTokenGood(token, nowMs));
  return scimSources(config).map(({ name, tokens }): Finding => {
    const good = tokens.length + made.filter((token) => token.source === name).length;
    if (good > 0) return { name, level: "ok", message: count(good, "token") };
    return {
      name,
      level: "error",
      message: `has no token: run "rollcall token create --source ${name}", or set token in the configuration`,
    };
  });
};
