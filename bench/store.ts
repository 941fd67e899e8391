/**
 * What the store alone takes: `node bench/store.ts [--writes 30000] [--import 50000] [--rounds 5]`. People made one by
 * one, 64 at a time (they share commits), then the commit of a first picture of an LDAP source. Medians, in processor time too: that
 * does not depend on what else the machine does. Durable, in the temporary folder.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { SourceUser } from "../src/domain/ports/import-store.ts";
import { openSqliteStore } from "../src/store/index.ts";
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

interface Taken {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

async function measured(work: () => Promise<unknown>): Promise<Taken> {
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: (user + system) / 1e6 };
}

async function writes(path: string, count: number): Promise<Taken> {
  const store = await openSqliteStore(path);
  let next = 0;
  const taken = await measured(() =>
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
  return taken;
}

const person = (at: number): SourceUser => ({
  externalId: `key-${at}`,
  entryId: `key-${at}`,
  locators: [`uid=person-${at},ou=people,dc=example,dc=com`],
  memberOf: [],
  userName: `person-${at}`,
  email: `person-${at}@example.com`,
  displayName: `Person ${at}`,
  isActive: true,
  activeUntilMs: null,
});

/** The commit. */
async function firstPicture(path: string, count: number): Promise<Taken> {
  const store = await openSqliteStore(path);
  const snapshot = await store.beginSnapshot("corp");
  for (let start = 0; start < count; start += pageSize)
    await snapshot.addUsers(Array.from({ length: Math.min(pageSize, count - start) }, (_, at) => person(start + at)));
  const options = { nowMs: Date.now(), minKeptPercent: 80, acceptShrink: false, cursor: null };
  const taken = await measured(() => snapshot.commit(options, cause));
  await store.close();
  return taken;
}

const folder = mkdtempSync(join(tmpdir(), "rollcall-bench-"));
try {
  const written: Taken[] = [];
  const imported: Taken[] = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    written.push(await writes(join(folder, `writes-${round}.db`), Number(values.writes)));
    imported.push(await firstPicture(join(folder, `import-${round}.db`), Number(values.import)));
  }
  const count = Number(values.writes);
  const of = (taken: readonly Taken[], key: keyof Taken): number => median(taken.map((each) => each[key]));
  console.log(
    `${count} people one by one: ${Math.round(count / of(written, "seconds"))} a second, ${((of(written, "cpuSeconds") / count) * 1e6).toFixed(1)} µs of CPU each`,
  );
  console.log(
    `a first picture of ${values.import} people: ${of(imported, "seconds").toFixed(2)} s, ${of(imported, "cpuSeconds").toFixed(2)} s of CPU`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
