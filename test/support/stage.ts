import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type BitwardenOptions,
  type BitwardenSandbox,
  memberStatus,
  type OnePasswordOptions,
  type OnePasswordSandbox,
  startBitwarden,
  startOnePassword,
} from "../../src/sandbox/index.ts";
import { targetSections } from "./emulators.ts";
import {
  type Addresses,
  addressesOf,
  adminToken,
  killStarted,
  type Program,
  type Run,
  rollcall,
  scimToken,
  start,
} from "./rollcall-process.ts";
import { type ScimClient, scimClient } from "./scim-client.ts";

/** `rollcall serve` that listens. */
export interface Serving extends Program, Addresses {
  readonly baseUrl: string;
  readonly idp: ScimClient;
}

/** A folder with a configuration, and both emulated vendors; everything is gone at the end. */
export interface Stage extends AsyncDisposable {
  readonly folder: string;
  readonly database: string;
  readonly bitwarden: BitwardenSandbox;
  readonly onePassword: OnePasswordSandbox;
  /** Writes the configuration again, with these sections replaced. */
  configure(sections: object): Promise<void>;
  serve(...args: string[]): Promise<Serving>;
  /** Runs a command with the configuration. */
  run(...args: string[]): Promise<Run>;
  /** The same, with more in the environment. */
  runWithEnv(env: Readonly<Record<string, string>>, ...args: string[]): Promise<Run>;
  /** The same, with something on standard input. */
  runWith(input: string, ...args: string[]): Promise<Run>;
}

/** A master key. */
export const newKey = (): string => randomBytes(32).toString("base64");

export interface StageOptions {
  readonly sections?: object;
  readonly bitwarden?: BitwardenOptions;
  readonly onePassword?: OnePasswordOptions;
  readonly env?: Readonly<Record<string, string>>;
}

/** `targets` of the configuration. The secret of Bitwarden is in the environment. */
export const targetsOf = (bitwarden: BitwardenSandbox, onePassword: OnePasswordSandbox) => {
  const sections = targetSections(bitwarden, onePassword);
  return { ...sections, "acme-bitwarden": { ...sections["acme-bitwarden"], clientSecret: "${BW_SECRET}" } };
};

export async function makeStage(options: StageOptions = {}): Promise<Stage> {
  const folder = await makeFolder();
  const [bitwarden, onePassword] = await Promise.all([
    startBitwarden(options.bitwarden),
    startOnePassword(options.onePassword),
  ]);
  const file = join(folder, "rollcall.yaml");
  const configure = (sections: object): Promise<void> =>
    writeFile(
      file,
      // JSON is YAML.
      JSON.stringify({
        server: { listen: "127.0.0.1:0" },
        admin: { listen: "127.0.0.1:0", token: adminToken },
        sources: { okta: { type: "scim", token: scimToken } },
        targets: targetsOf(bitwarden, onePassword),
        reconcile: { settle: "100ms" },
        ...sections,
      }),
    );
  await configure(options.sections ?? {});
  const runOptions = { cwd: folder, env: { BW_SECRET: bitwarden.clientSecret, ...options.env } };
  return {
    folder,
    bitwarden,
    onePassword,
    configure,
    database: join(folder, "data/rollcall.db"),
    serve: async (...args) => serving(start(["serve", "-c", file, "--json", ...args], runOptions)),
    run: (...args) => rollcall([...args, "-c", file], runOptions),
    runWithEnv: (env, ...args) =>
      rollcall([...args, "-c", file], { ...runOptions, env: { ...runOptions.env, ...env } }),
    runWith: (input, ...args) => rollcall([...args, "-c", file], { ...runOptions, input }),
    async [Symbol.asyncDispose]() {
      await killStarted();
      await Promise.all([bitwarden.close(), onePassword.close()]);
      await removeFolder(folder);
      const failures = [...bitwarden.requests.failures, ...onePassword.requests.failures];
      if (failures.length > 0) throw new AggregateError(failures, "an emulator failed");
    },
  };
}

export const makeFolder = (): Promise<string> => mkdtemp(join(tmpdir(), "rollcall-e2e-"));
export const removeFolder = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true });

/** Waits until it listens. Throws with its log when it ends instead. */
export async function serving(program: Program): Promise<Serving> {
  const addresses = await addressesOf(program);
  if (addresses === null) throw new Error(`serve ended: ${program.stderr()}`);
  const { scimUrl } = addresses;
  return { ...program, ...addresses, baseUrl: scimUrl.replace("/scim/v2", ""), idp: scimClient(scimUrl, scimToken) };
}

/** The answer of `/api/v1/status`: the same as `status --json`, without the start of a process. */
export async function statusOf({ adminUrl }: Serving) {
  const response = await fetch(`${adminUrl}/api/v1/status`, { headers: { authorization: `Bearer ${adminToken}` } });
  if (!response.ok) throw new Error(`status was answered ${response.status}`);
  // biome-ignore lint/suspicious/noExplicitAny: tests read it without a schema
  const { targets } = (await response.json()) as { targets: any[] };
  return {
    bitwarden: targets.find(({ type }) => type === "bitwarden"),
    onePassword: targets.find(({ type }) => type === "onepassword"),
  };
}

/** The state of a Bitwarden member by its name; null when there is none. */
export function stateOf({ bitwarden }: Stage, email: string): string | null {
  const member = bitwarden.state.memberByEmail(email);
  return Object.entries(memberStatus).find(([, status]) => status === member?.status)?.[0] ?? null;
}

/** E-mail addresses of the Bitwarden members in a state, sorted. */
export const membersIn = ({ bitwarden }: Stage, state: keyof typeof memberStatus): readonly string[] =>
  [...bitwarden.state.members.values()]
    .filter(({ status }) => status === memberStatus[state])
    .map(({ email }) => email)
    .sort();

/** `person-01@example.com`, … */
export const emails = (count: number, word = "person"): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${word}-${String(index + 1).padStart(2, "0")}@example.com`);
