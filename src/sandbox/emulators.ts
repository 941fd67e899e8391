import { company, seedBitwarden, seedOnePassword } from "./company.ts";
import { type SandboxOptions, startBitwarden, startOnePassword } from "./index.ts";

/** A running emulator, as the sandbox command needs it. */
export interface RunningEmulator {
  /** The section of a configuration under `targets` that connects to it. */
  readonly target: Readonly<Record<string, unknown>>;
  /** True if it has no account yet. */
  readonly isEmpty: boolean;
  /** Adds the accounts of the made-up company. */
  seed(): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** An emulated vendor. A new emulator is one more entry of `emulators`. */
interface Emulator {
  /** Type and name of the target in the configuration. */
  readonly type: string;
  /** Name of the file that keeps its state. */
  readonly stateFile: string;
  start(options: SandboxOptions): Promise<RunningEmulator>;
}

export const emulators: readonly Emulator[] = [
  {
    type: "bitwarden",
    stateFile: "bitwarden.json",
    async start(options) {
      const { state, apiUrl, identityUrl, clientId, clientSecret, flush, close } = await startBitwarden(options);
      const target = { type: "bitwarden", apiUrl, identityUrl, clientId, clientSecret };
      return { target, isEmpty: state.isEmpty, seed: () => seedBitwarden(state), flush, close };
    },
  },
  {
    type: "onepassword",
    stateFile: "1password.json",
    async start(options) {
      const { state, apiUrl, accountId, clientId, clientSecret, flush, close } = await startOnePassword(options);
      // 1Password's API shows no roles: the owner has to be protected by name.
      const target = { type: "onepassword", apiUrl, accountId, clientId, clientSecret, protect: [company.owner] };
      return { target, isEmpty: state.isEmpty, seed: () => seedOnePassword(state), flush, close };
    },
  },
];
