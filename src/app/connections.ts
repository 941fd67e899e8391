import type { ConfigFile, StoredTarget } from "../config/index.ts";
import { howToMakeMasterKey, type KeyRing } from "../crypto/key-ring.ts";
import type { DirectoryStore } from "../domain/ports/directory-store.ts";
import type { CheckFinding } from "../domain/ports/target.ts";
import { credentialKeys, definitionOf, kindsOf, placeKeys, productOf, targetDefinitions } from "../targets/registry.ts";
import type { Logger } from "../telemetry/index.ts";
import { count } from "../text/numbers.ts";
import type { Context } from "./context.ts";
import { withoutName } from "./open-targets.ts";
import { openStored, sealKeys } from "./stored-credentials.ts";
import { type FieldErrors, type Verification, verifyTarget } from "./verify-target.ts";

/**
 * The fields that a person fills in to connect a target: name, type, and the keys of `targets.NAME` that its definition
 * asks for. The configuration file may have the keys that are missing or empty here. The secret is never logged and
 * never shown again.
 */
export interface ConnectionDraft extends ConnectionKeys {
  /** 1 to 63 of A-Z, a-z, 0-9, -, _ and ., beginning with a letter or a digit. */
  readonly name: string;
  /** A type of the registry of targets. */
  readonly type: string;
}

/** Text by key of `targets.NAME`: `region`, or the URLs, and the credentials. */
export interface ConnectionKeys {
  readonly [key: string]: string | undefined;
}

/** One connection in a list. */
export interface ListedConnection {
  readonly name: string;
  readonly type: string;
  /**
   * The origin of its credentials: the configuration file, `connect`, or `connect` with settings of the file.
   */
  readonly from: "file" | "stored" | "stored and file";
  /** `failing`: see `error`. `new`: no run has ended yet. `unreadable`: no masterKey decrypts it. */
  readonly state: "working" | "failing" | "new" | "unreadable";
  readonly error: string | null;
  readonly lastSuccessAtMs: number | null;
  /** Null if it is only in the file. */
  readonly verifiedAtMs: number | null;
  readonly changedAtMs: number | null;
  /** Host of the API; null when unreadable. */
  readonly host: string | null;
  /** `organization.<guid>` or the OAuth application's id: no secret. Null when unreadable. */
  readonly clientId: string | null;
}

export interface ConnectionParts {
  readonly context: Context;
  readonly file: ConfigFile;
  /** A function, because `rekey` may change the key ring while this process runs. */
  readonly ring: () => KeyRing;
  readonly store: DirectoryStore;
  readonly logger: Logger;
  readonly syncNow: (name: string) => boolean;
}

/** Keys of `targets.NAME` that are stored, in this order. */
const storedKeys = ["type", ...placeKeys, ...credentialKeys];

export type Connections = ReturnType<typeof createConnections>;

/**
 * Verifies, stores, lists and removes connections, for the commands and for the console. `actor` goes into the audit trail,
 * e.g. `admin:ada`.
 */
export function createConnections(parts: ConnectionParts) {
  const { file, ring, store } = parts;
  /** Returns null if credentials can be stored. Otherwise says why not, and what to do. */
  const cannotStore = (): string | null =>
    ring().currentId === null ? `credentials can't be stored, no masterKey is configured; ${howToMakeMasterKey}` : null;

  /** Verifies, then stores. This process uses it within two seconds, if it serves. */
  const saveConnection = async (draft: ConnectionDraft, actor: string, signal: AbortSignal): Promise<Verification> => {
    const reason = cannotStore();
    if (reason !== null) return { ok: false, errors: { "": reason } };
    const keys = keysOf(file, draft);
    const verified = await verify(parts, draft.name, keys, signal);
    if (!verified.ok) return verified;
    const nowMs = parts.context.now();
    const sealed = sealKeys(ring(), draft.name, draft.type, keys);
    const times = { createdAtMs: nowMs, changedAtMs: nowMs, verifiedAtMs: nowMs };
    await store.putCredential({ name: draft.name, type: draft.type, ...sealed, ...times }, causeOf(actor));
    return verified;
  };

  return {
    cannotStore,
    listConnections: () => list(parts),
    /** Signs in with the draft and reads once. Stores nothing. A vendor may take a minute. */
    verifyConnection: (draft: ConnectionDraft, signal: AbortSignal) =>
      verify(parts, draft.name, keysOf(file, draft), signal),
    saveConnection,
    /** Replaces the secret of a stored connection after it has verified the new one. */
    rotateSecret: async (
      name: string,
      clientSecret: string,
      actor: string,
      signal: AbortSignal,
    ): Promise<Verification> => {
      const row = (await store.credentials()).find((each) => each.name === name);
      if (row === undefined) return { ok: false, errors: { name: notStored(file, name) } };
      const opened = openStored(ring(), row);
      if ("problem" in opened) return { ok: false, errors: { "": opened.problem } };
      return saveConnection({ ...opened.keys, name, type: row.type, clientSecret }, actor, signal);
    },
    /** Returns sentences about the consequences, to show before `removeConnection`. */
    removalConsequences: (name: string) => consequences(parts, name),
    /** Removes a stored connection. Nobody loses access. Returns false if none is stored under that name. */
    removeConnection: (name: string, actor: string) => store.removeCredential(name, causeOf(actor)),
    /** Starts a complete comparison of a target. Returns false if no such target runs here. */
    syncNow: parts.syncNow,
  };
}

