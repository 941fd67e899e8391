import type { Request } from "express";

/**
 * Did a page of ours send this? Browsers say where a request comes from and no script can change what they say:
 * `Sec-Fetch-Site`, and on older ones `Origin`. Who says neither is no browser that we know, and is not believed.
 */
export function isSameOrigin(request: Request, publicOrigin: string | null): boolean {
  const site = request.headers["sec-fetch-site"];
  if (site !== undefined) return site === "same-origin";
  const { origin, host } = request.headers;
  if (origin === undefined || origin === "null") return false;
  return publicOrigin === null ? URL.parse(origin)?.host === host : origin === publicOrigin;
}
