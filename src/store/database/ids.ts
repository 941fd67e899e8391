import { randomUUID } from "node:crypto";

/**
 * A UUID of version 7 (RFC 9562 §5.7): its first 48 bits are the time, so that rows made together lie together in every
 * index. With random ids each new row touches a page of its own in each of them, and every page is flushed.
 */
export function newId(nowMs: number): string {
  const time = Math.max(0, Math.floor(nowMs)).toString(16).padStart(12, "0").slice(-12);
  // The rest is that of a random UUID, its variant included.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
