import { locateFile } from "../../app/config-location.ts";
import type { ConnectionDraft, ConnectionKeys, Connections, FieldErrors, Survey } from "../../app/connection-types.ts";
import { createConnections, notStored } from "../../app/connections.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { keyRingOf } from "../../app/stored-credentials.ts";
import { stateWords } from "../../app/verify-target.ts";
import type { AccountState } from "../../domain/model/account.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import { interruption } from "../../server/signals.ts";
import type { TargetDefinition } from "../../targets/definition.ts";
import { credentialKeys, definitionOf, placeKeys, targetDefinitions, targetTypes } from "../../targets/registry.ts";
import { createLogger, type LogLevel } from "../../telemetry/index.ts";
import { count, isoTime, printJson, table } from "../output/print.ts";
import { openToReport } from "./status.ts";

/** Has the options of `connectOptions` besides, by key. */
export interface ConnectOptions {
  readonly name?: string;
  /** Given by mistake. */
  readonly clientSecret?: string | true;
}

/** Keys of `targets.NAME` that `connect` takes as options, with what they are for each type of target. */
export const connectOptions: readonly { readonly key: string; readonly flag: string; readonly help: string }[] = [
  ...placeKeys,
  ...credentialKeys,
]
  .filter((key) => key !== "clientSecret")
  .map((key) => {
    const help = targetDefinitions.flatMap(({ product, regions, ownServer, credentials }) => {
      const field = [...ownServer.urls, ...credentials].find((each) => each.key === key);
      const text = key === "region" ? regions.map(({ value }) => value).join(", ") : field?.label;
      return text === undefined ? [] : [`${product}: ${text}`];
    });
    return { key, flag: flagOf(key), help: help.join("; ") };
  });

function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

const actor = (command: string): string => `cli:${command}`;

/** `rollcall connect`: asks, verifies, stores. */
export async function connectVendor(
  context: Context,
  options: ConnectOptions & GlobalOptions,
  vendor?: string,
): Promise<number> {
  const { terminal } = context;
  const definition = definitionOf(vendor ?? "");
  if (definition === undefined)
    throw new RollcallError("CONFIG_INVALID", `can't connect "${vendor}": there is ${targetTypes.join(" and ")}`);
  const { type } = definition;
  if (options.clientSecret !== undefined)
    throw new RollcallError(
      "CONFIG_INVALID",
      "a secret is never given as an argument: everybody on this machine could read it in the list of processes, and it stays in the history of the shell. If it was a real one, rotate it. Rollcall asks for it on a terminal, and otherwise reads it from standard input",
    );
  return await withDesk(context, options, openToChange, async (desk, file) => {
    const reason = desk.cannotStore();
    if (reason !== null) throw new RollcallError("CONFIG_INVALID", reason);
    const name = options.name ?? type;
    const given = pick(options);
    const filled = terminal.isInteractive
      ? await ask(context, definition, given, file.targets[name] ?? {})
      : { ...given, clientSecret: await secretFrom(context) };
    const draft: ConnectionDraft = { ...filled, name, type };
    const signal = interruption();
    terminal.note(`asking ${definition.product} …`);
    if (terminal.isInteractive) {
      const verified = await desk.verifyConnection(draft, signal);
      if (!verified.ok) throw refused(draft, verified.errors);
      terminal.note(describeSurvey(verified.survey));
      if (!(await confirmed("Store it?"))) {
        terminal.note("nothing was stored");
        return 1;
      }
    }
    const saved = await desk.saveConnection(draft, actor("connect"), signal);
    if (!saved.ok) throw refused(draft, saved.errors);
    if (!terminal.isInteractive) terminal.note(describeSurvey(saved.survey));
    if (options.json) printJson(terminal, { name: draft.name, type, stored: true, survey: saved.survey });
    else
      terminal.out(
        `${draft.name}: connected, and stored encrypted. A running "rollcall serve" takes it up within two seconds; "rollcall plan ${draft.name}" shows what there is to do.`,
      );
    return 0;
  });
}

/** `rollcall disconnect`: forgets a stored connection; takes nobody's access away. */
export async function disconnect(
  context: Context,
  options: { readonly yes?: boolean } & GlobalOptions,
  given?: string,
): Promise<number> {
  const name = given ?? "";
  const { terminal } = context;
  return await withDesk(context, options, openToChange, async (desk, file, isStored) => {
    if (!(await isStored(name))) throw new RollcallError("NOT_FOUND", notStored(file, name));
    const consequences = await desk.removalConsequences(name);
    terminal.note(consequences.map((line) => `- ${line}`).join("\n"));
    if (options.yes !== true) {
      if (!terminal.isInteractive)
        throw new RollcallError(
          "CONFIG_INVALID",
          `nothing was done: say --yes to disconnect ${name} without a terminal`,
        );
      const { askText } = await import("../prompts.ts");
      if ((await askText(`Type ${name} to disconnect it:`)) !== name) {
        terminal.note("not the same: nothing was done");
        return 1;
      }
    }
    const isRemoved = await desk.removeConnection(name, actor("disconnect"));
    if (options.json) printJson(terminal, { name, disconnected: isRemoved, consequences });
    else terminal.out(`${name}: disconnected`);
    return 0;
  });
}

