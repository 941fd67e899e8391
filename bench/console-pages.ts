/**
 * What each page of the console takes over HTTP with 50,000 people, 5,000 groups and 500,000 audit rows:
 * `node bench/console-pages.ts [--rounds 15]`. Medians, the worst of all rounds, and processor time of server and client
 * together (which other work on the machine does not lengthen), in milliseconds; the aim is 200.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import express from "express";
import { planActions, scimTokens } from "../src/app/decisions.ts";
import { statusReport } from "../src/cli/commands/status.ts";
import { parseConfig } from "../src/config/index.ts";
import type { UserRecord, UserWrite } from "../src/domain/ports/scim-store.ts";
import { openSqliteStore } from "../src/store/index.ts";
import { createAccess } from "../src/web/access/access.ts";
import { createConsole } from "../src/web/console/router.ts";
import { fillLarge } from "./support/large-directory.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "15" } } });
const nowMs = 1_800_000_000_000;
// It goes on, faster than it does: what is remembered for two seconds is asked for again each time.
let skippedMs = 0;
const now = () => nowMs + skippedMs + performance.now();
const connections = ["bitwarden", "onepassword"];
const work = mkdtempSync(join(tmpdir(), "rollcall-bench-"));
const path = join(work, "rollcall.db");
const token = "bench-admin-token-0123456789";

await (await openSqliteStore(path)).close();
fillLarge(path, { people: 50_000, groups: 5000, membersPerGroup: 20, auditRows: 500_000, connections, nowMs });
const store = await openSqliteStore(path);
const config = parseConfig(
  JSON.stringify({
    admin: { token },
    sources: { okta: { type: "scim", token: "bench-scim-token-0123456789" } },
    targets: {
      bitwarden: {
        type: "bitwarden",
        region: "us",
        clientId: "organization.00000000-0000-0000-0000-000000000000",
        clientSecret: "x",
      },
      onepassword: {
        type: "onepassword",
        region: "com",
        accountId: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        clientId: "x",
        clientSecret: "x",
      },
    },
  }),
  { fileName: "bench.yaml", baseDir: work, env: {} },
);
const access = createAccess({
  tokens: [{ role: "admin", token }],
  moreSecrets: [],
  publicUrl: null,
  isTls: false,
  now,
});
const no = () => Promise.reject(new Error("not in this bench"));
const app = express();
app.use(access.identify);
app.use(
  createConsole({
    access,
    oidc: null,
    version: "bench",
    isSandbox: false,
    now,
    sleep: async () => undefined,
    status: () => statusReport(config, store, nowMs),
    record: async () => undefined,
    log: (_level, message, fields) => console.error(message, fields),
    vendorUrl: () => null,
    reader: store,
    trail: store,
    connections: {
      cannotStore: () => null,
      listConnections: async () => [],
      verifyConnection: no,
      saveConnection: no,
      rotateSecret: no,
      removalConsequences: no,
      removeConnection: no,
      syncNow: () => false,
    },
    actions: planActions(store, no, now),
    scim: scimTokens(config, store, "http://localhost/scim/v2", now),
    stopping: new AbortController().signal,
  }),
);
const server = createServer(app);
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const all = { connections, search: "", source: null, presence: null, standing: null, cursor: null, limit: 1 } as const;
const someone = (await store.people({ ...all, groupId: null })).items[0]?.id;
const group = (await store.groups(all)).items[0]?.id;
const cursor = encodeURIComponent((await store.people({ ...all, groupId: null, limit: 200 })).nextCursor ?? "");
const paths = [
  "/",
  "/people",
  `/people?cursor=${cursor}`,
  "/people?q=berg+4711",
  "/people?q=a",
  "/people?q=zzz",
  "/people?target=bitwarden&state=failed",
  "/people?target=bitwarden&state=pending",
  "/people?state=pending",
  "/people?presence=gone",
  `/people/${someone}`,
  "/groups",
  "/groups?q=team+0",
  `/groups/${group}`,
  "/plan",
  "/connections",
  "/activity",
  "/activity?failed=1",
  "/activity?kind=calls&target=onepassword",
];

const switched = ({ resource }: UserRecord): UserWrite => ({
  resource: { ...resource, active: resource["active"] !== true },
  userName: String(resource["userName"]),
  externalId: null,
  email: String(resource["userName"]),
  emails: [String(resource["userName"])],
  displayName: String(resource["displayName"]),
  isActive: resource["active"] !== true,
});
console.log(
  `${"page".padEnd(42)}${"median".padStart(8)}${"worst".padStart(8)}${"CPU".padStart(8)}${"KiB".padStart(7)}`,
);
for (const each of paths) {
  const took: number[] = [];
  let bytes = 0;
  const cpu = process.cpuUsage();
  for (let round = 0; round < Number(values.rounds); round += 1) {
    // Somebody writes all the time.
    skippedMs += 3000;
    if (someone !== undefined)
      await store.updateUser("okta", someone, null, switched, { actor: "bench", requestId: null });
    const began = performance.now();
    const response = await fetch(base + each, { headers: { authorization: `Bearer ${token}`, accept: "text/html" } });
    bytes = (await response.text()).length;
    took.push(performance.now() - began);
    if (response.status !== 200) throw new Error(`${each}: ${response.status}`);
  }
  const { user, system } = process.cpuUsage(cpu);
  const cpuMs = (user + system) / 1000 / took.length;
  took.sort((a, b) => a - b);
  const [median = 0, worst = 0] = [took[Math.floor(took.length / 2)], took.at(-1)];
  console.log(
    `${each.slice(0, 41).padEnd(42)}${median.toFixed(1).padStart(8)}${worst.toFixed(1).padStart(8)}${cpuMs.toFixed(1).padStart(8)}${(bytes / 1024).toFixed(0).padStart(7)}`,
  );
}
server.close();
server.closeAllConnections();
await store.close();
rmSync(work, { recursive: true, force: true });
