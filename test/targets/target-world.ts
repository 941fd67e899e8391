import type { Observed } from "../../src/domain/model/account.ts";
import type { Change } from "../../src/domain/model/plan.ts";
import type { Outcome, Target } from "../../src/domain/ports/target.ts";
import {
  type BitwardenSandbox,
  type OnePasswordSandbox,
  startBitwarden,
  startOnePassword,
} from "../../src/sandbox/index.ts";
import type { BitwardenOptions } from "../../src/targets/bitwarden/target.ts";
import type { OnePasswordOptions } from "../../src/targets/onepassword/target.ts";
import { bitwardenTarget, onePasswordTarget } from "../support/emulators.ts";
import { collect, patient, type VirtualTime, virtualTime } from "./virtual-time.ts";

/** An emulator and a target on it, in one virtual time. */
export interface TargetWorld<Sandbox> {
  readonly sandbox: Sandbox;
  readonly target: Target;
  readonly time: VirtualTime;
  observe(): Promise<Observed>;
  /** Observes everything, unless `observed` is given, applies the changes, and returns all outcomes. */
  apply(changes: readonly Change[], observed?: Observed): Promise<readonly Outcome[]>;
  [Symbol.asyncDispose](): Promise<void>;
}
export type BitwardenWorld = TargetWorld<BitwardenSandbox>;
export type OnePasswordWorld = TargetWorld<OnePasswordSandbox>;

function targetWorld<Sandbox extends { close(): Promise<void> }>(
  sandbox: Sandbox,
  target: Target,
  time: VirtualTime,
): TargetWorld<Sandbox> {
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

const inTime = ({ clock, sleep }: VirtualTime) => ({ clock, sleep, random: () => 0.5 });

export async function bitwardenWorld(
  settings: Parameters<typeof startBitwarden>[0] = {},
  options: Partial<BitwardenOptions> = {},
): Promise<BitwardenWorld> {
  const time = virtualTime();
  const sandbox = await startBitwarden({ clock: time.clock, ...settings });
  return targetWorld(sandbox, bitwardenTarget(sandbox, { ...inTime(time), ...options }), time);
}

export async function onePasswordWorld(
  settings: Parameters<typeof startOnePassword>[0] = {},
  options: Partial<OnePasswordOptions> = {},
): Promise<OnePasswordWorld> {
  const time = virtualTime();
  const sandbox = await startOnePassword({ clock: time.clock, ...settings });
  return targetWorld(sandbox, onePasswordTarget(sandbox, { ...inTime(time), ...options }), time);
}
