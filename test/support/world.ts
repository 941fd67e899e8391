import type { Cause } from "../../src/domain/model/entities.ts";
import type { TargetPolicy } from "../../src/domain/model/policy.ts";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import type { UserWrite } from "../../src/domain/ports/scim-store.ts";
import type { Target } from "../../src/domain/ports/target.ts";
import { createReconciler, type Reconciler, type RunReport } from "../../src/reconcile/reconciler.ts";
import {
  type BitwardenSandbox,
  type OnePasswordSandbox,
  startBitwarden,
  startOnePassword,
} from "../../src/sandbox/index.ts";
import { openSqliteStore } from "../../src/store/index.ts";
import { createBitwardenTarget } from "../../src/targets/bitwarden/target.ts";
import { createOnePasswordTarget } from "../../src/targets/onepassword/target.ts";

export const cause: Cause = { actor: "scim:okta", requestId: "test" };
const source = "okta";
const groupOptions = { isNameUnique: true, unknownMembers: "skip" } as const;

export const basePolicy: TargetPolicy = {
  userGroups: null,
  groupInclude: null,
  groupExclude: [],
  groupTakeOver: [],
  onDeactivate: "suspend",
  onDelete: "suspend",
  removeAfterMs: null,
  protect: ["owner"],
  reactivate: "always",
  maxSeats: null,
  settleMs: 0,
  driftPolicy: "enforce",
  removalLimit: { percent: 100, atLeast: 1000, atMost: 1000, windowMs: 86_400_000 },
};

/** A directory, both emulated vendors, and a clock that only moves when told to. */
export interface World {
  readonly store: DirectoryStore;
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
  close(): Promise<void>;
}

const userWrite = (email: string, more: Partial<UserWrite> = {}): UserWrite => ({
  resource: { userName: email, active: more.isActive ?? true },
  userName: email,
  externalId: null,
  email,
  emails: [email],
  displayName: email,
  isActive: true,
  ...more,
});

export async function makeWorld(): Promise<World> {
  const clock = { nowMs: 1_800_000_000_000 };
  const now = () => clock.nowMs;
  const store = await openSqliteStore(":memory:", { now });
  const bitwarden = await startBitwarden({ clock: now });
  const onePassword = await startOnePassword({ clock: now });
  // Waiting for a vendor moves the clock instead.
  const sleep = async (ms: number): Promise<void> => {
    clock.nowMs += ms;
  };
  const http = { version: "0.0.0-test", clock: now, sleep, random: () => 0.5 };
  const unlimited = {
    perSecond: 1e9,
    perMinutePerPath: 1e9,
    readsPerSecond: 1e9,
    readsPerMinutePerPath: 1e9,
    tokensPerMinute: 1e9,
  };
  const targets = {
    bitwarden: createBitwardenTarget({
      name: "bw",
      apiUrl: bitwarden.apiUrl,
      identityUrl: bitwarden.identityUrl,
      clientId: bitwarden.clientId,
      clientSecret: bitwarden.clientSecret,
      rateLimit: unlimited,
      ...http,
    }),
    onePassword: createOnePasswordTarget({
      name: "op",
      apiUrl: onePassword.apiUrl,
      accountId: onePassword.accountId,
      clientId: onePassword.clientId,
      clientSecret: onePassword.clientSecret,
      rateLimit: unlimited,
      ...http,
    }),
  };
  return {
    store,
    bitwarden,
    onePassword,
    clock,
    targets,
    reconciler: (target, policy = {}) =>
      createReconciler({
        target: targets[target],
        store,
        policy: { ...basePolicy, ...policy },
        now,
        random: () => 0.5,
        heldRetryMs: 300_000,
      }),
    hire: async (email, more) => (await store.createUser(source, userWrite(email, more), cause)).id,
    async update(id, more) {
      await store.updateUser(
        source,
        id,
        null,
        (present) => ({
          ...userWrite(String(present.resource["userName"]), {
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
    async join(groupId, ...userIds) {
      await store.updateGroup(
        source,
        groupId,
        null,
        () => ({ write: null, members: [{ op: "add", userIds }] }),
        groupOptions,
        cause,
      );
    },
    async leave(groupId, ...userIds) {
      await store.updateGroup(
        source,
        groupId,
        null,
        () => ({ write: null, members: [{ op: "remove", userIds }] }),
        groupOptions,
        cause,
      );
    },
    async close() {
      await Promise.all([
        targets.bitwarden.close(AbortSignal.timeout(1000)),
        targets.onePassword.close(AbortSignal.timeout(1000)),
      ]);
      await Promise.all([bitwarden.close(), onePassword.close(), store.close()]);
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
