import type { GlobalOptions, Terminal } from "../../app/context.ts";
import type { SandboxRun } from "../../app/sandbox.ts";
import type { Started } from "../../server/server.ts";
import { targetDefinitions } from "../../targets/registry.ts";
import { printJson } from "./print.ts";

/** Prints the addresses as JSON, or the banner of the sandbox. */
export function announce(
  terminal: Terminal,
  { json }: Pick<GlobalOptions, "json">,
  { scimUrl, adminUrl, sandbox }: Started,
): void {
  if (json) {
    const { configPath, scimToken, adminToken } = sandbox ?? {};
    printJson(terminal, {
      scimUrl,
      adminUrl,
      sandbox: sandbox && { configuration: configPath, scimToken, adminToken },
    });
  } else if (sandbox !== null) terminal.out(sandboxBanner(scimUrl, adminUrl ?? "", sandbox));
}

/** The person of the example request. Has an account in the emulator that can't invite, and none in the other one. */
const firstPerson = "joan.clarke@example.com";

function sandboxBanner(scimUrl: string, adminUrl: string, { scimToken, adminToken, configPath }: SandboxRun): string {
  const person = JSON.stringify({
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
    userName: firstPerson,
    active: true,
    name: { givenName: "Joan", familyName: "Clarke" },
    emails: [{ value: firstPerson, primary: true }],
  });
  return [
    "",
    `  Rollcall SANDBOX: the emulated password managers of a made-up company (${targetDefinitions.map(({ product }) => product).join(", ")})`,
    "  run in this process. Nothing here is real, and nothing leaves this machine.",
    "",
    `  SCIM base URL  ${scimUrl}`,
    `  SCIM token     ${scimToken}`,
    `  Admin URL      ${adminUrl}   (the console; open it in a browser)`,
    `  Admin token    ${adminToken}   (sign in with it)`,
    `  State          ./data   (configuration: ${configPath})`,
    "",
    "  Hire somebody (one target has the account already; the other one invites two seconds later):",
    `  curl -H 'Authorization: Bearer ${scimToken}' -H 'Content-Type: application/scim+json' -d '${person}' ${scimUrl}/Users`,
    "",
    `  Then open the console, or run:  npx rollcall status    npx rollcall user ${firstPerson}`,
    "",
  ].join("\n");
}
