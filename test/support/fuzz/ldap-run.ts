import { RollcallError } from "../../../src/domain/model/errors.ts";
import { startOpenldap } from "../ldap/openldap.ts";
import { type Meddler, type Message, startProxy, type Verdict } from "../ldap/proxy.ts";
import { bindAs } from "../ldap/settings.ts";
import { polledWorld } from "../ldap/world.ts";
import { Random } from "../random.ts";

export interface LdapFuzzReport {
  /** Polls with meddled answers; `committed`: of these, where what came could be read as a whole. */
  readonly polls: number;
  readonly committed: number;
  readonly meddled: number;
  readonly seconds: number;
  readonly violations: readonly string[];
}

const suffix = "dc=example,dc=org";
const names = Array.from({ length: 20 }, (_, index) => `p${index}`);
const ldif = [
  ...names.map(
    (name) =>
      `dn: uid=${name},ou=people,${suffix}\nobjectClass: inetOrgPerson\nuid: ${name}\ncn: ${name}\nsn: ${name}\nmail: ${name}@example.org\n\n`,
  ),
  `dn: cn=all,ou=groups,${suffix}\nobjectClass: groupOfNames\ncn: all\n${names.map((name) => `member: uid=${name},ou=people,${suffix}\n`).join("")}\n`,
].join("");
const expectedCodes = ["SOURCE_INCOMPLETE", "SOURCE_UNAVAILABLE", "SNAPSHOT_REFUSED"];

/** What becomes of one message on its way from the server. */
const meddlings: readonly ((bytes: Buffer, random: Random, earlier: readonly Buffer[]) => Verdict)[] = [
  (bytes, random) => ({ toClient: [noisy(bytes, random, 1)] }),
  (bytes, random) => ({ toClient: [noisy(bytes, random, 1 + random.below(20))] }),
  // A length that lies: more than there is, or less.
  (bytes, random) => ({ toClient: [overwritten(bytes, 1, random.below(256))] }),
  (bytes, random) => ({ toClient: [overwritten(bytes, random.below(bytes.length), 0x84)] }),
  (bytes, random) => ({ toClient: [bytes.subarray(0, random.below(bytes.length))], end: "close" }),
  (bytes, random) => ({ toClient: [bytes.subarray(0, random.below(bytes.length))] }),
  (bytes, random) => ({ toClient: [Buffer.concat([bytes, noisy(bytes, random, 3)])] }),
  (bytes) => ({ toClient: [bytes, bytes] }),
  (_bytes, random, earlier) => ({ toClient: [random.pick(earlier) ?? Buffer.alloc(0)] }),
  // Under another operation's number: nobody's answer.
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
 * Polls a real slapd through somebody who meddles with its answers. Whatever comes: the poll ends, by itself or with an
 * error of ours; nobody is taken for gone by it; and sound answers bring everything back to where it was.
 */
export async function ldapFuzz({
  polls,
  seed,
}: {
  readonly polls: number;
  readonly seed: number;
}): Promise<LdapFuzzReport> {
  const startedAt = performance.now();
  const random = new Random(seed);
  const server = await startOpenldap({ ldif });
  const proxy = await startProxy(server.port);
  const world = await polledWorld({
    preset: "openldap",
    url: [`ldap://127.0.0.1:${proxy.port}`],
    bind: bindAs(server),
    pageSize: 7,
    timeoutMs: 250,
    delta: "off",
    users: { baseDn: `ou=people,${suffix}` },
    groups: { baseDn: `ou=groups,${suffix}` },
  });
  const violations: string[] = [];
  const earlier: Buffer[] = [];
  let [meddled, committed] = [0, 0];
  try {
    const sound = async (): Promise<string> => {
      proxy.meddle(() => ({}));
      // On a busy machine a sound answer may be late, too.
      for (let tries = 1; ; tries += 1) {
        const error = await world.poll("full").then(() => null, String);
        if (error === null) break;
        if (tries === 20) throw new Error(`sound answers are not read: ${error}`);
      }
      return JSON.stringify([await world.people(), await world.groups()]);
    };
    // By id: for a while two people may have one address.
    const present = async (): Promise<ReadonlySet<unknown>> =>
      new Set((await world.driver.read.all("SELECT id FROM users WHERE absent_since_ms IS NULL")).map(({ id }) => id));
    const good = await sound();
    const ids = await present();
    for (let round = 0; round < polls && violations.length < 5; round += 1) {
      const [only, share] = [random.below(60), 0.02 + random.next() * 0.1];
      let count = 0;
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
      // What one bad look does not show is not gone: that takes two in a row.
      const lost = [...ids.difference(await present())];
      if (lost.length > 0) violations.push(`seed ${seed}, round ${round}: ${lost.length} people were taken for gone`);
      let now = await sound();
      // Whoever came in with an id that was none has to be missed twice, too.
      if (now !== good) now = await sound();
      if (now !== good)
        violations.push(`seed ${seed}, round ${round}: not as before after sound answers: ${now.slice(0, 500)}`);
    }
  } finally {
    await world.close();
    await proxy.stop();
    await server.stop();
  }
  return { polls, committed, meddled, seconds: Math.round((performance.now() - startedAt) / 100) / 10, violations };
}
