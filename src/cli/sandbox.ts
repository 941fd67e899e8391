import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { company, type BitwardenSandbox, type OnePasswordSandbox, seedCompany, startBitwarden, startOnePassword } from "../sandbox/index.ts";
import { newToken } from "../web/authenticate.ts";
import type { Composition, GlobalOptions } from "./composition.ts";
import { sandboxConfigPath } from "./locate.ts";

/** Both emulated vendors, filled with the made-up company. */
interface Vendors {
  readonly bitwarden: BitwardenSandbox;
  readonly onePassword: OnePasswordSandbox;
  close(): Promise<void>;
}

async function startVendors(directory: string, ports: readonly [number, number]): Promise<Vendors> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const [bitwarden, onePassword] = await Promise.all([
    startBitwarden({ port: ports[0], persistFile: join(directory, "bitwarden.json") }),
    startOnePassword({ port: ports[1], persistFile: join(directory, "1password.json") }),
  ]);
  if (bitwarden.state.isEmpty && onePassword.state.isEmpty) {
    seedCompany(bitwarden.state, onePassword.state);
    await Promise.all([bitwarden.flush(), onePassword.flush()]);
  }
  return { bitwarden, onePassword, close: async () => void (await Promise.all([bitwarden.close(), onePassword.close()])) };
}

const targetsOf = ({ bitwarden, onePassword }: Vendors) => ({
  bitwarden: {
    type: "bitwarden", apiUrl: bitwarden.apiUrl, identityUrl: bitwarden.identityUrl, clientId: bitwarden.clientId, clientSecret: bitwarden.clientSecret,
  },
  onepassword: {
    type: "onepassword", apiUrl: onePassword.apiUrl, accountId: onePassword.accountId, clientId: onePassword.clientId, clientSecret: onePassword.clientSecret,
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

/** Starts the sandbox; a second start keeps its state and its tokens. */
export async function startSandbox(): Promise<SandboxRun> {
  const vendors = await startVendors("data/sandbox", [0, 0]);
  const { scimToken, adminToken } = keptTokens() ?? { scimToken: newToken(), adminToken: randomBytes(24).toString("base64url") };
  const config = {
    server: { listen: "127.0.0.1:8080" },
    admin: { listen: "127.0.0.1:8081", token: adminToken },
    store: "sqlite:../rollcall.db",
    sources: { sandbox: { type: "scim", token: scimToken } },
    targets: targetsOf(vendors),
  };
  const note = "# Written by `rollcall serve` without a configuration: an emulated Bitwarden and 1Password, nothing real.\n";
  writeFileSync(sandboxConfigPath, note + stringify(config), { mode: 0o600 });
  return { configPath: sandboxConfigPath, scimToken, adminToken, close: () => vendors.close() };
}

function keptTokens(): { readonly scimToken: string; readonly adminToken: string } | null {
  if (!existsSync(sandboxConfigPath)) return null;
  const kept = parse(readFileSync(sandboxConfigPath, "utf8")) as { readonly admin?: { readonly token?: string }; readonly sources?: { readonly sandbox?: { readonly token?: string } } };
  const scimToken = kept.sources?.sandbox?.token;
  const adminToken = kept.admin?.token;
  return scimToken === undefined || adminToken === undefined ? null : { scimToken, adminToken };
}

/** What `npm start` says first. */
export function sandboxBanner(scimUrl: string, adminUrl: string, { scimToken, adminToken, configPath }: SandboxRun): string {
  const person = JSON.stringify({
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"], userName: "new.person@example.com", active: true,
    name: { givenName: "New", familyName: "Person" }, emails: [{ value: "new.person@example.com", primary: true }],
  });
  return [
    "",
    "  Rollcall SANDBOX: an emulated Bitwarden organization and 1Password account of a made-up",
    "  company run in this process. Nothing here is real, and nothing leaves this machine.",
    "",
    `  SCIM base URL  ${scimUrl}/scim/v2`,
    `  SCIM token     ${scimToken}`,
    `  Admin URL      ${adminUrl}   (/metrics and /api/v1/status)`,
    `  Admin token    ${adminToken}`,
    `  State          ./data   (configuration: ${configPath})`,
    "",
    "  Hire somebody (they are invited to Bitwarden two seconds later):",
    `  curl -H 'Authorization: Bearer ${scimToken}' -H 'Content-Type: application/scim+json' -d '${person}' ${scimUrl}/scim/v2/Users`,
    "",
    "  Then look:  npx rollcall status    npx rollcall user new.person@example.com",
    "",
  ].join("\n");
}

/** `rollcall sandbox`: only the emulators, until a signal ends them. */
export async function emulate({ terminal }: Composition, options: { readonly port: number } & GlobalOptions): Promise<number> {
  const vendors = await startVendors("data/sandbox", [options.port, options.port + 1]);
  terminal.note("Emulated Bitwarden and 1Password of a made-up company; nothing here is real. Put this into a configuration:\n");
  terminal.out(stringify({ targets: targetsOf(vendors) }));
  await new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
  await vendors.close();
  return 0;
}
