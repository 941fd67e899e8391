import { decrypt, deriveKey, encrypt } from "./aes-gcm.ts";

/** Encrypts small values. Only a process with the same secrets can read or make the result. */
export interface Seal {
  seal(value: unknown): string;
  /** Returns the value; null if the text was changed, or was sealed under other secrets. */
  open(text: string): unknown;
}

/** Browsers keep cookies of up to 4,096 bytes. */
const maxChars = 4000;

/**
 * Seals under a key derived from the secrets. The result survives a restart and becomes unreadable as soon as one of the
 * secrets changes. Values that were sealed for one purpose cannot be opened for another.
 */
export function createSeal(secrets: readonly string[], purpose: string): Seal {
  const key = deriveKey(JSON.stringify(secrets), purpose);
  return {
    seal: (value) => encrypt(key, JSON.stringify(value)).toString("base64url"),
    open(text) {
      if (text.length > maxChars) return null;
      const json = decrypt(key, Buffer.from(text, "base64url"));
      return json === null ? null : JSON.parse(json);
    },
  };
}
