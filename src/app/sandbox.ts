import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { parse, stringify } from "yaml";
import { printJson } from "../cli/output/print.ts";
import { masterKeyBytes } from "../crypto/key-ring.ts";
import { newToken } from "../crypto/tokens.ts";
import { messageOf, RollcallError } from "../domain/model/errors.ts";
import {
  type BitwardenSandbox,
  company,
  type OnePasswordSandbox,
  seedCompany,
  startBitwarden,
  startOnePassword,
} from "../sandbox/index.ts";
import { aborted, interruption } from "../server/signals.ts";
import { sandboxConfigPath, usualConfigPath } from "./config-location.ts";
import type { Context, GlobalOptions, Terminal } from "./context.ts";

/** Both emulated vendors, filled with the made-up company. */
interface Vendors {
  readonly bitwarden: BitwardenSandbox;
  readonly onePassword: OnePasswordSandbox;
  close(): Promise<void>;
}

async function startVendors(directory: string, ports: readonly [number, number]): Promise<Vendors> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const cannot =
    (port: number) =>
    (cause: unknown): never => {
      throw new RollcallError(
        "CONFIG_INVALID",
        `cannot listen on 127.0.0.1:${port}: ${messageOf(cause)}; --port takes another`,
        { cause },
      );
    };
  const bitwarden = await startBitwarden({ port: ports[0], persistFile: join(directory, "bitwarden.json") }).catch(
    cannot(ports[0]),
  );
  const onePassword = await startOnePassword({ port: ports[1], persistFile: join(directory, "1password.json") }).catch(
    async (cause: unknown) => {
      await bitwarden.close();
      return cannot(ports[1])(cause);
    },
  );
  if (bitwarden.state.isEmpty && onePassword.state.isEmpty) {
    seedCompany(bitwarden.state, onePassword.state);
    await Promise.all([bitwarden.flush(), onePassword.flush()]);
  }
  return {
    bitwarden,
    onePassword,
    close: async () => void (await Promise.all([bitwarden.close(), onePassword.close()])),
  };
}

const targetsOf = ({ bitwarden, onePassword }: Vendors) => ({
  bitwarden: {
    type: "bitwarden",
    apiUrl: bitwarden.apiUrl,
    identityUrl: bitwarden.identityUrl,
    clientId: bitwarden.clientId,
    clientSecret: bitwarden.clientSecret,
  },
  onepassword: {
    type: "onepassword",
    apiUrl: onePassword.apiUrl,
    accountId: onePassword.accountId,
    clientId: onePassword.clientId,
    clientSecret: onePassword.clientSecret,
    // 1Password's API shows no roles: whom to leave alone has to be said.
    protect: [company.owner],
  },
});

/** What `serve` without a configuration runs: emulated vendors, and a configuration written for it under ./data. */
export interface SandboxRun {
  readonly configPath: string;
  readonly scimToken: string;
  readonly adminToken: string;
  close(): Promise<void>;
}

const storeSetting = "../rollcall.db";

/** The database of the sandbox. */
export const sandboxStorePath = (): string => resolve(dirname(sandboxConfigPath), storeSetting);

/** Starts the sandbox; a second start keeps its state and its tokens. The caller holds the lock of its database. */
export async function startSandbox(terminal: Terminal): Promise<SandboxRun> {
  if (existsSync(usualConfigPath))
    terminal.note(`rollcall: ./${usualConfigPath} is not used; for that, run "rollcall serve -c ${usualConfigPath}"`);
  const vendors = await startVendors(dirname(sandboxConfigPath), [0, 0]);
  const { scimToken, adminToken } = keptTokens() ?? {
    scimToken: newToken(),
    adminToken: randomBytes(24).toString("base64url"),
  };
  const config = {
    server: { listen: `127.0.0.1:${await portOrAny(8080)}` },
    admin: { listen: `127.0.0.1:${await portOrAny(8081)}`, token: adminToken },
    store: `sqlite:${storeSetting}`,
    masterKey: `file:${keptKey()}`,
    sources: { sandbox: { type: "scim", token: scimToken } },
    targets: targetsOf(vendors),
  };
  const note =
    "# Written by `rollcall serve` without a configuration: an emulated Bitwarden and 1Password, nothing real.\n";
  writeFileSync(sandboxConfigPath, note + stringify(config), { mode: 0o600 });
  return { configPath: sandboxConfigPath, scimToken, adminToken, close: () => vendors.close() };
}

