import { mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, it, vi } from "vitest";
import { messageOf } from "../../src/domain/model/errors.ts";
import {
  type Certificates,
  type CertificateWatch,
  describeValidity,
  readCertificates,
  watchCertificates,
} from "../../src/web/http/certificates.ts";
import { authority } from "../support/certificates.ts";

const folder = mkdtempSync(join(tmpdir(), "rollcall-certificates-"));
const watches: CertificateWatch[] = [];
afterEach(() => {
  for (const watch of watches.splice(0)) watch.close();
});
afterAll(() => rmSync(folder, { recursive: true }));
const ca = authority();
const dayMs = 86_400_000;
const path = (name: string): string => join(folder, name);
const files = { certFile: path("cert"), keyFile: path("key"), clientCaFile: null, minVersion: "TLSv1.2" } as const;
const put = (name: string, toMs?: number): void => {
  const { cert, key } = ca.server({ name, ...(toMs === undefined ? {} : { toMs }) });
  writeFileSync(files.certFile, cert);
  writeFileSync(files.keyFile, key);
};

function watch(now: () => number = Date.now) {
  const used: Certificates[] = [];
  const lines: string[] = [];
  watches.push(
    watchCertificates({
      name: "server.tls",
      files,
      inUse: readCertificates("server.tls", files),
      use: (certificates) => used.push(certificates),
      now,
      log: (level, message) => lines.push(`${level}: ${message}`),
      everyMs: 10,
    }),
  );
  return { used, lines };
}

it("changed files are used without a signal, also if a symbolic link was replaced, each once", async () => {
  put("one");
  const { used, lines } = watch();
  put("two");
  await vi.waitUntil(() => used.length === 1);
  const { cert, key } = ca.server({ name: "three" });
  writeFileSync(path("key.3"), key);
  writeFileSync(path("cert.3"), cert);
  for (const name of ["cert", "key"]) {
    unlinkSync(path(name));
    symlinkSync(path(`${name}.3`), path(name));
  }
  await vi.waitUntil(() => used.length === 2);
  expect(used[1]?.subject).toContain("DNS:three");
  for (const name of ["cert", "key"]) unlinkSync(path(name));
  await vi.waitUntil(() => lines.some((line) => line.startsWith("error:")));
  put("three");
  await vi.waitUntil(() => used.length === 3);
  const errors = lines.filter((line) => line.startsWith("error:"));
  expect(errors.length).toBeLessThanOrEqual(3);
  expect(errors[0]).toMatch(/cannot read .*; the certificate in use stays$/);
});

it("expiry is logged once a day from 14 days before, until there is a new certificate", async () => {
  const startMs = Date.now();
  put("ends", startMs + 15 * dayMs);
  let nowMs = startMs;
  const { used, lines } = watch(() => nowMs);
  const told = async (count: number): Promise<void> => {
    await vi.waitUntil(() => lines.length >= count);
    expect(lines).toHaveLength(count);
  };
  await told(0);
  nowMs = startMs + 2 * dayMs;
  await told(1);
  nowMs += dayMs;
  await told(2);
  expect(lines[1]).toMatch(/^warn: server\.tls: the certificate for DNS:ends, .* 1[12] days from now: renew it$/);
  nowMs = startMs + 16 * dayMs;
  await told(3);
  expect(lines[2]).toMatch(/^error: .* expired on /);
  put("fresh", startMs + 90 * dayMs);
  await vi.waitUntil(() => used.length === 1);
  expect(lines.at(-1)).toMatch(/^info: server\.tls: new files are in use; .*DNS:fresh.* 7\d days from now$/);
});

it("a certificate that is not valid yet is reported with the clock as a likely reason", () => {
  put("early");
  const read = readCertificates("server.tls", files);
  expect(describeValidity(read, Date.now() - dayMs)).toMatchObject({
    level: "error",
    message: expect.stringContaining("is the clock right?"),
  });
});

it.each([
  ["an empty file", "", "is not a PEM certificate"],
  ["text", "hello", "is not a PEM certificate"],
  ["half a certificate", ca.cert.slice(0, 200), "is not a PEM certificate"],
  ["far too much", "x".repeat(1024 * 1024 + 1), "larger than 1048576 bytes"],
])("%s as the certificate is refused with the name of the file and without its content", (_, text, why) => {
  put("fine");
  writeFileSync(files.certFile, text);
  let error = "";
  try {
    readCertificates("server.tls", files);
  } catch (thrown) {
    error = `${messageOf(thrown)} ${thrown instanceof Error ? messageOf(thrown.cause) : ""}`;
  }
  expect(error).toContain(`server.tls.certFile: `);
  expect(error).toContain(why);
  expect(error.length).toBeLessThan(400);
});
