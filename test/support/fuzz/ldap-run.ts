import { RollcallError } from "../../../src/domain/model/errors.ts";
import { openldapDialect } from "../ldap/dialect.ts";
import { startOpenldap } from "../ldap/openldap.ts";
import { type Meddler, type Message, startProxy, type Verdict } from "../ldap/proxy.ts";
import { optionsFor } from "../ldap/settings.ts";
import { polledWorld } from "../ldap/world.ts";
import { Random } from "../random.ts";

export interface LdapFuzzReport {
  /** Polls with damaged answers. */
  readonly polls: number;
  /** Polls whose damaged answers could be read completely. */
  readonly committed: number;
  readonly meddled: number;
  readonly seconds: number;
  readonly violations: readonly string[];
}

const dialect = openldapDialect();
const names = Array.from({ length: 20 }, (_, index) => `p${index}`);
const ldif = names.map(dialect.person).join("") + dialect.group("all", names, []);
const expectedCodes = ["SOURCE_INCOMPLETE", "SOURCE_UNAVAILABLE", "SNAPSHOT_REFUSED"];

/** Ways to damage one message from the server. */
const meddlings: readonly ((bytes: Buffer, random: Random, earlier: readonly Buffer[]) => Verdict)[] = [
  (bytes, random) => ({ toClient: [noisy(bytes, random, 1)] }),
  (bytes, random) => ({ toClient: [noisy(bytes, random, 1 + random.below(20))] }),
  // A wrong length: more bytes or fewer.
  (bytes, random) => ({ toClient: [overwritten(bytes, 1, random.below(256))] }),
  (bytes, random) => ({ toClient: [overwritten(bytes, random.below(bytes.length), 0x84)] }),
  (bytes, random) => ({ toClient: [bytes.subarray(0, random.below(bytes.length))], end: "close" }),
  (bytes, random) => ({ toClient: [bytes.subarray(0, random.below(bytes.length))] }),
  (bytes, random) => ({ toClient: [Buffer.concat([bytes, noisy(bytes, random, 3)])] }),
  (bytes) => ({ toClient: [bytes, bytes] }),
  (_bytes, random, earlier) => ({ toClient: [random.pick(earlier) ?? Buffer.alloc(0)] }),
  // The message id of another operation.
  (bytes, random) => ({ toClient: [overwritten(bytes, bytes.indexOf(2) + 2, random.below(128))] }),
  (_bytes, random) => ({
    toClient: [Buffer.from(Array.from({ length: 1 + random.below(400) }, () => random.below(256)))],
  }),
  () => ({ toClient: [Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff])] }),
  () => ({ toClient: [Buffer.from([0x30, 0x80])] }),
  () => ({ toClient: [], end: "reset" }),
];

function noisy(bytes: Buffer, random: Random, times: number): Buffer {
  const changed = Buffer.from(bytes);
  for (let time = 0; time < times; time += 1) changed[random.below(changed.length)] = random.below(256);
  return changed;
}

function overwritten(bytes: Buffer, at: number, byte: number): Buffer {
  const changed = Buffer.from(bytes);
  if (at < changed.length) changed[at] = byte;
  return changed;
}

/**
 * Polls a real slapd whose answers are damaged. Each poll must end, with success or with one of our errors. No person may
 * count as gone after one poll. Valid answers must restore the directory.
 */
export async function ldapFuzz(options: { readonly polls: number; readonly seed: number }): Promise<LdapFuzzReport> {
  const { polls, seed } = options;
  const startedAt = performance.now();
  const random = new Random(seed);
  const server = await startOpenldap({ ldif });
  const proxy = await startProxy(server.port);
  const patient = { ...optionsFor("openldap", server, proxy.port), pageSize: 7, delta: "off" as const };
  const impatient = { ...patient, timeoutMs: 250 };
  const world = await polledWorld(patient);
  const violations: string[] = [];
  const earlier: Buffer[] = [];
  let [meddled, committed] = [0, 0];
  try {
    const pollValid = async (): Promise<string> => {
      proxy.meddle(() => ({}));
      world.reconfigure(patient);
      await world.poll("full");
      return JSON.stringify([await world.people(), await world.groups()]);
    };
    // By id, because two people can have one address for a while.
    const present = async (): Promise<ReadonlySet<unknown>> =>
      new Set((await world.driver.read.all("SELECT id FROM users WHERE absent_since_ms IS NULL")).map(({ id }) => id));
    const good = await pollValid();
    const ids = await present();
    for (let round = 0; round < polls && violations.length < 5; round += 1) {
      const [only, share] = [random.below(60), 0.02 + random.next() * 0.1];
      let count = 0;
      world.reconfigure(impatient);
      proxy.meddle(
        (): Meddler => ({
          onAnswer: ({ bytes }: Message) => {
            if (earlier.length < 200) earlier.push(bytes);
            count += 1;
            if (count - 1 !== only && !random.chance(share)) return undefined;
            meddled += 1;
            return random.pick(meddlings)?.(bytes, random, earlier);
          },
        }),
      );
      try {
        await world.poll("full");
        committed += 1;
      } catch (error) {
        if (!(error instanceof RollcallError) || !expectedCodes.includes(error.code))
          violations.push(
            `seed ${seed}, round ${round}: ${error instanceof Error ? (error.stack ?? "") : String(error)}`,
          );
      }
      // An entry is gone only after two polls without it.
      const lost = [...ids.difference(await present())];
      if (lost.length > 0) violations.push(`seed ${seed}, round ${round}: ${lost.length} people counted as gone`);
      let now = await pollValid();
      // A person with a damaged id is gone after two polls too.
      if (now !== good) now = await pollValid();
      if (now !== good)
        violations.push(`seed ${seed}, round ${round}: changed after valid answers: ${now.slice(0, 500)}`);
    }
  } finally {
    await world.close();
    await proxy.stop();
    await server.stop();
  }
  return { polls, committed, meddled, seconds: Math.round((performance.now() - startedAt) / 100) / 10, violations };
}
