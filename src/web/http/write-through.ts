import { once } from "node:events";
import type { Response } from "express";

/** Maximum time that a client may take without reading. */
const maxStallMs = 60_000;

/**
 * Writes and waits until the client has read it, so that a slow client uses no memory and delays only itself.
 * Returns false if the client is gone, or did not read for a minute and was disconnected.
 */
export async function writeThrough(response: Response, text: string): Promise<boolean> {
  if (response.destroyed) return false;
  if (response.write(text)) return true;
  const over = new AbortController();
  const end = (): void => over.abort();
  const stuck = setTimeout(end, maxStallMs);
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
