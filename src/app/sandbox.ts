import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { parse, stringify } from "yaml";
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
import { sandboxConfigPath, usualConfigPath } from "./config-location.ts";
import type { Terminal } from "./context.ts";

/** The emulated vendors, filled with the made-up company, and the targets of a configuration for them. */
interface Emulators {
  readonly targets: ReturnType<typeof targetsOf>;
  close(): Promise<void>;
}

/** Starts the emulators. Their state is kept in the folder. @throws `CONFIG_INVALID` if a port is in use */
export async function startEmulators(directory: string, ports: readonly [number, number]): Promise<Emulators> {
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
    targets: targetsOf(bitwarden, onePassword),
    close: async () => void (await Promise.all([bitwarden.close(), onePassword.close()])),
  };
}

const targetsOf = (bitwarden: BitwardenSandbox, onePassword: OnePasswordSandbox) => ({
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
    // 1Password's API shows no roles: the owner has to be protected by name.
    protect: [company.owner],
  },
});

/** The sandbox of `serve` without a configuration: emulated vendors, and a configuration for them under ./data. */
export interface SandboxRun {
  readonly configPath: string;
  readonly scimToken: string;
  readonly adminToken: string;
  close(): Promise<void>;
}

const storeSetting = "../rollcall.db";

/** Path of the sandbox's database. */
export const sandboxStorePath = (): string => resolve(dirname(sandboxConfigPath), storeSetting);

/** Starts the sandbox. A second start keeps its state and its tokens. The caller holds the lock of its database. */
export async function startSandbox(terminal: Terminal): Promise<SandboxRun> {
  if (existsSync(usualConfigPath))
    terminal.note(`rollcall: ./${usualConfigPath} is not used; for that, run "rollcall serve -c ${usualConfigPath}"`);
  const emulators = await startEmulators(dirname(sandboxConfigPath), [0, 0]);
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
    targets: emulators.targets,
  };
  const note =
    "# Written by `rollcall serve` without a configuration: an emulated Bitwarden and 1Password, nothing real.\n";
  writeFileSync(sandboxConfigPath, note + stringify(config), { mode: 0o600 });
  return { configPath: sandboxConfigPath, scimToken, adminToken, close: () => emulators.close() };
}

/** The key that encrypts credentials of connections made in the sandbox's console. Made at the first start. */
function keptKey(): string {
  const name = "master.key";
  const path = join(dirname(sandboxConfigPath), name);
  if (!existsSync(path))
    writeFileSync(path, `${randomBytes(masterKeyBytes).toString("base64")}\n`, { mode: 0o600, flag: "wx" });
  return name;
}

/** Returns the port if it is free, else 0 for any port: the first try must work even if 8080 is in use. */
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
