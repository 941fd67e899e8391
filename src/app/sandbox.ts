import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { dirname, join, resolve } from "node:path";
import { parse, stringify } from "yaml";
import { masterKeyBytes } from "../crypto/key-ring.ts";
import { newToken } from "../crypto/tokens.ts";
import { messageOf, RollcallError } from "../domain/model/errors.ts";
import { emulators, type RunningEmulator } from "../sandbox/emulators.ts";
import { sandboxConfigPath, usualConfigPath } from "./config-location.ts";
import type { Terminal } from "./context.ts";

/** Running emulators, filled with the made-up company, and the targets of a configuration for them. */
interface Emulators {
  readonly targets: Readonly<Record<string, RunningEmulator["target"]>>;
  close(): Promise<void>;
}

/**
 * Starts the emulators. Their state is kept in the folder. `firstPort` is the port of the first one, the others follow;
 * 0 means any free port. @throws `CONFIG_INVALID` if a port is in use
 */
export async function startEmulators(directory: string, firstPort: number): Promise<Emulators> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const running: RunningEmulator[] = [];
  const targets: Record<string, RunningEmulator["target"]> = {};
  const close = async () => void (await Promise.all(running.map((each) => each.close())));
  for (const [index, { type, stateFile, start }] of emulators.entries()) {
    const port = firstPort === 0 ? 0 : firstPort + index;
    try {
      const emulator = await start({ port, persistFile: join(directory, stateFile) });
      running.push(emulator);
      targets[type] = emulator.target;
    } catch (cause) {
      await close();
      throw new RollcallError(
        "CONFIG_INVALID",
        `cannot listen on 127.0.0.1:${port}: ${messageOf(cause)}; --port takes another`,
        { cause },
      );
    }
  }
  if (running.every(({ isEmpty }) => isEmpty)) {
    for (const { seed } of running) seed();
    await Promise.all(running.map(({ flush }) => flush()));
  }
  return { targets, close };
}

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
  const emulators = await startEmulators(dirname(sandboxConfigPath), 0);
  const { scimToken, adminToken } = keptTokens() ?? {
    scimToken: newToken(),
    adminToken: randomBytes(24).toString("base64url"),
  };
  const [scimPort, adminPort] = await freePorts([8080, 8081]);
  const config = {
    server: { listen: `127.0.0.1:${scimPort}` },
    admin: { listen: `127.0.0.1:${adminPort}`, token: adminToken },
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

/**
 * Returns each port if it is free, else another: the first try must work even if 8080 is in use. The other commands find
 * the ports in the configuration.
 */
async function freePorts(usual: readonly number[]): Promise<readonly number[]> {
  const probes = await Promise.all(usual.map((port) => listenOn(port).catch(() => listenOn(0))));
  const ports = probes.map((probe) => (probe.address() as AddressInfo).port);
  await Promise.all(probes.map((probe) => probe[Symbol.asyncDispose]()));
  return ports;
}

const listenOn = (port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
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
