import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RollcallError } from "../../src/domain/model/errors.ts";
import { type Change, removalKeys } from "../../src/domain/model/plan.ts";
import type { TargetPolicy } from "../../src/domain/model/policy.ts";
import type { SyncStore } from "../../src/domain/ports/sync-store.ts";
import type { Target } from "../../src/domain/ports/target.ts";
import { createReconciler, type Reconciler } from "../../src/reconcile/reconciler.ts";
import { lenient } from "../support/policy.ts";
import { forever, makeWorld, settle, type World } from "../support/world.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

/** What ends the process: nothing after it happens. */
class Crash extends Error {}

type Vendor = "bitwarden" | "onePassword";

/**
 * Counts the steps of runs: each commit and each outcome of the target, once before and once after. At step `at` the
 * process ends: the run throws, and whatever it would still do is refused.
 */
class Process {
  steps = 0;
  readonly #at: number;
  readonly reconciler: Reconciler;

  constructor(vendor: Vendor, policy: Partial<TargetPolicy>, at = Number.POSITIVE_INFINITY) {
    this.#at = at;
    const target = world.targets[vendor];
    const { store } = world;
    const watchedStore: SyncStore = {
      ...store,
      commit: async (target, record, nowMs) => {
        this.#step();
        await store.commit(target, record, nowMs);
        this.#step();
      },
    };
    const step = (): void => this.#step();
    const watchedTarget: Target = {
      account: target.account,
      name: target.name,
      type: target.type,
      supports: target.supports,
      observe: (scope, signal) => target.observe(scope, signal),
      observeMemberships: (query, signal) => target.observeMemberships(query, signal),
      check: (signal) => target.check(signal),
      close: (signal) => target.close(signal),
      async *apply(changes, observed, signal) {
        step();
        for await (const outcome of target.apply(changes, observed, signal)) {
          step();
          yield outcome;
        }
      },
    };
    this.reconciler = createReconciler({
      target: watchedTarget,
      store: watchedStore,
      policy: { ...lenient, ...policy },
      now: () => world.clock.nowMs,
      random: () => 0.5,
      heldRetryMs: 300_000,
    });
  }

  #step(): void {
    this.steps += 1;
    if (this.steps >= this.#at) throw new Crash(`at step ${this.#at}`);
  }
}

/** Lives through `story` with a process that ends at `at`; true when it did. A new process then goes on. */
async function livesThrough(vendor: Vendor, policy: Partial<TargetPolicy>, at: number): Promise<boolean> {
  const target = world.targets[vendor].name;
  const first = new Process(vendor, policy, at);
  try {
    await settle(world, first.reconciler, target);
    return false;
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    return true;
  }
}

/** Runs `check` for a crash at every step that the situation has, each in a world of its own. */
async function atEveryStep(
  vendor: Vendor,
  policy: Partial<TargetPolicy>,
  arrange: () => Promise<void>,
  check: (at: number) => Promise<void>,
): Promise<number> {
  for (let at = 1; ; at += 1) {
    await arrange();
    const hasCrashed = await livesThrough(vendor, policy, at);
    const next = new Process(vendor, policy);
    await settle(world, next.reconciler, world.targets[vendor].name);
    try {
      await check(at);
    } catch (error) {
      throw new Error(`after a crash at step ${at}`, { cause: error });
    }
    if (!hasCrashed) return at - 1;
    await world.close();
    world = await makeWorld();
  }
}

async function expectConverged(vendor: Vendor, policy: Partial<TargetPolicy> = {}): Promise<void> {
  const { plan } = await new Process(vendor, policy).reconciler.plan(forever);
  expect(plan.changes).toEqual([]);
  // A full run has nothing left to do either.
  expect(
    await new Process(vendor, policy).reconciler.run({ kind: "dirty", hints: null, limit: 1000 }, forever),
  ).toBeNull();
}

