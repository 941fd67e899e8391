import type { TargetPolicy } from "../../../src/domain/model/policy.ts";
import type { DirectoryStore } from "../../../src/domain/ports/directory-store.ts";
import { createReconciler } from "../../../src/reconcile/reconciler.ts";
import {
  type BitwardenSandbox,
  memberStatus,
  type OnePasswordSandbox,
  startBitwarden,
  startOnePassword,
} from "../../../src/sandbox/index.ts";
import { createBitwardenTarget } from "../../../src/targets/bitwarden/target.ts";
import { createOnePasswordTarget } from "../../../src/targets/onepassword/target.ts";

/** What one person has in both targets: the groups are Bitwarden's, of people with access. */
export interface Access {
  readonly bitwarden: string;
  readonly onePassword: string | undefined;
  readonly groups: readonly string[];
}

/** Both emulated vendors behind the real adapters and reconcilers, fed from one store. */
export interface Delivery {
  readonly bitwarden: BitwardenSandbox;
  readonly onePassword: OnePasswordSandbox;
  /** Delivers until nothing is dirty. */
  deliver(): Promise<void>;
  /** What a complete look would still change or hold: empty when both targets are as the directory wants them. */
  leftOver(): Promise<readonly unknown[]>;
  /** Everybody in Bitwarden, by address. */
  access(): Readonly<Record<string, Access>>;
  /** Requests of both vendors since the last call, by route; tokens left out. */
  requests(): Readonly<Record<string, number>>;
  /** Names of Bitwarden's groups, sorted. */
  groups(): readonly string[];
  close(): Promise<void>;
}

/** The defaults of the configuration, but for the guard and the settling of invitations. */
const policy: TargetPolicy = {
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

const roundsAtMost = 10;
const statusName = new Map<number, string>(Object.entries(memberStatus).map(([name, status]) => [status, name]));

/** `inOnePassword` have an account there already: its API can't invite. */
export async function startDelivery(store: DirectoryStore, inOnePassword: readonly string[]): Promise<Delivery> {
  const [bitwarden, onePassword] = await Promise.all([startBitwarden(), startOnePassword()]);
  for (const email of inOnePassword) onePassword.state.addUser({ email });
  const unlimited = {
    perSecond: 1e9,
    perMinutePerPath: 1e9,
    readsPerSecond: 1e9,
    readsPerMinutePerPath: 1e9,
    tokensPerMinute: 1e9,
  };
  const http = { version: "0.0.0-test", rateLimit: unlimited };
  const targets = [
    createBitwardenTarget({
      name: "bw",
      apiUrl: bitwarden.apiUrl,
      identityUrl: bitwarden.identityUrl,
      clientId: bitwarden.clientId,
      clientSecret: bitwarden.clientSecret,
      ...http,
    }),
    createOnePasswordTarget({
      name: "op",
      apiUrl: onePassword.apiUrl,
      accountId: onePassword.accountId,
      clientId: onePassword.clientId,
      clientSecret: onePassword.clientSecret,
      ...http,
    }),
  ];
  let offsetMs = 0;
  const now = (): number => Date.now() + offsetMs;
  const parts = { store, now, random: () => 0.5, heldRetryMs: 300_000 };
  const connections = targets.map((target) => ({
    name: target.name,
    reconciler: createReconciler({
      ...parts,
      target,
      policy: target.type === "onepassword" ? { ...policy, groupInclude: [], reactivate: "own" } : policy,
    }),
  }));
  return {
    bitwarden,
    onePassword,
    async deliver() {
      for (const { name, reconciler } of connections) {
        for (let round = 0; ; round += 1) {
          if (round === roundsAtMost) throw new Error("the targets do not converge");
          const scope = { kind: "dirty", hints: null, limit: 1000 } as const;
          const report = await reconciler.run(scope, AbortSignal.timeout(10_000));
          if (report === null) {
            // An import is looked at a little later: the clock is moved there.
            const retryAtMs = await store.nextRetryAtMs(name);
            if (retryAtMs === null) break;
            offsetMs += Math.max(0, retryAtMs - now());
            continue;
          }
          const failed = report.outcomes.find((outcome) => outcome.status === "failed");
          if (failed?.status === "failed") throw failed.error;
        }
      }
    },
    async leftOver() {
      const plans = await Promise.all(
        connections.map(({ reconciler }) => reconciler.plan(AbortSignal.timeout(10_000))),
      );
      return plans.flatMap(({ guarded: { plan } }) => [...plan.changes, ...plan.held, ...plan.skipped]);
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
    requests() {
      const logs = [bitwarden.requests, onePassword.requests];
      const routes = logs.flatMap(({ byRoute }) => [...byRoute]).filter(([route]) => !/token$/.test(route));
      for (const log of logs) log.clear();
      return Object.fromEntries(routes);
    },
    groups: () => [...bitwarden.state.groups.values()].map(({ name }) => name).sort(),
    async close() {
      await Promise.all(targets.map((target) => target.close(AbortSignal.timeout(1000))));
      await Promise.all([bitwarden.close(), onePassword.close()]);
      const failures = [...bitwarden.requests.failures, ...onePassword.requests.failures];
      if (failures.length > 0) throw new AggregateError(failures, "an emulator failed");
    },
  };
}
