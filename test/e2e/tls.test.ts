import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { request } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { text as bodyOf } from "node:stream/consumers";
import { type ConnectionOptions, connect as secureConnect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { authority, type Issued } from "../support/certificates.ts";
import { adminToken, scimToken } from "../support/rollcall-process.ts";
import { makeStage, type Serving, type Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const ca = authority();
const clients = authority("Client CA");
let stage: Stage;
let serve: Serving;
const write = (name: string, { cert, key }: Issued): void => {
  writeFileSync(join(stage.folder, `${name}.pem`), cert);
  writeFileSync(join(stage.folder, `${name}.key`), key);
};
const dayMs = 86_400_000;

beforeAll(async () => {
  stage = await makeStage();
  write("server", ca.server({ name: "one.example.com" }));
  write("admin", ca.server({ name: "admin.example.com", toMs: Date.now() + 3.5 * dayMs }));
  writeFileSync(join(stage.folder, "clients.pem"), clients.cert);
  await stage.configure({
    server: { listen: "127.0.0.1:0", tls: { certFile: "server.pem", keyFile: "server.key", minVersion: "1.3" } },
    admin: {
      listen: "127.0.0.1:0",
      token: adminToken,
      tls: { certFile: "admin.pem", keyFile: "admin.key", clientCaFile: "clients.pem" },
    },
    targets: {},
  });
  serve = await stage.serve();
});
afterAll(() => stage[Symbol.asyncDispose]());

const get = (url: string, token: string, options: ConnectionOptions = {}): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    request(url, { agent: false, ca: ca.cert, headers, ...options }, (response) => {
      bodyOf(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
    })
      .once("error", reject)
      .end();
  });
/** The name in the certificate that is shown, and the version that is spoken. */
async function shown(url: string, options: ConnectionOptions = {}) {
  const socket = secureConnect({ host: "127.0.0.1", port: Number(new URL(url).port), ca: ca.cert, ...options });
  await once(socket, "secureConnect");
  const name = socket.getPeerX509Certificate()?.subject;
  const version = socket.getProtocol();
  socket.destroy();
  return { name, version };
}

describe("TLS of the SCIM listener", () => {
  it("uses the certificate of the files, links with https, and refuses lower versions of TLS", async () => {
    expect(serve.scimUrl).toMatch(/^https:/);
    const { status, text } = await get(`${serve.scimUrl}/ServiceProviderConfig`, scimToken);
    expect([status, JSON.parse(text).meta.location]).toEqual([200, `${serve.scimUrl}/ServiceProviderConfig`]);
    expect(await shown(serve.scimUrl)).toEqual({ name: "CN=one.example.com", version: "TLSv1.3" });
    await expect(shown(serve.scimUrl, { maxVersion: "TLSv1.2" })).rejects.toThrow(/protocol version|handshake/i);
  });

  it("uses new files without a restart, and keeps the old certificate while they are invalid", async () => {
    const next = ca.server({ name: "two.example.com" });
    const kept = secureConnect({ host: "127.0.0.1", port: Number(new URL(serve.scimUrl).port), ca: ca.cert });
    await once(kept, "secureConnect");
    // Half of the pair: the key of the old certificate stays for a moment.
    writeFileSync(join(stage.folder, "server.pem"), next.cert);
    serve.child.kill("SIGHUP");
    await until(() => expect(serve.stderr()).toMatch(/server\.key is not the key of .*the certificate in use stays/));
    expect((await shown(serve.scimUrl)).name).toBe("CN=one.example.com");
    writeFileSync(join(stage.folder, "server.key"), "no key at all");
    serve.child.kill("SIGHUP");
    await until(() => expect(serve.stderr()).toMatch(/server\.key is not a PEM private key/));
    expect((await get(`${serve.baseUrl}/healthz`, "")).status).toBe(200);
    writeFileSync(join(stage.folder, "server.key"), next.key);
    serve.child.kill("SIGHUP");
    await until(async () => expect((await shown(serve.scimUrl)).name).toBe("CN=two.example.com"));
    // A connection from before goes on.
    kept.write(`GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(String((await once(kept, "data"))[0])).toMatch(/^HTTP\/1\.1 200/);
    kept.destroy();
    expect(serve.stderr()).toContain("server.tls: new files are in use");
    expect(serve.isOver()).toBe(false);
  });

  it("closes connections of plain HTTP and of garbage, and continues", async () => {
    for (const text of ["GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x00\x05hello", "\0".repeat(5000)]) {
      const socket = connect(Number(new URL(serve.scimUrl).port), "127.0.0.1");
      socket.on("error", () => undefined).resume();
      socket.write(text);
      await once(socket, "close");
    }
    expect((await get(`${serve.baseUrl}/readyz`, "")).status).toBe(200);
  });
});

describe("client certificates", () => {
  const metrics = (): string => `${serve.adminUrl}/metrics`;

  it("are required: a client without one, or with one of another authority, fails in the handshake", async () => {
    await expect(get(metrics(), adminToken)).rejects.toThrow(/certificate required|ECONNRESET|socket hang up/i);
    await expect(get(metrics(), adminToken, ca.client({ name: "stranger" }))).rejects.toThrow(
      /unknown ca|decrypt|ECONNRESET|socket hang up/i,
    );
    const past = clients.client({ name: "past", toMs: Date.now() - dayMs });
    await expect(get(metrics(), adminToken, past)).rejects.toThrow(/expired|ECONNRESET|socket hang up/i);
    const known = clients.client({ name: "prometheus" });
    expect((await get(metrics(), adminToken, known)).status).toBe(200);
    // It takes no token's place.
    expect((await get(metrics(), "wrong", known)).status).toBe(401);
  });
});

describe("the end of a certificate", () => {
  it("is logged from 14 days before, and shown by check", async () => {
    expect(serve.stderr()).toMatch(
      /"level":"warn".*admin\.tls: the certificate for DNS:admin\.example\.com, .* is valid until 20\d\d-\d\d-\d\d, 3 days from now: renew it/,
    );
    const { json, code } = await stage.run("check", "--json");
    const findings = json.findings as readonly {
      readonly name: string;
      readonly level: string;
      readonly message: string;
    }[];
    expect(code).toBe(0);
    expect(findings.find(({ name }) => name === "server")).toMatchObject({
      level: "ok",
      message: expect.stringMatching(/DNS:two\.example\.com.* is valid until /),
    });
    expect(findings.find(({ name }) => name === "admin")).toMatchObject({ level: "warning" });
    write("admin", ca.server({ name: "admin.example.com", fromMs: Date.now() - 9 * dayMs, toMs: Date.now() - dayMs }));
    const expired = await stage.run("check", "--json");
    expect([expired.code, expired.stdout]).toEqual([1, expect.stringContaining("expired on 20")]);
  });

  it("and an unusable file is an error at the start that names it", async () => {
    const broken = { listen: "127.0.0.1:0", tls: { certFile: "clients.pem", keyFile: "server.key" } };
    await stage.configure({ server: broken, store: "sqlite:./other.db", targets: {} });
    const { code, stderr } = await stage.run("serve");
    expect(code).toBe(1);
    expect(stderr).toMatch(/server\.tls\.keyFile: \S+server\.key is not the key of \S+clients\.pem/);
    await stage.configure({ server: { ...broken, tls: { certFile: "none.pem", keyFile: "server.key" } }, targets: {} });
    expect((await stage.run("check")).stdout).toMatch(
      /ERROR +server +server\.tls\.certFile: cannot read \S+none\.pem \(ENOENT/,
    );
  });
});
