import type { Target } from "../../src/domain/ports/target.ts";
import type { BitwardenSandbox, OnePasswordSandbox } from "../../src/sandbox/index.ts";
import { type BitwardenOptions, createBitwardenTarget } from "../../src/targets/bitwarden/target.ts";
import { createOnePasswordTarget, type OnePasswordOptions } from "../../src/targets/onepassword/target.ts";

/** Where the emulator listens and what it accepts, as keys of a target. */
export const bitwardenKeys = ({ apiUrl, identityUrl, clientId, clientSecret }: BitwardenSandbox) => ({
  apiUrl,
  identityUrl,
  clientId,
  clientSecret,
});
export const onePasswordKeys = ({ apiUrl, accountId, clientId, clientSecret }: OnePasswordSandbox) => ({
  apiUrl,
  accountId,
  clientId,
  clientSecret,
});

/** `targets` of a configuration. */
export const targetSections = (bitwarden: BitwardenSandbox, onePassword: OnePasswordSandbox) => ({
  "acme-bitwarden": { type: "bitwarden", ...bitwardenKeys(bitwarden) },
  "acme-1password": { type: "onepassword", ...onePasswordKeys(onePassword) },
});

/** Clock, sleep and randomness of a test. */
export type Surroundings = Pick<BitwardenOptions, "clock" | "sleep" | "random">;

export const bitwardenTarget = (sandbox: BitwardenSandbox, options: Surroundings & Partial<BitwardenOptions>): Target =>
  createBitwardenTarget({ name: "acme-bitwarden", version: "0.0.0", ...bitwardenKeys(sandbox), ...options });

export const onePasswordTarget = (
  sandbox: OnePasswordSandbox,
  options: Surroundings & Partial<OnePasswordOptions>,
): Target =>
  createOnePasswordTarget({ name: "acme-1password", version: "0.0.0", ...onePasswordKeys(sandbox), ...options });
