/**
 * Time of the store alone: `node bench/store.ts [--writes 30000] [--import 50000] [--rounds 5]`. Creates users, 64 at a time,
 * which share commits. Then commits the first snapshot of an LDAP source. Prints medians, also of processor time, which
 * does not depend on other work of the machine. Writes are durable, in the temporary folder.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openSqliteStore } from "../src/store/index.ts";
import { sourceUser } from "../test/support/entities.ts";
import { median } from "./support/measure.ts";

const { values } = parseArgs({
  options: {
    writes: { type: "string", default: "30000" },
    import: { type: "string", default: "50000" },
    rounds: { type: "string", default: "5" },
  },
});
const cause = { actor: "scim:bench (token 1a2b3c4d)", requestId: "0b47dca4-0ba5-4626-b773-40f433875bbe" };
const concurrency = 64;
const pageSize = 1000;

interface Duration {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

async function measured(work: () => Promise<unknown>): Promise<Duration> {
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: (user + system) / 1e6 };
}

async function writes(path: string, count: number): Promise<Duration> {
  const store = await openSqliteStore(path);
  let next = 0;
  const took = await measured(() =>
    Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (next < count) {
          next += 1;
          const email = `person-${next}@example.com`;
          await store.createUser(
            "bench",
            {
              resource: { userName: email, active: true, emails: [{ value: email, primary: true }] },
              userName: email,
              externalId: `ext-${next}`,
              email,
              emails: [email],
              displayName: `Person ${next}`,
              isActive: true,
            },
            cause,
          );
        }
      }),
    ),
  );
  await store.close();
  return took;
}

/** Measures the commit of a first snapshot. */
async function firstSnapshot(path: string, count: number): Promise<Duration> {
  const store = await openSqliteStore(path);
  const snapshot = await store.beginSnapshot("corp");
  for (let start = 0; start < count; start += pageSize)
    await snapshot.addUsers(
      Array.from({ length: Math.min(pageSize, count - start) }, (_, at) => sourceUser(`person-${start + at}`)),
    );
  const options = { nowMs: Date.now(), minKeptPercent: 80, acceptShrink: false, cursor: null };
  const took = await measured(() => snapshot.commit(options, cause));
  await store.close();
  return took;
}

const folder = mkdtempSync(join(tmpdir(), "rollcall-bench-"));
try {
  const written: Duration[] = [];
  const imported: Duration[] = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    written.push(await writes(join(folder, `writes-${round}.db`), Number(values.writes)));
    imported.push(await firstSnapshot(join(folder, `import-${round}.db`), Number(values.import)));
  }
  const count = Number(values.writes);
  const of = (took: readonly Duration[], key: keyof Duration): number => median(took.map((each) => each[key]));
  console.log(
    `${count} people one by one: ${Math.round(count / of(written, "seconds"))} a second, ${((of(written, "cpuSeconds") / count) * 1e6).toFixed(1)} µs of CPU each`,
  );
  console.log(
    `a first snapshot of ${values.import} people: ${of(imported, "seconds").toFixed(2)} s, ${of(imported, "cpuSeconds").toFixed(2)} s of CPU`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