const people = ["ada", "bob", "cyd", "dan", "eve"].map((name) => `${name}@example.com`);
const revoked = () =>
  [...world.bitwarden.state.members.values()].filter((each) => each.status === -1).map((each) => each.email);

describe("a crash at any step of a run", () => {
  it("that invites users sends no second mail, and all users end in their groups", async () => {
    const steps = await atEveryStep(
      "bitwarden",
      {},
      async () => {
        const ids = [];
        for (const email of people) ids.push(await world.hire(email));
        await world.group("eng", ids.slice(0, 3));
        await world.group("everyone", ids);
      },
      async () => {
        const { state } = world.bitwarden;
        expect(people.map((email) => [state.mails(email), state.reinvites(email)])).toEqual(people.map(() => [1, 0]));
        expect(state.membersOfGroup("eng")).toEqual(people.slice(0, 3));
        expect(state.membersOfGroup("everyone")).toEqual(people);
        expect([...state.groups.values()].map((group) => group.name).sort()).toEqual(["eng", "everyone"]);
        await expectConverged("bitwarden");
      },
    );
    expect(steps).toBeGreaterThan(10);
  });

  it("that adopts accounts changes nothing twice and sends no mail", async () => {
    await atEveryStep(
      "bitwarden",
      {},
      async () => {
        world.bitwarden.state.addMember({ email: "ada@example.com", type: 1 });
        world.bitwarden.state.addMember({ email: "bob@example.com", status: -1 });
        world.bitwarden.state.addGroup({ name: "eng" });
        await world.group("eng", [await world.hire("ada@example.com"), await world.hire("bob@example.com")]);
      },
      async () => {
        const { state } = world.bitwarden;
        expect(state.groups.size).toBe(1);
        expect(state.membersOfGroup("eng")).toEqual(["ada@example.com", "bob@example.com"]);
        expect(state.memberByEmail("ada@example.com")).toMatchObject({ type: 1 });
        expect(state.memberByEmail("bob@example.com")?.status).not.toBe(-1);
        expect([state.mails("ada@example.com"), state.mails("bob@example.com")]).toEqual([0, 0]);
        await expectConverged("bitwarden");
      },
    );
  });

  it("that removes many users never exceeds the limit, and holds the others", async () => {
    const policy = { removalLimit: { percent: 0, atLeast: 2, atMost: 2, windowMs: 86_400_000 } };
    const steps = await atEveryStep(
      "bitwarden",
      policy,
      async () => {
        const ids = [];
        for (const email of people) ids.push(await world.hire(email));
        await settle(world, new Process("bitwarden", policy).reconciler, "bw", "all");
        for (const id of ids) await world.update(id, { isActive: false });
      },
      async () => {
        expect(revoked()).toHaveLength(2);
        expect(await world.store.held("bw")).toHaveLength(3);
        expect((await world.store.charges("bw", 0)).size).toBe(2);
        await expectConverged("bitwarden", policy);
      },
    );
    expect(steps).toBeGreaterThan(4);
  });

  it("one step further each time still never exceeds the limit", async () => {
    const policy = { removalLimit: { percent: 0, atLeast: 2, atMost: 2, windowMs: 86_400_000 } };
    const ids = [];
    for (const email of people) ids.push(await world.hire(email));
    const eng = await world.group("eng", ids);
    await settle(world, new Process("bitwarden", policy).reconciler, "bw", "all");
    for (const id of ids.slice(0, 3)) await world.update(id, { isActive: false });
    await world.leave(eng, ...ids.slice(3));
    for (let at = 1; await livesThrough("bitwarden", policy, at); at += 1) {
      const outside = people.filter((email) => !world.bitwarden.state.membersOfGroup("eng").includes(email));
      expect(new Set([...revoked(), ...outside]).size).toBeLessThanOrEqual(2);
    }
    expect(revoked()).toHaveLength(2);
    await expectConverged("bitwarden", policy);
  });

  it("with an approved removal neither loses the approval nor uses it twice", async () => {
    const policy = { removalLimit: { percent: 0, atLeast: 0, atMost: 0, windowMs: 86_400_000 } };
    await atEveryStep(
      "bitwarden",
      policy,
      async () => {
        const ids = [await world.hire("ada@example.com"), await world.hire("bob@example.com")];
        const { reconciler } = new Process("bitwarden", policy);
        await settle(world, reconciler, "bw", "all");
        for (const id of ids) await world.update(id, { isActive: false });
        await settle(world, reconciler, "bw");
        expect(revoked()).toEqual([]);
        const { heldDigest } = (await reconciler.plan(forever)).plan;
        expect(
          await world.store.approve("bw", heldDigest ?? "", { actor: "t", requestId: null }, world.clock.nowMs),
        ).toBe(2);
      },
      async () => {
        expect(revoked().sort()).toEqual(["ada@example.com", "bob@example.com"]);
        expect(await world.store.held("bw")).toEqual([]);
        expect((await world.store.charges("bw", 0)).size).toBe(0);
        await expectConverged("bitwarden", policy);
      },
    );
  });

  it("that removes users and groups removes each once", async () => {
    await atEveryStep(
      "bitwarden",
      { onDelete: "remove" },
      async () => {
        const [ada = "", bob = ""] = [await world.hire("ada@example.com"), await world.hire("bob@example.com")];
        const [eng] = [await world.group("eng", [ada, bob]), await world.group("ops", [bob])];
        await settle(world, new Process("bitwarden", { onDelete: "remove" }).reconciler, "bw", "all");
        await world.fire(ada);
        await world.store.deleteGroup("okta", eng, null, { actor: "t", requestId: null });
      },
      async () => {
        expect([...world.bitwarden.state.members.values()].map((each) => each.email)).toEqual(["bob@example.com"]);
        expect([...world.bitwarden.state.groups.values()].map((each) => each.name)).toEqual(["ops"]);
        expect(world.bitwarden.state.membersOfGroup("ops")).toEqual(["bob@example.com"]);
        expect(world.bitwarden.state.mails("bob@example.com")).toBe(1);
        await expectConverged("bitwarden", { onDelete: "remove" });
      },
    );
  });

  it("that suspends in 1Password keeps the suspension known as Rollcall's own", async () => {
    const policy = { reactivate: "own" as const };
    let ada = "";
    await atEveryStep(
      "onePassword",
      policy,
      async () => {
        world.onePassword.state.addUser({ email: "ada@example.com" });
        ada = await world.hire("ada@example.com");
        await settle(world, new Process("onePassword", policy).reconciler, "op");
        await world.update(ada, { isActive: false });
      },
      async () => {
        expect(world.onePassword.state.stateOf("ada@example.com")).toBe("SUSPENDED");
        await expectConverged("onePassword", policy);
        await world.update(ada, { isActive: true });
        await settle(world, new Process("onePassword", policy).reconciler, "op");
        expect(world.onePassword.state.stateOf("ada@example.com")).toBe("ACTIVE");
        await expectConverged("onePassword", policy);
      },
    );
  });

  it("that restores a user ends with the user active, and a later manual suspension is not Rollcall's own", async () => {
    const policy = { reactivate: "own" as const };
    await atEveryStep(
      "onePassword",
      policy,
      async () => {
        world.onePassword.state.addUser({ email: "ada@example.com" });
        const ada = await world.hire("ada@example.com");
        const { reconciler } = new Process("onePassword", policy);
        await settle(world, reconciler, "op");
        await world.update(ada, { isActive: false });
        await settle(world, reconciler, "op");
        await world.update(ada, { isActive: true });
      },
      async () => {
        expect(world.onePassword.state.stateOf("ada@example.com")).toBe("ACTIVE");
        await expectConverged("onePassword", policy);
        const [slice] = (await world.store.readInput("op", { kind: "all" }, world.clock.nowMs)).users;
        expect(slice?.link).toMatchObject({ isSuspendedByUs: false, hasAccess: true });
      },
    );
  });
});

