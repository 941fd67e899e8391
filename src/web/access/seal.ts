import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

/** Turns small values into opaque text that only this process, or one with the same secrets, can read or make. */
export interface Seal {
  seal(value: unknown): string;
  /** Null for anything that was not sealed under these secrets, or was changed since. */
  open(text: string): unknown;
}

const algorithm = "aes-256-gcm";
const ivBytes = 12;
const tagBytes = 16;
/** Browsers keep cookies of up to 4,096 bytes. */
const limitChars = 4000;

/** 256 bits from all these secrets (HKDF-SHA-256, RFC 5869), different for each purpose. */
export const deriveKey = (secrets: readonly string[], purpose: string): Buffer =>
  Buffer.from(hkdfSync("sha256", JSON.stringify(secrets), "", `rollcall ${purpose}`, 32));

/**
 * AES-256-GCM under a key derived from the secrets: what it makes outlives a restart, and ends as soon as one of
 * them is changed. `purpose` keeps apart what is sealed for different uses.
 */
export function createSeal(secrets: readonly string[], purpose: string): Seal {
  const key = deriveKey(secrets, purpose);
  return {
    seal(value) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv(algorithm, key, iv, { authTagLength: tagBytes });
      const body = Buffer.concat([cipher.update(JSON.stringify(value), "utf8"), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), body]).toString("base64url");
    },
    open(text) {
      if (text.length > limitChars) return null;
      const bytes = Buffer.from(text, "base64url");
      if (bytes.length <= ivBytes + tagBytes) return null;
      const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
      decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
      try {
        const body = Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]);
        return JSON.parse(body.toString("utf8"));
      } catch {
        // Made under other secrets, or tampered with: for the caller there is no such cookie.
        return null;
      }
    },
  };
}
