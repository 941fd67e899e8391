import { createServer } from "node:http";
import express from "express";
import type { TargetPolicy } from "../../../src/domain/model/policy.ts";
import type { DirectoryStore } from "../../../src/domain/ports/directory-store.ts";
import type { Target } from "../../../src/domain/ports/target.ts";
import { createReconciler, type Reconciler } from "../../../src/reconcile/reconciler.ts";
import { runLoop } from "../../../src/reconcile/scheduler.ts";
import { createScimRouter } from "../../../src/sources/scim/router.ts";
import { openSqliteStore } from "../../../src/store/index.ts";
import { bitwardenTarget, onePasswordTarget } from "../emulators.ts";
import { listen } from "../listen.ts";
import { lenient } from "../policy.ts";
import { Random } from "../random.ts";
import { scimToken } from "../rollcall-process.ts";
import type { FastClock } from "./fast-clock.ts";
import type { Vendors } from "./vendors.ts";

export interface InProcessOptions {
  readonly clock: FastClock;
  readonly vendors: Vendors;
  readonly seed: number;
  readonly policy?: Partial<TargetPolicy>;
}

interface RunningTarget {
  readonly target: Target;
  readonly reconciler: Reconciler;
}

/** All parts of `serve` in this process, on a clock that runs fast: SCIM, a store in memory, and both targets. */
export class InProcessRollcall {
  readonly store: DirectoryStore;
  scimUrl = "";
  /** What the loops logged as errors. */
  readonly errors: string[] = [];
  readonly #options: InProcessOptions;
  #running: readonly RunningTarget[] = [];
  #stopping = new AbortController();
  #loops: readonly Promise<void>[] = [];
  #closeServer = async (): Promise<void> => undefined;

  private constructor(options: InProcessOptions, store: DirectoryStore) {
    this.#options = options;
    this.store = store;
  }

  static async open(options: InProcessOptions): Promise<InProcessRollcall> {
    const rollcall = new InProcessRollcall(options, await openSqliteStore(":memory:", { now: options.clock.now }));
    await rollcall.#listen();
    rollcall.start();
    return rollcall;
  }

  async #listen(): Promise<void> {
    const app = express();
    const authenticate = async (token: string) => (token === scimToken ? { source: "idp", actor: "scim:idp" } : null);
    const groupOptions = () => ({ isNameUnique: true, unknownMembers: "skip" }) as const;
    app.use(
      "/scim/v2",
      createScimRouter({
        store: this.store,
        authenticate,
        publicUrl: () => null,
        groupOptions,
        groupNamesUnique: true,
      }),
    );
    const { url, close } = await listen(createServer(app));
    this.scimUrl = `${url}/scim/v2`;
    this.#closeServer = close;
  }

  /** Starts both targets and their loops, as a restart does. */
  start(): void {
    const { clock, seed } = this.#options;
    const random = new Random(seed).next;
    this.#stopping = new AbortController();
    this.#running = this.#targets(random).map((target) => ({
      target,
      reconciler: createReconciler({
        target,
        store: this.store,
        policy: policyOf(target, this.#options.policy ?? {}),
        now: clock.now,
        random,
        heldRetryMs: 300_000,
      }),
    }));
    this.#loops = this.#running.map(({ target, reconciler }) =>
      runLoop(
        {
          name: target.name,
          type: target.type,
          reconciler,
          store: this.store,
          everyMs: 3_600_000,
          now: clock.now,
          random,
          sleep: clock.sleep,
          log: (level, message) => void (level === "error" && this.errors.push(message)),
        },
        this.#stopping.signal,
        this.#stopping.signal,
      ),
    );
  }

  #targets(random: () => number): readonly Target[] {
    const { clock, vendors } = this.#options;
    const { bitwarden, onepassword } = vendors.targets();
    const surroundings = { clock: clock.now, sleep: clock.sleep, random };
    // Rollcall's default limits for Bitwarden's cloud.
    const rateLimit = { perSecond: 4, perMinutePerPath: 55 };
    return [
      bitwardenTarget(vendors.bitwarden, { name: "bitwarden", ...bitwarden, rateLimit, ...surroundings }),
      onePasswordTarget(vendors.onePassword, { name: "onepassword", ...onepassword, ...surroundings }),
    ];
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#loops);
    await Promise.all(this.#running.map(({ target }) => target.close(AbortSignal.timeout(1000))));
  }

  /** True if nothing is left to deliver. */
  async isDelivered(): Promise<boolean> {
    const counts = await Promise.all(this.#running.map(({ target }) => this.store.targetCounts(target.name)));
    return counts.every(({ pending, failed, held }) => pending + failed + held === 0);
  }

  /** Returns the changes that a new plan would make or hold, in words. */
  async leftInPlan(): Promise<readonly string[]> {
    const left: string[] = [];
    for (const { target, reconciler } of this.#running) {
      const { plan } = await reconciler.plan(new AbortController().signal);
      for (const change of [...plan.changes, ...plan.held])
        left.push(`plan of ${target.name} is not empty: ${JSON.stringify(change)}`);
    }
    return left;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.#closeServer();
    await this.store.close();
  }
}

const policyOf = (target: Target, more: Partial<TargetPolicy>): TargetPolicy => ({
  ...lenient,
  reactivate: target.type === "onepassword" ? "own" : "always",
  settleMs: 2000,
  ...more,
});