describe("between two runs", () => {
  it("an approval that comes during a run is carried out by the next run, not in five minutes", async () => {
    const policy = { removalLimit: { percent: 0, atLeast: 0, atMost: 0, windowMs: 86_400_000 } };
    const ada = await world.hire("ada@example.com");
    await settle(world, new Process("bitwarden", policy).reconciler, "bw", "all");
    await world.update(ada, { isActive: false });
    await settle(world, new Process("bitwarden", policy).reconciler, "bw");
    const { store } = world;
    const held = await store.held("bw");
    const during: SyncStore = {
      ...store,
      // The run has read the approvals. Now somebody approves.
      async commit(target, record, nowMs) {
        await store.approveItems("bw", held, { actor: "t", requestId: null }, nowMs);
        await store.commit(target, record, nowMs);
      },
    };
    const now = () => world.clock.nowMs;
    await createReconciler({
      target: world.targets.bitwarden,
      store: during,
      policy: { ...lenient, ...policy },
      now,
      random: () => 0.5,
      heldRetryMs: 300_000,
    }).run({ kind: "all" }, forever);
    expect(revoked()).toEqual([]);
    await new Process("bitwarden", policy).reconciler.run({ kind: "dirty", hints: null, limit: 10 }, forever);
    expect(revoked()).toEqual(["ada@example.com"]);
  });

  it("a user who was rehired and left again keeps no access, whichever entry came first", async () => {
    const policy = { onDelete: "remove" as const };
    const { reconciler } = new Process("bitwarden", policy);
    for (let round = 0; round < 3; round += 1) {
      const id = await world.hire("ada@example.com");
      await settle(world, reconciler, "bw");
      expect(world.bitwarden.state.memberByEmail("ada@example.com")?.status).toBe(0);
      await world.fire(id);
      await settle(world, reconciler, "bw");
      expect(world.bitwarden.state.members.size).toBe(0);
    }
  });

  it.each([
    ["costs nothing if it was the only one", 0, 0],
    ["still costs one while the user loses something else", 2, 3],
  ])("a removal that is refused permanently %s", async (_name, others, charged) => {
    const { store } = world;
    const ada = await world.hire("ada@example.com");
    const more = await Promise.all(people.slice(1, 1 + others).map((email) => world.hire(email)));
    const eng = await world.group("eng", [ada, ...more]);
    const ops = await world.group("ops", [ada]);
    await settle(world, new Process("bitwarden", {}).reconciler, "bw", "all");
    // If others leave too, one call takes a group from all of them. The call for the second group is refused.
    if (others > 0) await world.leave(eng, ada, ...more);
    await world.leave(ops, ada);
    const { bitwarden } = world.targets;
    const refusing: Target = {
      ...bitwarden,
      async *apply(changes, observed, signal) {
        const isRefused = (change: Change) => removalKeys(change).includes(`member:${ops}:${ada}`);
        yield* bitwarden.apply(
          changes.filter((change) => !isRefused(change)),
          observed,
          signal,
        );
        for (const change of changes.filter(isRefused))
          yield { status: "failed", change, error: new RollcallError("TARGET_REFUSED", "no", { isPermanent: true }) };
      },
    };
    const reconciler = createReconciler({
      target: refusing,
      store,
      policy: lenient,
      now: () => world.clock.nowMs,
      random: () => 0.5,
      heldRetryMs: 300_000,
    });
    expect(await reconciler.run({ kind: "dirty", hints: null, limit: 10 }, forever)).toMatchObject({
      failed: 1,
      applied: others > 0 ? 1 : 0,
    });
    expect(world.bitwarden.state.groupsOfMember("ada@example.com")).toEqual(others > 0 ? ["ops"] : ["eng", "ops"]);
    expect((await store.charges("bw", 0)).size).toBe(charged);
  });
});
