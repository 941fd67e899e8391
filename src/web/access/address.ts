import { isIP } from "node:net";
import type { Request } from "express";

/**
 * The client's address, by which guesses are counted. Some proxies write a port behind it in X-Forwarded-For (Azure
 * Application Gateway does), another one for each connection; what is no address at all counts as the proxy's.
 */
export function clientAddress({ ip = "", socket }: Request): string {
  if (isIP(ip) !== 0) return ip;
  const [, six, four] = /^(?:\[(.+)\]|([\d.]+))(?::\d{1,5})?$/.exec(ip) ?? [];
  const bare = six ?? four ?? "";
  return isIP(bare) === 0 ? (socket.remoteAddress ?? "") : bare;
}