/** `rollcall connections`: those of the file and those stored. */
export async function listConnections(context: Context, options: GlobalOptions): Promise<number> {
  return await withDesk(context, options, openToReport, async (desk) => {
    const connections = await desk.listConnections();
    const rows = connections.map(({ lastSuccessAtMs, verifiedAtMs, changedAtMs, ...rest }) => ({
      ...rest,
      lastSuccessAt: isoTime(lastSuccessAtMs),
      verifiedAt: isoTime(verifiedAtMs),
      changedAt: isoTime(changedAtMs),
    }));
    if (options.json) printJson(context.terminal, { connections: rows });
    else if (rows.length === 0)
      context.terminal.out(
        `no connections; ${targetTypes.map((type) => `"rollcall connect ${type}"`).join(" or ")} makes one`,
      );
    else
      context.terminal.out(
        table(
          rows.map((row) => [
            row.name,
            row.type,
            row.host ?? "?",
            row.from,
            row.verifiedAt === null ? "" : `verified ${row.verifiedAt}`,
            row.error === null ? row.state : `${row.state}: ${row.error}`,
          ]),
          "",
        ),
      );
    return 0;
  });
}

type Work = (
  desk: Connections,
  file: ReturnType<typeof locateFile>,
  isStored: (name: string) => Promise<boolean>,
) => Promise<number>;

const openToChange: typeof openToReport = (context, config) => context.openStore(config);

async function withDesk(
  context: Context,
  options: GlobalOptions,
  open: typeof openToReport,
  work: Work,
): Promise<number> {
  const file = locateFile(context, options);
  const settings = file.settings();
  const ring = keyRingOf(settings);
  const store = await open(context, settings);
  try {
    const logger = createLogger({ level: options.logLevel as LogLevel });
    const desk = createConnections({ context, file, ring: () => ring, store, logger, syncNow: () => false });
    return await work(desk, file, async (name) => (await store.credentials()).some((each) => each.name === name));
  } finally {
    await store.close();
  }
}

const pick = (options: object): ConnectionKeys =>
  Object.fromEntries(Object.entries(options).filter(([key]) => connectOptions.some((option) => option.key === key)));

async function secretFrom({ terminal }: Context): Promise<string> {
  const secret = await terminal.input();
  if (secret.trim() === "")
    throw new RollcallError(
      "CONFIG_INVALID",
      "no secret: standard input is empty. Without a terminal it is read from there: rollcall connect … < secret-file",
    );
  return secret;
}

async function ask(
  { terminal }: Context,
  definition: TargetDefinition,
  given: ConnectionKeys,
  own: Readonly<Record<string, unknown>>,
): Promise<ConnectionKeys> {
  // Loaded when a person is there: prompts are a large part of the program.
  const { askConnection } = await import("../prompts.ts");
  const { product, setup, limits } = definition;
  const lines = [setup.requires, ...setup.steps.map((step, index) => `${index + 1}. ${step}`), ...limits];
  terminal.note(`${product}: ${lines.join("\n")}\n`);
  return askConnection(definition, given, own);
}

const confirmed = async (question: string): Promise<boolean> => (await import("../prompts.ts")).askYes(question);

const labelOf = (field: string): string => (field === "clientSecret" ? "client secret" : flagOf(field));

function refused(draft: ConnectionDraft, errors: FieldErrors): RollcallError {
  const lines = Object.entries(errors).map(([field, message]) =>
    field === "" ? message : `${labelOf(field)}: ${message}`,
  );
  return new RollcallError(
    "CONFIG_INVALID",
    `${draft.name} is not connected, nothing was stored:\n${lines.map((line) => `  ${line}`).join("\n")}`,
  );
}

/** What the vendor's API told, for people. */
function describeSurvey({ type, accountId, host, members, groups, states, findings }: Survey): string {
  const { product = type, accountNoun = "account", stateNames = {} } = definitionOf(type) ?? {};
  const shown = (Object.keys(stateWords) as readonly AccountState[]).flatMap((state) =>
    states[state] === undefined ? [] : [`${states[state]} ${stateNames[state] ?? stateWords[state]}`],
  );
  const inGroups = groups === null ? "" : `, ${count(groups, "group")}`;
  return [
    `${product} ${accountNoun} ${accountId} at ${host}: ${members} members${shown.length > 0 ? ` (${shown.join(", ")})` : ""}${inGroups}`,
    ...findings.map(({ level, message }) => `${level}: ${message}`),
  ].join("\n");
}
