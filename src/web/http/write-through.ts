import { once } from "node:events";
import type { Response } from "express";

/** Who takes nothing for that long is gone. */
const stuckMs = 60_000;

/**
 * Writes, and waits until the client has taken it: who reads slowly holds up nobody but themselves, and fills no memory.
 * False when there is nobody to write to any more: gone, or stuck for a minute and hung up on.
 */
export async function writeThrough(response: Response, text: string): Promise<boolean> {
  if (response.destroyed) return false;
  if (response.write(text)) return true;
  const over = new AbortController();
  const end = (): void => over.abort();
  const stuck = setTimeout(end, stuckMs);
  response.once("close", end);
  try {
    await once(response, "drain", { signal: over.signal });
    return true;
  } catch {
    response.destroy();
    return false;
  } finally {
    clearTimeout(stuck);
    response.off("close", end);
  }
}
