import { Option } from "commander";
import { locateFile } from "../../app/config-location.ts";
import {
  type ConnectionDraft,
  type ConnectionKeys,
  type Connections,
  createConnections,
  notStored,
} from "../../app/connections.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { interruption } from "../../app/signals.ts";
import { openToReport } from "../../app/status.ts";
import { keyRingOf } from "../../app/stored-credentials.ts";
import type { FieldErrors, Survey } from "../../app/verify-target.ts";
import type { AccountState } from "../../domain/model/account.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import type { TargetDefinition } from "../../targets/definition.ts";
import { credentialKeys, definitionOf, placeKeys, targetDefinitions, targetTypes } from "../../targets/registry.ts";
import { createLogger } from "../../telemetry/index.ts";
import { count } from "../../text/numbers.ts";
import { withIsoTimes } from "../../text/times.ts";
import type { Cli } from "../command.ts";
import { printJson, table } from "../output/print.ts";

/** Has the keys of `connectOptions` too. */
interface ConnectOptions {
  readonly name?: string;
  /** Refused: a secret is never an argument. */
  readonly clientSecret?: string | true;
}

/** The keys of `targets.NAME` that `connect` has as options, with their meaning for each type of target. */
const connectOptions: readonly { readonly key: string; readonly flag: string; readonly help: string }[] = [
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

export function addConnect(cli: Cli): void {
  const command = cli
    .add({
      name: `connect <${targetTypes.join("|")}>`,
      summary: "verify the credentials of a target and store them encrypted",
      help: `
Examples:
${targetTypes.map((type) => `  rollcall connect ${type} -c rollcall.yaml\n`).join("")}  rollcall connect ${targetTypes[0]} --name acme --region eu --client-id ID < secret-file

On a terminal, it asks for missing values. Without a terminal, it reads the secret from standard input. The secret can't
be an argument.
Signs in and reads once. If that works, the credentials are stored, encrypted under the masterKey.
Exit code: 0 stored, 1 nothing was stored.`,
      run: connectTarget,
    })
    .option("--name <name>", "name of the target; default: its type");
  for (const { flag, help } of connectOptions) command.option(`${flag} <text>`, help);
  // Accepted so that it can be refused with a reason.
  command.addOption(new Option("--client-secret [secret]").hideHelp());
}

export const addDisconnect = (cli: Cli): void =>
  void cli
    .add({
      name: "disconnect <name>",
      summary: "delete a stored connection; nobody loses access",
      help: `
Examples:
  rollcall disconnect acme
  rollcall disconnect acme --yes            without a terminal

Exit code: 0, 1 nothing was done.`,
      run: disconnect,
    })
    .option("--yes", "don't ask");

export const addConnections = (cli: Cli): void =>
  void cli.add({
    name: "connections",
    summary: "the connections of the configuration and the stored ones",
    help: `
Examples:
  rollcall connections -c rollcall.yaml
  rollcall connections --json | jq '.connections[].name'`,
    run: listConnections,
  });

const actor = (command: string): string => `cli:${command}`;

/** Asks, verifies, stores. */
async function connectTarget(
  context: Context,
  options: ConnectOptions & GlobalOptions,
  vendor?: string,
): Promise<number> {
  const { terminal } = context;
  const definition = definitionOf(vendor ?? "");
  if (definition === undefined)
    throw new RollcallError("CONFIG_INVALID", `no target type "${vendor}"; the types are: ${targetTypes.join(", ")}`);
  const { type } = definition;
  if (options.clientSecret !== undefined)
    throw new RollcallError(
      "CONFIG_INVALID",
      "a secret can't be an argument: every user of this machine sees it in the list of processes, and the shell keeps it in its history. If it was a real secret, rotate it. On a terminal, Rollcall asks for the secret. Otherwise it reads it from standard input",
    );
  return await withConnections(context, options, openToChange, async (connections, file) => {
    const reason = connections.cannotStore();
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
      const verified = await connections.verifyConnection(draft, signal);
      if (!verified.ok) throw refused(draft, verified.errors);
      terminal.note(describeSurvey(verified.survey));
      if (!(await confirmed("Store it?"))) {
        terminal.note("nothing was stored");
        return 1;
      }
    }
    const saved = await connections.saveConnection(draft, actor("connect"), signal);
    if (!saved.ok) throw refused(draft, saved.errors);
    if (!terminal.isInteractive) terminal.note(describeSurvey(saved.survey));
    if (options.json) printJson(terminal, { name: draft.name, type, stored: true, survey: saved.survey });
    else
      terminal.out(
        `${draft.name}: connected, and stored encrypted. A running "rollcall serve" serves it within two seconds; "rollcall plan ${draft.name}" shows its changes.`,
      );
    return 0;
  });
}

/** Deletes a stored connection. Nobody loses access. */
async function disconnect(
  context: Context,
  options: { readonly yes?: boolean } & GlobalOptions,
  given?: string,
): Promise<number> {
  const name = given ?? "";
  const { terminal } = context;
  return await withConnections(context, options, openToChange, async (connections, file, isStored) => {
    if (!(await isStored(name))) throw new RollcallError("NOT_FOUND", notStored(file, name));
    const consequences = await connections.removalConsequences(name);
    terminal.note(consequences.map((line) => `- ${line}`).join("\n"));
    if (options.yes !== true) {
      if (!terminal.isInteractive)
        throw new RollcallError(
          "CONFIG_INVALID",
          `nothing was done: without a terminal, --yes is needed to disconnect ${name}`,
        );
      const { askText } = await import("../prompts.ts");
      if ((await askText(`Type ${name} to disconnect it:`)) !== name) {
        terminal.note("the name is different: nothing was done");
        return 1;
      }
    }
    const isRemoved = await connections.removeConnection(name, actor("disconnect"));
    if (options.json) printJson(terminal, { name, disconnected: isRemoved, consequences });
    else terminal.out(`${name}: disconnected`);
    return 0;
  });
}

async function listConnections(context: Context, options: GlobalOptions): Promise<number> {
  return await withConnections(context, options, openToReport, async (connections) => {
    const rows = (await connections.listConnections()).map((connection) => withIsoTimes(connection));
    if (options.json) printJson(context.terminal, { connections: rows });
    else if (rows.length === 0)
      context.terminal.out(
        `no connections; ${targetTypes.map((type) => `"rollcall connect ${type}"`).join(" or ")} adds one`,
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
  connections: Connections,
  file: ReturnType<typeof locateFile>,
  isStored: (name: string) => Promise<boolean>,
) => Promise<number>;

const openToChange: typeof openToReport = (context, config) => context.database(config).open();

async function withConnections(
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
    const logger = createLogger({ level: options.logLevel });
    const connections = createConnections({ context, file, ring: () => ring, store, logger, syncNow: () => false });
    return await work(connections, file, async (name) =>
      (await store.credentials()).some((each) => each.name === name),
    );
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
      "no secret: standard input is empty. Without a terminal, Rollcall reads the secret from there: rollcall connect … < secret-file",
    );
  return secret;
}

async function ask(
  { terminal }: Context,
  definition: TargetDefinition,
  given: ConnectionKeys,
  own: Readonly<Record<string, unknown>>,
): Promise<ConnectionKeys> {
  // Loaded on demand: prompts are a large part of the program.
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

/** The organization or account as the vendor's API shows it. */
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

/** Words for the states of an account, in their usual order. */
const stateWords: Readonly<Record<AccountState, string>> = {
  staged: "staged",
  invited: "invited",
  accepted: "accepted, to be confirmed",
  active: "active",
  suspended: "suspended",
  unknown: "in a state that Rollcall does not know",
};
