import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { golden, run } from "./process.ts";

/** A certificate authority with a server certificate for localhost and 127.0.0.1 and a client certificate `DC=org,DC=example,CN=sync`. */
export const certificates = (): Promise<string> =>
  golden("ca-1", async (folder) => {
    const file = (name: string): string => join(folder, name);
    const openssl = (...args: readonly string[]): string => run("openssl", args);
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file("ca.key"));
    openssl(
      "req",
      "-x509",
      "-new",
      "-key",
      file("ca.key"),
      "-sha256",
      "-days",
      "3650",
      "-subj",
      "/CN=Test CA",
      "-out",
      file("ca.pem"),
      "-addext",
      "basicConstraints=critical,CA:TRUE",
      "-addext",
      "keyUsage=critical,keyCertSign,cRLSign",
    );
    for (const [name, subject, usage, names] of [
      ["server", "/CN=localhost", "serverAuth", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
      ["client", "/DC=org/DC=example/CN=sync", "clientAuth", ""],
    ] as const) {
      writeFileSync(
        file(`${name}.ext`),
        `basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=${usage}\n${names}\n`,
      );
      openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file(`${name}.key`));
      openssl("req", "-new", "-key", file(`${name}.key`), "-subj", subject, "-out", file(`${name}.csr`));
      openssl(
        "x509",
        "-req",
        "-in",
        file(`${name}.csr`),
        "-CA",
        file("ca.pem"),
        "-CAkey",
        file("ca.key"),
        "-CAcreateserial",
        "-sha256",
        "-days",
        "3650",
        "-out",
        file(`${name}.pem`),
        "-extfile",
        file(`${name}.ext`),
      );
    }
    run("chmod", ["600", file("ca.key"), file("server.key"), file("client.key")]);
  });
