import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { authority } from "../certificates.ts";
import { golden } from "../server-process.ts";

/**
 * A folder with `ca.pem`, `server.pem` for localhost and 127.0.0.1, `client.pem` with the subject CN=sync, and their keys.
 * It is made once per machine.
 */
export const certificates = (): Promise<string> =>
  golden("ca-2", async (folder) => {
    const ca = authority();
    const write = (name: string, text: string): void => writeFileSync(join(folder, name), text, { mode: 0o600 });
    write("ca.pem", ca.cert);
    for (const [name, { cert, key }] of [
      ["server", ca.server({ name: "localhost" })],
      ["client", ca.client({ name: "sync" })],
    ] as const) {
      write(`${name}.pem`, cert);
      write(`${name}.key`, key);
    }
  });
