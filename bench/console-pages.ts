/**
 * What each page of the console takes over HTTP, with the large directory of `support/large-directory.ts` behind the real
 * `serve`: `node bench/console-pages.ts [--rounds 5]`. Prints median, worst and processor time of the server, in
 * milliseconds. The aim is 200 ms. Before each request a user changes, and what the server remembers for two seconds expires.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { openSqliteStore } from "../src/store/index.ts";
import { groupsQuery, peopleQuery } from "../test/support/queries.ts";
import { adminToken, RollcallProcess, scimToken } from "../test/support/rollcall-process.ts";
import { largeDirectory, targets } from "./support/large-directory.ts";
import { cpuMs, median, tableLine } from "./support/measure.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
using directory = await largeDirectory(Date.now());

const store = await openSqliteStore(directory.path);
const someone = (await store.people(peopleQuery(targets))).items[0]?.id;
const group = (await store.groups(groupsQuery(targets))).items[0]?.id;
const cursor = encodeURIComponent((await store.people(peopleQuery(targets, { limit: 200 }))).nextCursor ?? "");
await store.close();

// Nobody listens there: the targets fail, which pages show without waiting for it.
const nowhere = "http://127.0.0.1:9";
const credentials = { clientId: "organization.00000000-0000-0000-0000-000000000000", clientSecret: "x" };
const rollcall = new RollcallProcess({
  folder: directory.folder,
  storePath: directory.path,
  sources: { okta: { type: "scim", token: scimToken } },
  targets: {
    bitwarden: { type: "bitwarden", apiUrl: nowhere, identityUrl: nowhere, ...credentials },
    onepassword: { type: "onepassword", apiUrl: nowhere, accountId: "ABCDEFGHIJKLMNOPQRSTUVWXYZ", ...credentials },
  },
  reconcile: { every: "24h" },
});
const pages = [
  "/",
  "/people",
  `/people?cursor=${cursor}`,
  "/people?q=berg+4709",
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
  "/targets",
  "/activity",
  "/activity?failed=1",
  "/activity?kind=calls&target=onepassword",
];

try {
  const { pid, adminUrl, scimUrl } = await rollcall.start();
  console.log(tableLine("page", ["median", "worst", "CPU", "KiB"]));
  for (const page of pages) {
    const tookMs: number[] = [];
    const usedMs: number[] = [];
    let bytes = 0;
    for (let round = 0; round < Number(values.rounds); round += 1) {
      const changed = await fetch(`${scimUrl}/Users/${someone}`, {
        method: "PATCH",
        headers: { authorization: `Bearer ${scimToken}`, "content-type": "application/scim+json" },
        body: JSON.stringify({
          schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
          Operations: [{ op: "replace", path: "title", value: `Title ${round}` }],
        }),
      });
      if (!changed.ok) throw new Error(`PATCH was answered ${changed.status}: ${await changed.text()}`);
      await delay(2100);
      const [startedAt, cpuBefore] = [performance.now(), cpuMs(pid)];
      const headers = { authorization: `Bearer ${adminToken}`, accept: "text/html" };
      const response = await fetch(adminUrl + page, { headers });
      bytes = (await response.text()).length;
      tookMs.push(performance.now() - startedAt);
      usedMs.push(cpuMs(pid) - cpuBefore);
      if (response.status !== 200) throw new Error(`${page}: ${response.status}`);
    }
    console.log(tableLine(page, [median(tookMs), Math.max(...tookMs), median(usedMs), bytes / 1024]));
  }
} finally {
  await rollcall.stop();
}
