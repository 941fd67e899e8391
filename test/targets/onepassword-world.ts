import type { Observed } from "../../src/domain/model/account.ts";
import type { Change } from "../../src/domain/model/plan.ts";
import type { Outcome, Target } from "../../src/domain/ports/target.ts";
import {
  type OnePasswordSandbox,
  type OnePasswordOptions as SandboxOptions,
  startOnePassword,
} from "../../src/sandbox/index.ts";
import { createOnePasswordTarget, type OnePasswordOptions } from "../../src/targets/onepassword/target.ts";
import { collect, patient, type VirtualTime, virtualTime } from "./virtual-time.ts";

/** An emulated account and a target on it, in one virtual time. */
export interface OnePasswordWorld {
  readonly sandbox: OnePasswordSandbox;
  readonly target: Target;
  readonly time: VirtualTime;
  observe(): Promise<Observed>;
  apply(changes: readonly Change[]): Promise<readonly Outcome[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function onePasswordWorld(
  settings: SandboxOptions = {},
  options: Partial<OnePasswordOptions> = {},
): Promise<OnePasswordWorld> {
  const time = virtualTime();
  const sandbox = await startOnePassword({ clock: time.clock, ...settings });
  const target = createOnePasswordTarget({
    name: "acme-1password",
    version: "0.0.0",
    apiUrl: sandbox.apiUrl,
    accountId: sandbox.accountId,
    clientId: sandbox.clientId,
    clientSecret: sandbox.clientSecret,
    clock: time.clock,
    sleep: time.sleep,
    random: () => 0.5,
    ...options,
  });
  const observe = (): Promise<Observed> => target.observe({ kind: "all" }, patient);
  return {
    sandbox,
    target,
    time,
    observe,
    apply: async (changes) => collect(target.apply(changes, await observe(), patient)),
    [Symbol.asyncDispose]: async () => {
      await target.close(patient);
      await sandbox.close();
    },
  };
}
