import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { memberStatus } from "../../../src/sandbox/index.ts";
import { startOpenldap } from "../ldap/openldap.ts";
import { type LdapProxy, startProxy } from "../ldap/proxy.ts";
import { type DirectoryServer, modify } from "../ldap/server.ts";
import { Random } from "../random.ts";
import { leftInPlan, RollcallProcess, type Running, scimToken, untilDelivered } from "../rollcall-process.ts";
import { type Day, makeDay } from "./day.ts";
import { differences, expectedOf, mailCount, readVendors, type VendorState, vendorViolations } from "./final-state.ts";
import { IdentityProvider } from "./identity-provider.ts";
import { integrityOf } from "./integrity.ts";
import { Vendors } from "./vendors.ts";

/** Progress of a poll when the process was killed, read from its database and the directory's answers. */
export const pollPoints = [
  /** Answers were still missing: entries were being staged. */
  "staging",
  /** Everything was read, and the snapshot was not committed. */
  "committing",
  /** The snapshot was committed a moment ago. */
  "committed",
] as const;
export type PollPoint = (typeof pollPoints)[number];

export interface LdapCrashOptions {
  readonly seed: number;
  /** People added at once, one number per round. Each round is killed `killsEach` times. */
  readonly sizes: readonly number[];
  readonly killsEach: number;
  /** SCIM writes of the day at the same time. */
  readonly writes: number;
}

export interface LdapCrashReport {
  readonly kills: Readonly<Record<PollPoint, number>>;
  readonly killed: number;
  readonly people: number;
  readonly mails: number;
  readonly violations: readonly string[];
  readonly seconds: number;
}

const suffix = "dc=example,dc=org";
const calmWithinMs = 240_000;
/** Users from the start, so many that one leaver is not refused as a shrunken directory. */
const founders = Array.from({ length: 40 }, (_, index) => `founder${index}`);
const pageSize = 200;

/** Runs a day with two sources: SCIM writes and polls of a real slapd. The process is killed in the polls. */
export async function ldapCrashRun(options: LdapCrashOptions): Promise<LdapCrashReport> {
  await using run = await LdapCrashRun.begin(options);
  return await run.live();
}

class LdapCrashRun {
  readonly #options: LdapCrashOptions;
  readonly #random: Random;
  readonly #folder: string;
  readonly #server: DirectoryServer;
  readonly #proxy: LdapProxy;
  readonly #vendors: Vendors;
  readonly #rollcall: RollcallProcess;
  readonly #idp: IdentityProvider;
  readonly #day: Day;
  readonly #kills: Record<PollPoint, number> = { staging: 0, committing: 0, committed: 0 };
  readonly #violations: string[] = [];
  readonly #startedAt = performance.now();
  /** Users who should be in the directory, by uid. Each batch must be stored completely or not at all. */
  readonly #people = new Set<string>();
  readonly #batches: (readonly string[])[] = [];
  #running: Running | null = null;
  #killed = 0;
  /** Finished searches of the current poll, and of the poll before. */
  #ended = 0;
  #usually = 0;
  #polls = 0;
  #onEnded: () => void = () => undefined;

