import { locateFile } from "../../app/config-location.ts";
import type { ConnectionDraft, Connections, ConnectionType, FieldErrors, Survey } from "../../app/connection-types.ts";
import { createConnections, notStored } from "../../app/connections.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { keyRingOf } from "../../app/stored-credentials.ts";
import { stateWords } from "../../app/verify-target.ts";
import type { AccountState } from "../../domain/model/account.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import { interruption } from "../../server/signals.ts";
import { createLogger, type LogLevel } from "../../telemetry/index.ts";
import { count, isoTime, printJson, table } from "../output/print.ts";
import type { Asked } from "../prompts.ts";
import { vendors } from "../vendors.ts";
import { openToReport } from "./status.ts";

export interface ConnectOptions {
  readonly name?: string;
  readonly region?: string;
  readonly apiUrl?: string;
  readonly identityUrl?: string;
  readonly accountId?: string;
  readonly clientId?: string;
  /** Given by mistake. */
  readonly clientSecret?: string | true;
}

const actor = (command: string): string => `cli:${command}`;

/** `rollcall connect`: asks, verifies, stores. */
export async function connectVendor(
  context: Context,
  options: ConnectOptions & GlobalOptions,
  vendor?: string,
): Promise<number> {
  const { terminal } = context;
  if (vendor !== "bitwarden" && vendor !== "onepassword")
    throw new RollcallError("CONFIG_INVALID", `can't connect "${vendor}": there is bitwarden and onepassword`);
  const type: ConnectionType = vendor;
  if (options.clientSecret !== undefined)
    throw new RollcallError(
      "CONFIG_INVALID",
      "a secret is never given as an argument: everybody on this machine could read it in the list of processes, and it stays in the history of the shell. If it was a real one, rotate it. Rollcall asks for it on a terminal, and otherwise reads it from standard input",
    );
  return await withDesk(context, options, openToChange, async (desk, file) => {
    const reason = desk.cannotStore();
    if (reason !== null) throw new RollcallError("CONFIG_INVALID", reason);
    const given = { ...options, name: options.name ?? type };
    const draft = terminal.isInteractive
      ? await ask(context, type, given, file.targets[given.name] ?? {})
      : { ...pick(given), type, name: given.name, clientSecret: await secretFrom(context) };
    const signal = interruption();
    terminal.note(`asking ${vendors[type].product} …`);
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
      context.terminal.out('no connections; "rollcall connect bitwarden" or "rollcall connect onepassword" makes one');
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

const pick = ({ region, apiUrl, identityUrl, accountId, clientId }: ConnectOptions) => ({
  ...(region !== undefined && { region }),
  ...(apiUrl !== undefined && { apiUrl }),
  ...(identityUrl !== undefined && { identityUrl }),
  ...(accountId !== undefined && { accountId }),
  ...(clientId !== undefined && { clientId }),
});

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
  type: ConnectionType,
  given: ConnectOptions & { readonly name: string },
  own: Readonly<Record<string, unknown>>,
): Promise<ConnectionDraft> {
  // Loaded when a person is there: prompts are a large part of the program.
  const { askConnection } = await import("../prompts.ts");
  terminal.note(`${vendors[type].whereToFind}\n`);
  const asked: Asked = await askConnection(type, pick(given), own);
  return { ...asked, name: given.name, type };
}

const confirmed = async (question: string): Promise<boolean> => (await import("../prompts.ts")).askYes(question);

const optionOf: Readonly<Record<string, string>> = {
  name: "--name",
  region: "--region",
  apiUrl: "--api-url",
  identityUrl: "--identity-url",
  accountId: "--account-id",
  clientId: "--client-id",
  clientSecret: "client secret",
};

function refused(draft: ConnectionDraft, errors: FieldErrors): RollcallError {
  const lines = Object.entries(errors).map(([field, message]) =>
    field === "" ? message : `${optionOf[field] ?? field}: ${message}`,
  );
  return new RollcallError(
    "CONFIG_INVALID",
    `${draft.name} is not connected, nothing was stored:\n${lines.map((line) => `  ${line}`).join("\n")}`,
  );
}

/** What the vendor's API told, for people. */
function describeSurvey({ type, accountId, host, members, groups, states, findings }: Survey): string {
  const { product, account } = vendors[type];
  const shown = (Object.keys(stateWords) as readonly AccountState[]).flatMap((state) =>
    states[state] === undefined ? [] : [`${states[state]} ${wordFor(type, state)}`],
  );
  const inGroups = groups === null ? "" : `, ${count(groups, "group")}`;
  return [
    `${product} ${account} ${accountId} at ${host}: ${members} members${shown.length > 0 ? ` (${shown.join(", ")})` : ""}${inGroups}`,
    ...findings.map(({ level, message }) => `${level}: ${message}`),
  ].join("\n");
}

const wordFor = (type: ConnectionType, state: AccountState): string =>
  type === "bitwarden" && state === "active" ? "confirmed" : stateWords[state];
