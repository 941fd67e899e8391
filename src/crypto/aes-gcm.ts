import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const authTagLength = 16;

/** Bytes that encryption adds to a text. A shorter ciphertext is not one of ours. */
export const encryptionOverheadBytes = nonceBytes + authTagLength;

/** Derives a key for one purpose (HKDF-SHA-256, RFC 5869). Keys for different purposes say nothing about each other. */
export const deriveKey = (secret: string | Buffer, purpose: string, bytes = 32): Buffer =>
  Buffer.from(hkdfSync("sha256", secret, "", `rollcall ${purpose}`, bytes));

/**
 * Encrypts with AES-256-GCM (NIST SP 800-38D) under a random nonce.
 * Returns nonce (12 bytes), ciphertext, tag (16 bytes). `context` is authenticated, but is not part of the result.
 */
export function encrypt(key: Buffer, text: string, context = ""): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength });
  cipher.setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
}

/** Returns the text; null if the bytes or the context were changed, or if another key encrypted them. */
export function decrypt(key: Buffer, bytes: Buffer, context = ""): string | null {
  if (bytes.length < encryptionOverheadBytes) return null;
  const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes), { authTagLength });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(bytes.subarray(-authTagLength));
  try {
    const text = decipher.update(bytes.subarray(nonceBytes, -authTagLength));
    return Buffer.concat([text, decipher.final()]).toString("utf8");
  } catch {
    // Node throws only one error here: the tag does not match.
    return null;
  }
}
