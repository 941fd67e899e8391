import { mkdtempSync, rmSync, watch as watchFile } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Random } from "../random.ts";
import { leftInPlan, RollcallProcess, type Running, scimToken, untilDelivered } from "../rollcall-process.ts";
import type { Day } from "./day.ts";
import {
  differences,
  expectedOf,
  mailCount,
  overRemovalLimit,
  readVendors,
  type VendorState,
  vendorViolations,
} from "./final-state.ts";
import { IdentityProvider } from "./identity-provider.ts";
import { damageIn } from "./integrity.ts";
import { type Call, type CallStage, type Loss, Vendors } from "./vendors.ts";

/** The moments at which the process is killed. */
export const killPoints = [
  /** A few milliseconds after a SCIM request was sent: before, in or after its commit. */
  "request-sent",
  /** The moment a 2xx has arrived. */
  "request-acknowledged",
  /** The moment the database's log file is written: within a commit. */
  "commit",
  /** A call has arrived at the vendor, which has done nothing yet: after the commit that comes before the call. */
  "read-arrived",
  "write-arrived",
  "token-arrived",
  /** The vendor has done the work and has not answered. */
  "read-done",
  "write-done",
  /** The vendor has answered. Rollcall may or may not have read and recorded the answer. */
  "write-answered",
  /** At any moment. */
  "anytime",
  /** At any moment of a start. */
  "starting",
  /** After SIGTERM, at any moment of the shutdown. */
  "stopping",
] as const;
export type KillPoint = (typeof killPoints)[number];

export interface CrashRunOptions {
  readonly day: Day;
  readonly seed: number;
  /** Maximum number of kills. 0 is the run to compare with. */
  readonly kills: number;
  /** Probability of a kill in each step. Default 0.9. */
  readonly killChance?: number;
  /** Creates a new PostgreSQL database. Default: a SQLite file. */
  readonly makeDatabase?: () => Promise<string>;
  /** Removal limit. Default: so high that it holds nothing. */
  readonly removalLimit?: { readonly people: number; readonly windowMs: number };
  readonly log?: (text: string) => void;
}

export interface CrashReport {
  readonly kills: Readonly<Record<KillPoint, number>>;
  readonly killed: number;
  readonly writes: number;
  readonly readBacks: number;
  readonly mails: number;
  readonly losses: readonly Loss[];
  readonly finalState: VendorState;
  /** Broken promises; empty when all is well. */
  readonly violations: readonly string[];
  readonly seconds: number;
}

/** Maximum wait for a kill point. After it the process is killed anyway, which counts as `anytime`. */
const patienceMs = 150;
/** Maximum time until everything is delivered. */
const calmWithinMs = 60_000;
/** Maximum time between the commit that counts a removal and its call (1Password gets at most four calls per second). */
const slackMs = 1500;

/** Replays a day, kills the process again and again, and returns the broken promises. */
export async function crashRun(options: CrashRunOptions): Promise<CrashReport> {
  await using run = await CrashRun.begin(options);
  return await run.live();
}

/**
 * Kills the first start on a new database at any moment, `kills` times. The next start finds the database as the kill
 * left it. Returns what is wrong.
 */
