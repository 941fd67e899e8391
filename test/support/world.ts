import type { Cause } from "../../src/domain/model/entities.ts";
import type { TargetPolicy } from "../../src/domain/model/policy.ts";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import type { UserWrite } from "../../src/domain/ports/scim-store.ts";
import type { Target } from "../../src/domain/ports/target.ts";
import { createReconciler, type Reconciler, type RunReport } from "../../src/reconcile/reconciler.ts";
import {
  type BitwardenSandbox,
  memberStatus,
  type OnePasswordSandbox,
  startBitwarden,
  startOnePassword,
} from "../../src/sandbox/index.ts";
import type { Driver } from "../../src/store/database/driver.ts";
import { openSqlite } from "../../src/store/database/sqlite.ts";
import { openStore } from "../../src/store/index.ts";
import { bitwardenTarget, onePasswordTarget } from "./emulators.ts";
import { userWrite } from "./entities.ts";
import { lenient } from "./policy.ts";

export const cause: Cause = { actor: "scim:okta", requestId: "test" };
const source = "okta";
const groupOptions = { isNameUnique: true, unknownMembers: "skip" } as const;

/** What one person has in both targets. */
export interface Access {
  readonly bitwarden: string;
  readonly onePassword: string | undefined;
  /** Bitwarden groups of a member who is not revoked. */
  readonly groups: readonly string[];
}