  private constructor(options: LdapCrashOptions, server: DirectoryServer, proxy: LdapProxy, vendors: Vendors) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#server = server;
    this.#proxy = proxy;
    this.#vendors = vendors;
    this.#folder = mkdtempSync(join(tmpdir(), "rollcall-ldap-crash-"));
    this.#day = makeDay({ seed: options.seed, writes: options.writes, staff: 20 });
    for (const email of this.#day.onePasswordUsers) vendors.onePassword.state.addUser({ email });
    this.#rollcall = new RollcallProcess({
      folder: this.#folder,
      targets: vendors.targets(),
      sources: {
        idp: { type: "scim", token: scimToken },
        corp: {
          type: "ldap",
          preset: "openldap",
          url: `ldap://127.0.0.1:${proxy.port}`,
          bindDn: server.bindDn,
          bindPassword: server.bindPassword,
          every: "1s",
          pageSize,
          // Each poll is a snapshot of everything.
          delta: "off",
          users: { baseDn: `ou=people,${suffix}` },
          groups: { baseDn: `ou=groups,${suffix}` },
        },
      },
    });
    this.#idp = new IdentityProvider({ door: { open: async () => this.#up() }, token: scimToken });
  }

  static async begin(options: LdapCrashOptions): Promise<LdapCrashRun> {
    const server = await startOpenldap({ ldif: founders.map(person).join("") + team(founders) });
    const proxy = await startProxy(server.port);
    const bitwarden = { selfHosted: true, entityFramework: true };
    const vendors = await Vendors.start({ random: new Random(options.seed + 1).next, bitwarden });
    const run = new LdapCrashRun(options, server, proxy, vendors);
    for (const uid of founders) run.#people.add(uid);
    run.#watchPolls();
    run.#running = await run.#rollcall.start();
    return run;
  }

  async live(): Promise<LdapCrashReport> {
    const { sizes } = this.#options;
    const steps = this.#day.steps.values();
    const perRound = Math.ceil(this.#day.steps.length / sizes.length);
    await this.#calm();
    for (const size of sizes) {
      await Promise.all([this.#round(size), this.#write(steps, perRound)]);
      await this.#calm();
    }
    await this.#write(steps, this.#day.steps.length);
    await this.#calm();
    this.#checkFinalState();
    this.#violations.push(...(await leftInPlan(this.#rollcall)));
    const code = await this.#rollcall.stop();
    if (code !== 0) this.#violations.push(`serve ended with ${code} on SIGTERM`);
    this.#violations.push(...integrityOf(this.#rollcall.storePath));
    return {
      kills: this.#kills,
      killed: this.#killed,
      people: this.#people.size,
      mails: mailCount(this.#vendors),
      violations: this.#violations,
      seconds: Math.round((performance.now() - this.#startedAt) / 100) / 10,
    };
  }

  /** People are added, one is deleted, and the team changes. Kills the poll that reads this, several times. */
  async #round(size: number): Promise<void> {
    const round = this.#batches.length;
    for (let kill = 0; kill < this.#options.killsEach; kill += 1) {
      const searches = await this.#between();
      const batch = Array.from({ length: size }, (_, index) => `r${round}k${kill}n${index}`);
      this.#batches.push(batch);
      const leaver = this.#random.pick([...this.#people].filter((uid) => uid !== "founder0"));
      if (leaver !== undefined) this.#people.delete(leaver);
      const pages = Math.ceil(this.#people.size / pageSize);
      for (const uid of batch) this.#people.add(uid);
      const more = Math.ceil(this.#people.size / pageSize) - pages;
      const members = this.#team();
      modify(
        this.#server,
        batch.map(person).join("") +
          (leaver === undefined ? "" : `dn: uid=${leaver},ou=people,${suffix}\nchangetype: delete\n\n`) +
          `dn: cn=all,ou=groups,${suffix}\nchangetype: modify\nreplace: member\n${members.map((uid) => `member: uid=${uid},ou=people,${suffix}\n`).join("")}\n`,
      );
      await this.#killInPoll(pollPoints[kill % pollPoints.length] ?? "staging", searches + more, size);
    }
  }

  /** The newest 20 users: few enough that the guard holds no change. */
  #team(): readonly string[] {
    return [...this.#people].slice(-20);
  }

  /** Kills the process near this point of the next poll. A poll needs this number of searches. */
  async #killInPoll(wanted: PollPoint, searches: number, size: number): Promise<void> {
    // The first two searches read the root DSE. Nothing is staged before the third.
    const until = wanted === "staging" ? 3 + this.#random.below(Math.max(1, searches - 3)) : searches;
    await this.#reach(until);
    // A commit of more people takes longer, and starts later.
    const lateMs =
      wanted === "staging" ? 0 : wanted === "committing" ? this.#random.next() * (3 + size / 40) : 30 + size / 4;
    if (lateMs > 0) await delay(lateMs);
    const isRead = this.#ended >= searches;
    await this.#rollcall.kill();
    this.#running = null;
    this.#killed += 1;
    const isOpen = this.#checkStored();
    this.#kills[isOpen ? (isRead ? "committing" : "staging") : "committed"] += 1;
    const running = await this.#rollcall.start();
    // The identity provider still waits here, so that nothing changes while everything is read back.
    const wrong = (await this.#idp.lostWrites(running.scimUrl)) ?? [];
    this.#running = running;
    this.#violations.push(...wrong.map((each) => `after kill ${this.#killed}: lost write: ${each}`));
  }

  /** Checks that each batch is stored completely or not at all. Returns true if a snapshot was begun and not committed. */
  #checkStored(): boolean {
    const db = new DatabaseSync(this.#rollcall.storePath, { readOnly: true });
    try {
      const rows = db.prepare("SELECT user_name AS uid FROM users WHERE source = 'corp'").all() as {
        readonly uid: string;
      }[];
      const there = new Set(rows.map(({ uid }) => uid));
      for (const [index, batch] of this.#batches.entries()) {
        // A user who was deleted before any poll read them is never stored.
        const present = batch.filter((uid) => there.has(uid)).length;
        const expected = batch.filter((uid) => this.#people.has(uid) || there.has(uid)).length;
        if (present !== 0 && present !== expected)
          this.#violations.push(
            `after kill ${this.#killed}: ${present} of ${expected} people of batch ${index} were committed`,
          );
      }
      const state = db.prepare("SELECT snapshot_id AS id FROM poll_states WHERE source = 'corp'").get() as
        | { readonly id: unknown }
        | undefined;
      return (state?.id ?? null) !== null;
    } finally {
      db.close();
    }
  }

  // -- polls ------------------------------------------------------------------------------------------------------------

  #watchPolls(): void {
    this.#proxy.meddle(() => {
      // One connection is one poll.
      if (this.#ended > 0) this.#usually = this.#ended;
      this.#ended = 0;
      this.#polls += 1;
      return {
        onAnswer: ({ op }) => {
          if (op === 0x65) {
            this.#ended += 1;
            setImmediate(() => this.#onEnded());
          }
          return undefined;
        },
      };
    });
  }

  /** Waits until a poll has ended and the next has not begun. Returns its number of searches. */
  async #between(): Promise<number> {
    const untilMs = performance.now() + 120_000;
    const polls = this.#polls;
    let [last, sinceMs] = [this.#ended, performance.now()];
    while (performance.now() < untilMs) {
      await delay(5);
      if (this.#ended !== last) sinceMs = performance.now();
      last = this.#ended;
      // Only the second poll that begins from now on is complete for sure.
      if (this.#polls >= polls + 2 && last >= this.#usually && performance.now() - sinceMs > 150) return last;
    }
    throw new Error(`no poll within 120 s: ${this.#rollcall.log.slice(-2000)}`);
  }

  /** Waits until this number of searches of a poll has ended. */
  #reach(searches: number): Promise<void> {
    return new Promise((resolve) => {
      const giveUp = setTimeout(resolve, 60_000);
      this.#onEnded = () => {
        if (this.#ended < searches) return;
        clearTimeout(giveUp);
        this.#onEnded = () => undefined;
        resolve();
      };
    });
  }

  // -- the day ----------------------------------------------------------------------------------------------------------

  async #up(): Promise<string> {
    while (this.#running === null) await delay(10);
    return this.#running.scimUrl;
  }

  async #write(steps: Iterator<Day["steps"][number]>, count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const { value: step, done } = steps.next();
      if (done === true) return;
      await this.#idp.replay(step);
      // `makeDay` deletes and renames only people whom 1Password has seen before.
      if (step.kind === "calm") await untilDelivered(this.#rollcall, async () => this.#running, calmWithinMs);
    }
  }

  /** Waits until the directory was read in its current state, and everything is delivered. */
  async #calm(): Promise<void> {
    const running = async (): Promise<Running | null> => this.#running;
    await untilDelivered(this.#rollcall, running, calmWithinMs, () => this.#wrongInDirectory().length === 0);
  }

  /** Returns the people whose access to Bitwarden differs from the directory. */
  #wrongInDirectory(): readonly string[] {
    const { state } = this.#vendors.bitwarden;
    const present = new Set(
      [...state.members.values()].flatMap(({ email, status }) =>
        status >= 0 && email.endsWith("@example.org") ? [email] : [],
      ),
    );
    const wanted = new Set([...this.#people].map(address));
    return [
      ...[...wanted.difference(present)].map((email) => `${email} has no access`),
      ...[...present.difference(wanted)].map((email) => `${email} has access`),
    ];
  }

  #checkFinalState(): void {
    const { everId, acknowledged } = this.#idp;
    const seen = readVendors(this.#vendors, everId);
    const own = <T>(all: Readonly<Record<string, T>>): Readonly<Record<string, T>> =>
      Object.fromEntries(Object.entries(all).filter(([key]) => !key.startsWith("?")));
    const found: VendorState = {
      bitwarden: own(seen.bitwarden),
      teams: own(seen.teams),
      onePassword: seen.onePassword,
    };
    this.#violations.push(
      ...vendorViolations(this.#vendors),
      ...differences(found, expectedOf(acknowledged, this.#day.onePasswordUsers)),
      ...this.#wrongInDirectory(),
    );
    const { state } = this.#vendors.bitwarden;
    // A suspended user keeps memberships until they are restored (`test/reliability/rehired.test.ts`).
    const suspended = new Set(
      [...state.members.values()].flatMap(({ email, status }) => (status === memberStatus.revoked ? [email] : [])),
    );
    const inTeam = new Set(state.membersOfGroup("all")).difference(suspended);
    const wanted = new Set(this.#team().map(address));
    this.#violations.push(
      ...[...wanted.difference(inTeam)].map((email) => `team all: ${email} is not in it`),
      ...[...inTeam.difference(wanted)].map((email) => `team all: ${email} is in it`),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rollcall.kill();
    await this.#idp.close();
    await this.#vendors.close();
    await this.#proxy.stop();
    await this.#server.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const address = (uid: string): string => `${uid}@example.org`;
const person = (uid: string): string =>
  `dn: uid=${uid},ou=people,${suffix}\nobjectClass: inetOrgPerson\nuid: ${uid}\ncn: ${uid}\nsn: ${uid}\nmail: ${address(uid)}\n\n`;
const team = (uids: readonly string[]): string =>
  `dn: cn=all,ou=groups,${suffix}\nobjectClass: groupOfNames\ncn: all\n${uids.map((uid) => `member: uid=${uid},ou=people,${suffix}\n`).join("")}\n`;