const causeOf = (actor: string) => ({ actor, requestId: null });

/** Says why a connection can't be changed here. */
export const notStored = (file: ConfigFile, name: string): string =>
  file.targets[name] === undefined
    ? `there is no connection "${name}"; "rollcall connections" lists them`
    : `the credentials of ${name} are not stored here: they are in ${file.fileName}, under targets.${name}`;

/** Returns the keys to store: the filled ones, and those of the file for the rest. */
function keysOf(file: ConfigFile, draft: ConnectionDraft): Readonly<Record<string, string>> {
  const own = file.targets[draft.name] ?? {};
  const filled = storedKeys.flatMap((key) => {
    const text = (draft[key] ?? "").trim();
    return text === "" ? [] : [[key, text] as const];
  });
  const settled = new Map<string, string>(filled);
  const isPlaced = placeKeys.some((key) => settled.has(key));
  for (const key of storedKeys) {
    const value = own[key];
    if (typeof value === "string" && !settled.has(key) && !(isPlaced && placeKeys.includes(key)))
      settled.set(key, value);
  }
  return Object.fromEntries(settled);
}

async function verify(
  parts: ConnectionParts,
  name: string,
  keys: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Verification> {
  const { context, file, logger } = parts;
  if (file.targets[name]?.["clientSecret"] !== undefined) {
    const message = `targets.${name}.clientSecret is in ${file.fileName} and would be used instead of the stored secret: remove it there first`;
    return { ok: false, errors: { name: message } };
  }
  const overruled = overruledBy(file, name, keys);
  if (overruled.length > 0) return { ok: false, errors: errorsOf(overruled) };
  const draft = file.draft(name, keys);
  if ("problems" in draft) return { ok: false, errors: errorsOf(draft.problems) };
  const other = await accountBefore(parts, name);
  const accountNoun = definitionOf(draft.target.type)?.accountNoun ?? "account";
  if (other !== null && other !== draft.target.account) {
    const message = `"${name}" is already the name of another ${accountNoun} (${other}); choose another name`;
    return { ok: false, errors: { name: message } };
  }
  const verified = await verifyTarget(context.target(draft.target, logger), draft.target, signal);
  if (!verified.ok) return verified;
  const { survey } = verified;
  const findings = [...survey.findings, ...(await invitations(parts, name, survey.type, survey.members))];
  return { ok: true, survey: { ...survey, findings } };
}

/** Returns the keys that the file sets differently. They would win, and the secret would go to another server. */
function overruledBy(file: ConfigFile, name: string, keys: Readonly<Record<string, string>>) {
  const own = file.targets[name] ?? {};
  const plain = (text: string): string => text.replace(/\/+$/, "");
  return storedKeys
    .filter((key) => typeof own[key] === "string" && plain(own[key]) !== plain(keys[key] ?? ""))
    .map((field) => ({
      field,
      message: `${file.fileName} has another value under targets.${name}.${field}, which would win: make them the same, or remove it there`,
    }));
}

const errorsOf = (problems: readonly { readonly field: string; readonly message: string }[]): FieldErrors =>
  Object.fromEntries(problems.map(({ field, message }) => [isField(field) ? field : "", message]));

const isField = (text: string): boolean => text === "name" || storedKeys.includes(text);

/** Returns the account that this name stands for in the store or in a stored connection; null if none. */
async function accountBefore({ store, ring, file }: ConnectionParts, name: string): Promise<string | null> {
  const known = await store.accountOf(name);
  if (known !== null) return known;
  const row = (await store.credentials()).find((each) => each.name === name);
  if (row === undefined) return null;
  const opened = openStored(ring(), row);
  if ("problem" in opened) return null;
  const draft = file.draft(name, opened.keys);
  return "target" in draft ? draft.target.account : null;
}

/** Warns before the first connection to a target that can invite: it will invite everybody who is missing. */
async function invitations(
  { store, file }: ConnectionParts,
  name: string,
  type: string,
  members: number,
): Promise<readonly CheckFinding[]> {
  if (definitionOf(type)?.abilities.invite !== true || file.targets[name]?.["users"] !== undefined) return [];
  if ((await store.credentials()).some((each) => each.name === name)) return [];
  const counts = [...(await store.sourceCounts()).values()];
  const people = counts.reduce((sum, { users }) => sum + users, 0);
  if (people === 0) return [];
  const message = `the sources have ${count(people, "user")}, this target has ${count(members, "member")}. When this is stored and "rollcall serve" runs, Rollcall invites everybody who is missing. To limit who belongs here, first set targets.${name}.users.groups in ${file.fileName}`;
  return [{ level: "warning", message }];
}

async function list({ file, ring, store }: ConnectionParts): Promise<readonly ListedConnection[]> {
  const [rows, states] = [await store.credentials(), await store.connections()];
  const names = new Set([...Object.keys(file.targets), ...rows.map(({ name }) => name)]);
  return [...names].map((name): ListedConnection => {
    const own = file.targets[name];
    const row = rows.find((each) => each.name === name);
    const opened = row === undefined ? { keys: null } : openStored(ring(), row);
    const draft = "keys" in opened ? file.draft(name, opened.keys) : null;
    const target = draft !== null && "target" in draft ? draft.target : null;
    const state = states.find((each) => each.role === "target" && each.name === name);
    return {
      name,
      type: target?.type ?? row?.type ?? String(own?.["type"] ?? targetDefinitions[0].type),
      from:
        row === undefined || own?.["clientSecret"] !== undefined
          ? "file"
          : own === undefined
            ? "stored"
            : "stored and file",
      ...stateOf(opened, draft !== null && "problems" in draft ? draft.problems : [], state, name),
      lastSuccessAtMs: state?.lastSuccessAtMs ?? null,
      verifiedAtMs: row?.verifiedAtMs ?? null,
      changedAtMs: row?.changedAtMs ?? null,
      host: target === null ? null : new URL(target.apiUrl).host,
      clientId: target?.clientId ?? null,
    };
  });
}

function stateOf(
  opened: StoredTarget | { readonly keys: null },
  problems: readonly { readonly field: string; readonly message: string }[],
  state: { readonly lastSuccessAtMs: number | null; readonly errorMessage: string | null } | undefined,
  name: string,
): Pick<ListedConnection, "state" | "error"> {
  if ("problem" in opened) return { state: "unreadable", error: opened.problem };
  const [first] = problems;
  if (first !== undefined) return { state: "failing", error: `${first.field} ${first.message}` };
  if (state?.errorMessage != null) return { state: "failing", error: withoutName(name, state.errorMessage) };
  return { state: state?.lastSuccessAtMs == null ? "new" : "working", error: null };
}

async function consequences({ file, store }: ConnectionParts, name: string): Promise<readonly string[]> {
  const row = (await store.credentials()).find((each) => each.name === name);
  const type = row?.type ?? targetDefinitions[0].type;
  const product = productOf(type);
  const counts = await store.targetCounts(name, kindsOf(type));
  const open = counts.pending + counts.failed + counts.held;
  return [
    `Nobody's access is taken away: ${product} stays as it is.`,
    `Rollcall does nothing more in ${name}: it invites and suspends nobody and changes no group. People who leave the company keep their access to ${product} until somebody takes it away by hand.`,
    ...(open > 0 ? [`${count(open, "change")} will not be delivered.`] : []),
    "Its history stays. If you connect it again under the same name, Rollcall continues from there.",
    ...(file.targets[name] === undefined
      ? []
      : [
          `${file.fileName} still has targets.${name}: remove that section too, or commands will report missing credentials.`,
        ]),
    `The key itself stays valid at ${product}. If nothing else uses it: ${definitionOf(type)?.setup.revoke ?? "revoke it there"}.`,
  ];
}