/** A store and both emulated vendors behind the real adapters, in this process. */
export interface World {
  readonly store: DirectoryStore;
  readonly driver: Driver;
  readonly bitwarden: BitwardenSandbox;
  readonly onePassword: OnePasswordSandbox;
  readonly clock: { nowMs: number };
  readonly targets: { readonly bitwarden: Target; readonly onePassword: Target };
  reconciler(target: "bitwarden" | "onePassword", policy?: Partial<TargetPolicy>): Reconciler;
  hire(email: string, more?: Partial<UserWrite>): Promise<string>;
  update(id: string, more: Partial<UserWrite>): Promise<void>;
  fire(id: string): Promise<void>;
  group(name: string, memberIds?: readonly string[]): Promise<string>;
  join(groupId: string, ...userIds: string[]): Promise<void>;
  leave(groupId: string, ...userIds: string[]): Promise<void>;
  /** Delivers to both targets until nothing is dirty. The clock moves past each wait. */
  deliver(): Promise<void>;
  /** Changes that a full run would still make, hold or skip, once `deliver` has run. */
  leftOver(): Promise<readonly unknown[]>;
  /** All members of Bitwarden by address. */
  access(): Readonly<Record<string, Access>>;
  /** Names of Bitwarden's groups, sorted. */
  bitwardenGroups(): readonly string[];
  /** Requests to both vendors by route since the last call, without those for tokens. */
  requests(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

export interface WorldOptions {
  /** True: the clock starts now and runs. Default false: it moves only when a test moves it. */
  readonly isClockRunning?: boolean;
}

function makeClock(isRunning: boolean): { nowMs: number } {
  if (!isRunning) return { nowMs: 1_800_000_000_000 };
  let offsetMs = 0;
  return {
    get nowMs() {
      return Date.now() + offsetMs;
    },
    set nowMs(ms) {
      offsetMs = ms - Date.now();
    },
  };
}

const unlimited = {
  perSecond: 1e9,
  perMinutePerPath: 1e9,
  readsPerSecond: 1e9,
  readsPerMinutePerPath: 1e9,
  tokensPerMinute: 1e9,
};
const maxRounds = 10;
const statusName = new Map<number, string>(Object.entries(memberStatus).map(([name, status]) => [status, name]));

/** A user whose name is the e-mail address. */
const person = (email: string, more: Partial<UserWrite> = {}): UserWrite =>
  userWrite(email, { email, emails: [email], ...more });

export async function makeWorld({ isClockRunning = false }: WorldOptions = {}): Promise<World> {
  const clock = makeClock(isClockRunning);
  const now = () => clock.nowMs;
  const driver = openSqlite(":memory:");
  const store = await openStore(driver, { now });
  const bitwarden = await startBitwarden({ clock: now });
  const onePassword = await startOnePassword({ clock: now });
  // Waiting for a vendor moves the clock instead.
  const sleep = async (ms: number): Promise<void> => {
    clock.nowMs += ms;
  };
  const options = { clock: now, sleep, random: () => 0.5, rateLimit: unlimited };
  const targets = {
    bitwarden: bitwardenTarget(bitwarden, { name: "bw", ...options }),
    onePassword: onePasswordTarget(onePassword, { name: "op", ...options }),
  };
  const makeReconciler = (target: keyof typeof targets, policy: Partial<TargetPolicy> = {}): Reconciler =>
    createReconciler({
      target: targets[target],
      store,
      policy: { ...lenient, ...policy },
      now,
      random: () => 0.5,
      heldRetryMs: 300_000,
    });
  const changeMembers = async (groupId: string, op: "add" | "remove", userIds: readonly string[]): Promise<void> => {
    const edit = () => ({ write: null, members: [{ op, userIds }] });
    await store.updateGroup(source, groupId, null, edit, groupOptions, cause);
  };
  const delivering = [
    { name: "bw", reconciler: makeReconciler("bitwarden") },
    { name: "op", reconciler: makeReconciler("onePassword", { groupInclude: [], reactivate: "own" }) },
  ];
  return {
    store,
    driver,
    bitwarden,
    onePassword,
    clock,
    targets,
    reconciler: makeReconciler,
    hire: async (email, more) => (await store.createUser(source, person(email, more), cause)).id,
    async update(id, more) {
      await store.updateUser(
        source,
        id,
        null,
        (present) => ({
          ...person(String(present.resource["userName"]), {
            isActive: present.resource["active"] === true,
            ...more,
          }),
        }),
        cause,
      );
    },
    fire: (id) => store.deleteUser(source, id, null, cause),
    group: async (name, memberIds = []) =>
      (
        await store.createGroup(
          source,
          { resource: { displayName: name }, displayName: name, externalId: null },
          memberIds,
          groupOptions,
          cause,
        )
      ).record.id,
    join: (groupId, ...userIds) => changeMembers(groupId, "add", userIds),
    leave: (groupId, ...userIds) => changeMembers(groupId, "remove", userIds),
    async deliver() {
      for (const { name, reconciler } of delivering) {
        for (let rounds = 0; ; rounds += 1) {
          if (rounds === maxRounds) throw new Error(`${name} does not converge`);
          const report = await reconciler.run({ kind: "dirty", hints: null, limit: 1000 }, AbortSignal.timeout(10_000));
          const failed = report?.outcomes.find((outcome) => outcome.status === "failed");
          if (failed?.status === "failed") throw failed.error;
          if (report !== null) continue;
          const retryAtMs = await store.nextRetryAtMs(name);
          if (retryAtMs === null) break;
          clock.nowMs = Math.max(clock.nowMs, retryAtMs);
        }
      }
    },
    async leftOver() {
      const plans = await Promise.all(delivering.map(({ reconciler }) => reconciler.plan(AbortSignal.timeout(10_000))));
      return plans.flatMap(({ plan }) => [...plan.changes, ...plan.held, ...plan.skipped]);
    },
    access: () =>
      Object.fromEntries(
        [...bitwarden.state.members.values()].map(({ email, status }) => [
          email,
          {
            bitwarden: statusName.get(status) ?? String(status),
            onePassword: onePassword.state.stateOf(email),
            groups: status === memberStatus.revoked ? [] : bitwarden.state.groupsOfMember(email),
          },
        ]),
      ),
    bitwardenGroups: () => [...bitwarden.state.groups.values()].map(({ name }) => name).sort(),
    requests() {
      const logs = [bitwarden.requests, onePassword.requests];
      const routes = logs.flatMap(({ byRoute }) => [...byRoute]).filter(([route]) => !/token$/.test(route));
      for (const log of logs) log.clear();
      return Object.fromEntries(routes);
    },
    async close() {
      await Promise.all([
        targets.bitwarden.close(AbortSignal.timeout(1000)),
        targets.onePassword.close(AbortSignal.timeout(1000)),
      ]);
      await Promise.all([bitwarden.close(), onePassword.close(), store.close()]);
      const failures = [...bitwarden.requests.failures, ...onePassword.requests.failures];
      if (failures.length > 0) throw new AggregateError(failures, "an emulator failed");
    },
  };
}

/** Never aborted. */
export const forever = new AbortController().signal;

/** Runs until nothing is dirty and due, moving the clock past each wait. */
export async function settle(
  world: World,
  reconciler: Reconciler,
  connection: string,
  scope: "all" | "dirty" = "dirty",
): Promise<readonly RunReport[]> {
  const reports: RunReport[] = [];
  let next: RunReport | null = await reconciler.run(
    scope === "all" ? { kind: "all" } : { kind: "dirty", hints: null, limit: 1000 },
    forever,
  );
  for (let round = 0; next !== null && round < 20; round += 1) {
    reports.push(next);
    if (next.unconfirmed === 0 && next.failed === 0) break;
    world.clock.nowMs = Math.max(world.clock.nowMs, (await world.store.nextRetryAtMs(connection)) ?? world.clock.nowMs);
    next = await reconciler.run({ kind: "dirty", hints: null, limit: 1000 }, forever);
  }
  return reports;
}