/** The key that encrypts what is connected in the sandbox's console: made once. */
function keptKey(): string {
  const name = "master.key";
  const path = join(dirname(sandboxConfigPath), name);
  if (!existsSync(path))
    writeFileSync(path, `${randomBytes(masterKeyBytes).toString("base64")}\n`, { mode: 0o600, flag: "wx" });
  return name;
}

/** The port when nobody listens there, else 0 for any: something else on 8080 must not spoil the first try. */
const portOrAny = (port: number): Promise<number> =>
  new Promise((found) => {
    const probe = createServer();
    probe.once("error", () => found(0));
    probe.listen(port, "127.0.0.1", () => probe.close(() => found(port)));
  });

function keptTokens(): { readonly scimToken: string; readonly adminToken: string } | null {
  if (!existsSync(sandboxConfigPath)) return null;
  const kept = parse(readFileSync(sandboxConfigPath, "utf8")) as {
    readonly admin?: { readonly token?: string };
    readonly sources?: { readonly sandbox?: { readonly token?: string } };
  };
  const scimToken = kept.sources?.sandbox?.token;
  const adminToken = kept.admin?.token;
  return scimToken === undefined || adminToken === undefined ? null : { scimToken, adminToken };
}

/** Whom the banner hires: somebody whom 1Password has already, as its API can't invite, and Bitwarden has not. */
const firstPerson = "joan.clarke@example.com";

/** What `npm start` says first. */
export function sandboxBanner(
  scimUrl: string,
  adminUrl: string,
  { scimToken, adminToken, configPath }: SandboxRun,
): string {
  const person = JSON.stringify({
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
    userName: firstPerson,
    active: true,
    name: { givenName: "Joan", familyName: "Clarke" },
    emails: [{ value: firstPerson, primary: true }],
  });
  return [
    "",
    "  Rollcall SANDBOX: an emulated Bitwarden organization and 1Password account of a made-up",
    "  company run in this process. Nothing here is real, and nothing leaves this machine.",
    "",
    `  SCIM base URL  ${scimUrl}`,
    `  SCIM token     ${scimToken}`,
    `  Admin URL      ${adminUrl}   (the console; open it in a browser)`,
    `  Admin token    ${adminToken}   (sign in with it)`,
    `  State          ./data   (configuration: ${configPath})`,
    "",
    "  Hire somebody (found in 1Password at once, and invited to Bitwarden two seconds later):",
    `  curl -H 'Authorization: Bearer ${scimToken}' -H 'Content-Type: application/scim+json' -d '${person}' ${scimUrl}/Users`,
    "",
    `  Then look:  the console, or  npx rollcall status    npx rollcall user ${firstPerson}`,
    "",
  ].join("\n");
}

/** `rollcall sandbox`: only the emulators, until a signal ends them. Each port has a state of its own. */
export async function emulate(
  { terminal }: Context,
  options: { readonly port: number } & GlobalOptions,
): Promise<number> {
  const interrupted = interruption();
  const directory = `data/sandbox-${options.port}`;
  const vendors = await startVendors(directory, [options.port, options.port + 1]);
  const config = { sources: { idp: { type: "scim" } }, targets: targetsOf(vendors) };
  terminal.note(
    `Emulated Bitwarden and 1Password of a made-up company run until Ctrl-C; nothing here is real. State: ./${directory}. A configuration for them; "rollcall token create --source idp -c FILE" makes its SCIM token, and a section "admin: { token: … }" opens the console:\n`,
  );
  if (options.json) printJson(terminal, config);
  else terminal.out(stringify(config));
  await aborted(interrupted);
  await vendors.close();
  return 0;
}