export async function crashMigrations(
  kills: number,
  seed: number,
  makeDatabase?: CrashRunOptions["makeDatabase"],
): Promise<{ readonly killed: number; readonly violations: readonly string[] }> {
  const random = new Random(seed);
  const folder = mkdtempSync(join(tmpdir(), "rollcall-migrate-"));
  const violations: string[] = [];
  let killed = 0;
  try {
    const clean = new RollcallProcess({ folder: join(folder, "clean"), targets: {}, ...(await storeOf(makeDatabase)) });
    const startedAt = performance.now();
    await clean.start();
    const startMs = performance.now() - startedAt;
    await clean.stop();
    for (let round = 0; killed < kills; round += 1) {
      const store = await storeOf(makeDatabase);
      const rollcall = new RollcallProcess({ folder: join(folder, String(round)), targets: {}, ...store });
      // The schema is made in the last third of a start. Some databases are hit two or three times.
      for (let times = 1 + random.below(3); times > 0 && killed < kills; times -= 1) {
        rollcall.launch();
        await Promise.race([delay(startMs * (0.5 + random.next() * 0.6)), rollcall.listening()]);
        await rollcall.kill();
        killed += 1;
      }
      const running = await rollcall.start();
      const idp = new IdentityProvider({ door: { open: async () => running.scimUrl }, token: scimToken });
      await idp.send({ op: "hire", person: "p1", email: "p1@example.com", name: "P" });
      for (const wrong of (await idp.lostWrites(running.scimUrl)) ?? ["no answer"])
        violations.push(`round ${round}: ${wrong}`);
      await idp.close();
      const code = await rollcall.stop();
      if (code !== 0) violations.push(`round ${round}: serve ended with ${code}: ${rollcall.log}`);
      violations.push(...(await damageIn(rollcall)).map((each) => `round ${round}: ${each}`));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { killed, violations };
}

const storeOf = async (makeDatabase: CrashRunOptions["makeDatabase"]) =>
  makeDatabase === undefined ? {} : { storeUrl: await makeDatabase() };

class CrashRun {
  readonly #options: CrashRunOptions;
  readonly #random: Random;
  readonly #folder: string;
  readonly #vendors: Vendors;
  readonly #rollcall: RollcallProcess;
  readonly #idp: IdentityProvider;
  readonly #kills = Object.fromEntries(killPoints.map((point) => [point, 0])) as Record<KillPoint, number>;
  readonly #violations: string[] = [];
  readonly #startedAt = performance.now();
  #killed = 0;
  #readBacks = 0;
  #armed: KillPoint | null = null;
  /** The points of this round; a new round begins when it is empty. A missed point is tried again. */
  readonly #due: KillPoint[] = [];
  #running: Running | null = null;
  #up: Promise<void> = Promise.resolve();
  #restarting = false;
  #acknowledged = 0;

  private constructor(
    options: CrashRunOptions,
    vendors: Vendors,
    folder: string,
    store: Awaited<ReturnType<typeof storeOf>>,
  ) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#folder = folder;
    this.#vendors = vendors;
    const { removalLimit } = options;
    this.#rollcall = new RollcallProcess({
      folder,
      ...store,
      targets: vendors.targets(),
      ...(removalLimit && {
        guard: {
          percent: 5,
          atLeast: removalLimit.people,
          atMost: removalLimit.people,
          window: `${removalLimit.windowMs}ms`,
        },
      }),
    });
    this.#idp = new IdentityProvider({
      door: { open: () => this.#open() },
      token: scimToken,
      onSent: () => this.#onSent(),
      onAnswered: () => this.#reached("request-acknowledged"),
    });
  }

  static async begin(options: CrashRunOptions): Promise<CrashRun> {
    // This kind of server does not notice an earlier invitation, so only Rollcall prevents a second mail.
    const bitwarden = { selfHosted: true, entityFramework: true };
    const vendors = await Vendors.start({ random: new Random(options.seed + 1).next, bitwarden });
    for (const email of options.day.onePasswordUsers) vendors.onePassword.state.addUser({ email });
    const store = await storeOf(options.makeDatabase);
    const run = new CrashRun(options, vendors, mkdtempSync(join(tmpdir(), "rollcall-crash-")), store);
    vendors.watch = (stage, call) => run.#onCall(stage, call);
    run.#running = await run.#rollcall.start();
    run.#watchCommits();
    return run;
  }

  async live(): Promise<CrashReport> {
    const { day, killChance = 0.9, removalLimit, log } = this.#options;
    for (const [index, step] of day.steps.entries()) {
      if (this.#killed < this.#options.kills && this.#random.chance(killChance)) this.#arm();
      if (step.kind === "calm") await this.#calm();
      this.#acknowledged += await this.#idp.replay(step);
      await this.#armedKill();
      if (index % 50 === 0) log?.(`step ${index} of ${day.steps.length}, ${this.#killed} kills`);
    }
    await this.#calm();
    await this.#readBack();
    const state = readVendors(this.#vendors, this.#idp.everId);
    this.#violations.push(
      ...vendorViolations(this.#vendors),
      ...differences(state, expectedOf(this.#idp.acknowledged, day.onePasswordUsers)),
      ...(await leftInPlan(this.#rollcall)),
    );
    const code = await this.#rollcall.stop();
    if (code !== 0) this.#violations.push(`serve ended with ${code} on SIGTERM`);
    this.#violations.push(...(await damageIn(this.#rollcall)));
    return {
      kills: this.#kills,
      killed: this.#killed,
      writes: this.#acknowledged,
      readBacks: this.#readBacks,
      mails: mailCount(this.#vendors),
      losses: this.#vendors.losses,
      finalState: state,
      violations: this.#violations.concat(
        removalLimit === undefined ? [] : overRemovalLimit(this.#vendors, removalLimit, slackMs),
      ),
      seconds: Math.round((performance.now() - this.#startedAt) / 100) / 10,
    };
  }

  // -- killing ---------------------------------------------------------------------------------------------------

  #arm(): void {
    if (this.#armed !== null || this.#restarting) return;
    if (this.#due.length === 0) {
      // PostgreSQL has no log file that this process can watch.
      const points = killPoints.filter((point) => point !== "commit" || this.#options.makeDatabase === undefined);
      this.#due.push(...this.#random.some(points, points.length));
    }
    const point = this.#due.shift() ?? "anytime";
    this.#armed = point;
    // A token is valid for an hour. Rollcall asks for another one only when it is refused.
    if (point === "token-arrived")
      for (const { tokens } of [this.#vendors.bitwarden, this.#vendors.onePassword]) tokens.revokeAll();
    if (point === "anytime" || point === "starting" || point === "stopping") {
      setTimeout(() => this.#reached(point), this.#random.below(80));
      return;
    }
    setTimeout(() => {
      if (this.#armed !== point) return;
      this.#due.push(point);
      this.#armed = "anytime";
      this.#reached("anytime");
    }, patienceMs);
  }

  #onSent(): void {
    if (this.#armed === "request-sent") setTimeout(() => this.#reached("request-sent"), this.#random.below(8));
  }

  #onCall(stage: CallStage, { kind }: Call): "go on" | "drop" {
    return this.#reached(`${kind}-${stage}`) ? "drop" : "go on";
  }

  #watchCommits(): void {
    // Watches the folder, because the log file is deleted and created again.
    watchFile(dirname(this.#rollcall.storePath), { persistent: false }, (_event, name) => {
      if (name?.endsWith("-wal")) this.#reached("commit");
    });
  }

  /** Kills the process if this point is the armed one. Returns true if it did. */
  #reached(point: string): boolean {
    if (this.#armed !== point || this.#restarting || this.#rollcall.pid === null) return false;
    const reached = this.#armed;
    this.#armed = null;
    this.#restarting = true;
    this.#running = null;
    this.#up = this.#killAndRestart(reached).finally(() => {
      this.#restarting = false;
    });
    // `#open` reports the error.
    this.#up.catch(() => undefined);
    return true;
  }

  async #killAndRestart(point: KillPoint): Promise<void> {
    if (point === "stopping") {
      this.#rollcall.signal("SIGTERM");
      await delay(this.#random.below(60));
    }
    await this.#killNow(point === "starting" ? "anytime" : point);
    if (point === "starting") {
      for (let times = 1 + this.#random.below(2); times > 0; times -= 1) {
        this.#rollcall.launch();
        await delay(this.#random.below(450));
        await this.#killNow("starting");
      }
    }
    this.#running = await this.#rollcall.start();
    await this.#readBack();
  }

  async #killNow(point: KillPoint): Promise<void> {
    // A process that had ended before was not killed.
    const isAlive = this.#rollcall.pid !== null;
    await this.#rollcall.kill();
    if (!isAlive) return;
    this.#kills[point] += 1;
    this.#killed += 1;
  }

  /** Waits for the armed kill before the next step. */
  async #armedKill(): Promise<void> {
    while (this.#armed !== null) await delay(5);
    await this.#up;
  }

  async #open(): Promise<string> {
    do await this.#up;
    while (this.#restarting);
    if (this.#running === null) throw new Error("rollcall is not running");
    return this.#running.scimUrl;
  }

  // -- checks ---------------------------------------------------------------------------------------------------

  /** Waits until all is delivered. Then some people accept invitations, and administrators confirm some. */
  async #calm(): Promise<void> {
    const running = async (): Promise<Running | null> => {
      await this.#up;
      return this.#running;
    };
    await untilDelivered(this.#rollcall, running, calmWithinMs);
    const { state } = this.#vendors.bitwarden;
    for (const { email, status } of [...state.members.values()]) {
      // Two members with one address are reported at the end.
      if (status === 0 && state.membersByEmail(email).length === 1 && this.#random.chance(0.5)) {
        state.accept(email);
        if (this.#random.chance(0.7)) state.confirm(email);
      }
    }
  }

  /** Reads everything back that Rollcall acknowledged. */
  async #readBack(): Promise<void> {
    const wrong = this.#running === null ? null : await this.#idp.lostWrites(this.#running.scimUrl);
    if (wrong === null) return;
    this.#readBacks += 1;
    this.#violations.push(...wrong.map((each) => `after kill ${this.#killed}: lost write: ${each}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#armed = null;
    await this.#up.catch(() => undefined);
    await this.#rollcall.kill();
    await this.#idp.close();
    await this.#vendors.close();
    // Keeps the database of a failed run.
    if (this.#violations.length === 0) rmSync(this.#folder, { recursive: true, force: true });
    else this.#options.log?.(`the database is kept: ${this.#rollcall.storePath}`);
  }
}
