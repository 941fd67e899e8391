import type { Observed } from "../../src/domain/model/account.ts";
import type { Change } from "../../src/domain/model/plan.ts";
import type { Outcome, Target } from "../../src/domain/ports/target.ts";
import {
  type BitwardenSandbox,
  type BitwardenOptions as SandboxOptions,
  startBitwarden,
} from "../../src/sandbox/index.ts";
import { type BitwardenOptions, createBitwardenTarget } from "../../src/targets/bitwarden/target.ts";
import { collect, patient, type VirtualTime, virtualTime } from "./virtual-time.ts";

/** An emulated organization and a target on it, in one virtual time. */
export interface BitwardenWorld {
  readonly sandbox: BitwardenSandbox;
  readonly target: Target;
  readonly time: VirtualTime;
  observe(): Promise<Observed>;
  /** Observes everything, applies, and gives all outcomes. */
  apply(changes: readonly Change[], observed?: Observed): Promise<readonly Outcome[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function bitwardenWorld(
  settings: SandboxOptions = {},
  options: Partial<BitwardenOptions> = {},
): Promise<BitwardenWorld> {
  const time = virtualTime();
  const sandbox = await startBitwarden({ clock: time.clock, ...settings });
  const target = createBitwardenTarget({
    name: "acme-bitwarden",
    version: "0.0.0",
    apiUrl: sandbox.apiUrl,
    identityUrl: sandbox.identityUrl,
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
    apply: async (changes, observed) => collect(target.apply(changes, observed ?? (await observe()), patient)),
    [Symbol.asyncDispose]: async () => {
      await target.close(patient);
      await sandbox.close();
    },
  };
}
