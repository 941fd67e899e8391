import type { LookupFunction } from "node:net";
import { type Dispatcher, EnvHttpProxyAgent } from "undici";
import { RollcallError } from "../domain/model/errors.ts";
import { guardedLookup } from "./addresses.ts";

/** Options of outgoing connections. */
export interface DispatcherOptions {
  /** Maximum time to open a TCP and TLS connection. */
  readonly connectMs: number;
  /** PEM of the trusted certificate authorities. Default: those of Node.js, NODE_EXTRA_CA_CERTS included. */
  readonly ca?: string | undefined;
  /** Default: the lookup of the operating system. */
  readonly lookup?: LookupFunction | undefined;
  /** Domains that never lie in a private network, such as a vendor's cloud. Default none. */
  readonly publicDomains?: readonly string[] | undefined;
  /** Time until an idle connection closes. Default 4 s, from undici. */
  readonly keepAliveMs?: number;
}

/**
 * Makes connections that obey HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Loopback never uses a proxy. Certificates are always
 * verified. Names are resolved and checked here; with a proxy, the proxy resolves them.
 * @throws `CONFIG_INVALID` if one of these variables is not a proxy URL. The message names the variable, not its value,
 *   which may contain a password.
 */
export function createDispatcher({ connectMs, ca, lookup, publicDomains, keepAliveMs }: DispatcherOptions): Dispatcher {
  checkProxyVariables();
  const exceptions = process.env["no_proxy"] ?? process.env["NO_PROXY"] ?? "";
  // Set explicitly. Otherwise NODE_TLS_REJECT_UNAUTHORIZED=0 would switch it off.
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

function checkProxyVariables(): void {
  for (const name of ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"]) {
    const value = process.env[name] ?? "";
    if (value === "" || (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol))) continue;
    throw new RollcallError(
      "CONFIG_INVALID",
      `the environment variable ${name} is not a proxy URL. Example: http://proxy.example.com:3128`,
    );
  }
}
