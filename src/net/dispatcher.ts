import type { LookupFunction } from "node:net";
import { type Dispatcher, EnvHttpProxyAgent } from "undici";
import { RollcallError } from "../domain/model/errors.ts";
import { guardedLookup } from "./addresses.ts";

/** What connections that this process opens need. */
export interface DispatcherOptions {
  /** To a TCP and TLS connection, in milliseconds. */
  readonly connectMs: number;
  /** PEM of the authorities that sign the server's certificate. Default: those that Node.js trusts, NODE_EXTRA_CA_CERTS included. */
  readonly ca?: string | undefined;
  /** Default: that of the operating system. */
  readonly lookup?: LookupFunction | undefined;
  /** Domains that never lie in a private network, such as a vendor's cloud. Default none. */
  readonly publicDomains?: readonly string[] | undefined;
  /** How long an idle connection stays open, in milliseconds. Default: undici's 4 s. */
  readonly keepAliveMs?: number;
}

/**
 * Connections as HTTPS_PROXY, HTTP_PROXY and NO_PROXY wish, never by a proxy to this machine. Certificates are verified
 * whatever the environment says. Names are looked up and guarded here; behind a proxy it is the proxy that looks them up.
 * @throws `CONFIG_INVALID` when one of these variables holds no proxy's URL; the message names the variable, not its value, which may hold a password
 */
export function createDispatcher({ connectMs, ca, lookup, publicDomains, keepAliveMs }: DispatcherOptions): Dispatcher {
  refuseOddProxies();
  const exceptions = process.env["no_proxy"] ?? process.env["NO_PROXY"] ?? "";
  // Said outright: NODE_TLS_REJECT_UNAUTHORIZED=0 would switch it off.
  const verified = { rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) };
  return new EnvHttpProxyAgent({
    connect: { timeout: connectMs, lookup: guardedLookup(lookup, publicDomains), ...verified },
    connectTimeout: connectMs,
    ...(keepAliveMs !== undefined && { keepAliveTimeout: keepAliveMs }),
    requestTls: verified,
    proxyTls: { rejectUnauthorized: true },
    noProxy: [exceptions, "localhost", "127.0.0.1", "[::1]"].filter((host) => host !== "").join(","),
  });
}

function refuseOddProxies(): void {
  for (const name of ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"]) {
    const value = process.env[name] ?? "";
    if (value === "" || (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol))) continue;
    throw new RollcallError(
      "CONFIG_INVALID",
      `the environment's ${name} is no proxy's URL: it must be like http://proxy.example.com:3128`,
    );
  }
}
