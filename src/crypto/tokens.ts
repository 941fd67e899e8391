import { hash, randomBytes, timingSafeEqual } from "node:crypto";

/** SHA-256 in hex. A slow password hash is not needed: tokens are random and long. */
export const hashToken = (token: string): string => hash("sha256", token, "hex");

/** 256 random bits. The prefix lets secret scanners recognize the token. */
export const newToken = (): string => `rollcall_${randomBytes(32).toString("base64url")}`;

/** The first 8 digits of a token's hash: names the token in lists and audit rows without revealing it. */
export const fingerprint = (tokenHash: string): string => tokenHash.slice(0, 8);

/** Finds the entry of a presented token. Compares with every hash in constant time, so that the duration reveals nothing. */
export function findByHash<T extends { readonly hash: Buffer }>(known: readonly T[], presented: string): T | null {
  const given = hash("sha256", presented, "buffer");
  return known.filter((each) => timingSafeEqual(each.hash, given)).at(-1) ?? null;
}
