import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import type { TargetPolicy } from "../../../src/domain/model/policy.ts";
import type { DirectoryStore } from "../../../src/domain/ports/directory-store.ts";
import type { Target } from "../../../src/domain/ports/target.ts";
import { createReconciler, type Reconciler } from "../../../src/reconcile/reconciler.ts";
import { runLoop } from "../../../src/reconcile/scheduler.ts";
import { createScimRouter } from "../../../src/sources/scim/router.ts";
import { openSqliteStore } from "../../../src/store/index.ts";
import { createBitwardenTarget } from "../../../src/targets/bitwarden/target.ts";
import { createOnePasswordTarget } from "../../../src/targets/onepassword/target.ts";
import { Random } from "../random.ts";
import type { FastClock } from "./fast-clock.ts";
import { scimToken } from "./rollcall-process.ts";
import type { Vendors } from "./vendors.ts";

export interface HouseOptions {
  readonly clock: FastClock;
  readonly vendors: Vendors;
  readonly seed: number;
  readonly policy?: Partial<TargetPolicy>;
}

interface Connection {
  readonly target: Target;
  readonly reconciler: Reconciler;
}

/** All of Rollcall in this process, on a clock of ours: what `serve` puts together, without its process. */
export class House {
  readonly store: DirectoryStore;
  scimUrl = "";
  /** What the loops logged as errors. */
  readonly errors: string[] = [];
  readonly #options: HouseOptions;
  #connections: readonly Connection[] = [];
  #stopping = new AbortController();
  #loops: readonly Promise<void>[] = [];
  #closeServer: () => Promise<void> = async () => undefined;

  private constructor(options: HouseOptions, store: DirectoryStore) {
    this.#options = options;
    this.store = store;
  }

  static async open(options: HouseOptions): Promise<House> {
    const house = new House(options, await openSqliteStore(":memory:", { now: options.clock.now }));
    await house.#listen();
    house.start();
    return house;
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
    const server = createServer(app);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.scimUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/scim/v2`;
    this.#closeServer = async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    };
  }

  /** New targets and their loops, as after a restart. */
  start(): void {
    const { clock, seed } = this.#options;
    const random = new Random(seed).next;
    this.#stopping = new AbortController();
    this.#connections = this.#targets(random).map((target) => ({
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
    this.#loops = this.#connections.map(({ target, reconciler }) =>
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
    const { bitwarden, onePassword, urls } = vendors;
    // The limits that the contract has for Bitwarden's cloud, and the defaults.
    const http = { version: "0.0.0-test", clock: clock.now, sleep: clock.sleep, random };
    return [
      createBitwardenTarget({
        name: "bitwarden",
        apiUrl: `${urls.bitwarden}/api`,
        identityUrl: `${urls.bitwarden}/identity`,
        clientId: bitwarden.clientId,
        clientSecret: bitwarden.clientSecret,
        rateLimit: { perSecond: 4, perMinutePerPath: 55 },
        ...http,
      }),
      createOnePasswordTarget({
        name: "onepassword",
        apiUrl: urls.onepassword,
        apiVersion: "v1beta1",
        accountId: onePassword.accountId,
        clientId: onePassword.clientId,
        clientSecret: onePassword.clientSecret,
        ...http,
      }),
    ];
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#loops);
    await Promise.all(this.#connections.map(({ target }) => target.close(AbortSignal.timeout(1000))));
  }

  /** Is nothing left to deliver? */
  async isDelivered(): Promise<boolean> {
    const counts = await Promise.all(this.#connections.map(({ target }) => this.store.targetCounts(target.name)));
    return counts.every(({ pending, failed, held }) => pending + failed + held === 0);
  }

  /** Changes that a fresh look would make or hold, in words. */
  async leftInPlan(): Promise<readonly string[]> {
    const left: string[] = [];
    for (const { target, reconciler } of this.#connections) {
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

function policyOf(target: Target, more: Partial<TargetPolicy>): TargetPolicy {
  return {
    userGroups: null,
    groupInclude: null,
    groupExclude: [],
    groupTakeOver: [],
    onDeactivate: "suspend",
    onDelete: "suspend",
    removeAfterMs: null,
    protect: ["owner"],
    reactivate: target.type === "onepassword" ? "own" : "always",
    maxSeats: null,
    settleMs: 2000,
    driftPolicy: "enforce",
    removalLimit: { percent: 100, atLeast: 1000, atMost: 1000, windowMs: 86_400_000 },
    ...more,
  };
}
