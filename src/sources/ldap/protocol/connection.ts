import { promises as dns } from "node:dns";
import { connect as connectPlain, isIP } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { messageOf, RollcallError } from "../../../domain/model/errors.ts";
import type { LdapBind, LdapServers } from "../../../domain/model/ldap-source.ts";
import { describeResult } from "./result-codes.ts";
import { handshake, LdapSession } from "./session.ts";

export interface LdapTls {
  /** True if an `ldap://` connection is upgraded before the bind. Default false. */
  readonly startTls?: boolean;
  /** PEM of the private certificate authorities. They replace those of the system. */
  readonly ca?: string | undefined;
  /** PEM of the client certificate. */
  readonly cert?: string | undefined;
  /** PEM of its key. */
  readonly key?: string | undefined;
  /** Name to expect in the server's certificate. Default: the host of the URL. */
  readonly servername?: string;
  /** Default true. */
  readonly rejectUnauthorized?: boolean;
}

/** A bound session and its URL. */
export interface Connected {
  readonly session: LdapSession;
  readonly url: string;
}

/** SRV lookup; `node:dns` outside of tests. */
export type ResolveSrv = (
  name: string,
) => Promise<
  readonly { readonly name: string; readonly port: number; readonly priority: number; readonly weight: number }[]
>;

/**
 * Connects to the first server that answers, and binds. Refused credentials end the search: the next server would count
 * a bad password too, and the account would be locked sooner.
 * @param preferred URL of the last poll, tried first: an update number of Active Directory is valid on one server only
 * @throws `SOURCE_UNAVAILABLE` with the answer of each URL, `ABORTED`
 */
export async function connectLdap(
  servers: LdapServers<string, LdapTls>,
  preferred: string | null,
  signal: AbortSignal,
  resolveSrv: ResolveSrv = dns.resolveSrv,
): Promise<Connected> {
  const { url: given, domain, tls } = servers;
  const urls = domain === null ? [...given] : await urlsOfDomain(domain, tls.startTls === true, resolveSrv);
  if (preferred !== null && urls.includes(preferred)) urls.unshift(...urls.splice(urls.indexOf(preferred), 1));
  const failures: RollcallError[] = [];
  for (const url of urls) {
    try {
      return { session: await openSession(servers, url, signal), url };
    } catch (error) {
      if (!(error instanceof RollcallError) || error.code === "ABORTED" || error.isPermanent) throw error;
      failures.push(error);
    }
  }
  if (failures.length === 1 && failures[0] !== undefined) throw failures[0];
  throw new RollcallError(
    "SOURCE_UNAVAILABLE",
    `none of ${failures.length} servers can be used: ${failures.map(messageOf).join("; ")}`,
    { cause: failures.at(-1) },
  );
}

/** Domain controllers by priority, then by weight. RFC 2782 draws at random by weight; a fixed order is enough here. */
async function urlsOfDomain(domain: string, isStartTls: boolean, resolveSrv: ResolveSrv): Promise<string[]> {
  const name = `_ldap._tcp.dc._msdcs.${domain}`;
  try {
    const records = [...(await resolveSrv(name))].sort(
      (a, b) => a.priority - b.priority || b.weight - a.weight || (a.name < b.name ? -1 : 1),
    );
    if (records.length === 0) throw new Error("no records");
    // The records name the plain port. Active Directory has no records for ldaps.
    return records.map(({ name: host, port }) => (isStartTls ? `ldap://${host}:${port}` : `ldaps://${host}:636`));
  } catch (cause) {
    throw new RollcallError(
      "SOURCE_UNAVAILABLE",
      `no domain controllers found by DNS SRV ${name}: ${messageOf(cause)}; name them in "url"`,
      { cause },
    );
  }
}

async function openSession(
  servers: LdapServers<string, LdapTls>,
  url: string,
  signal: AbortSignal,
): Promise<LdapSession> {
  const { bind: how, connectTimeoutMs, timeoutMs } = servers;
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const { startTls = false, servername = host, rejectUnauthorized = true, ...pems } = servers.tls;
  // An address is not a server name (RFC 6066 §3); Node then checks the certificate against `host`.
  const tls: ConnectionOptions = {
    ...pems,
    host,
    rejectUnauthorized,
    ...(isIP(servername) === 0 ? { servername } : {}),
  };
  const isSecure = protocol === "ldaps:";
  const socket = isSecure
    ? connectTls({ ...tls, port: Number(port || 636) })
    : connectPlain({ host, port: Number(port || 389) });
  await handshake(socket, url, connectTimeoutMs, signal);
  socket.setNoDelay(true);
  const session = new LdapSession(socket, url, timeoutMs);
  try {
    if (!isSecure && startTls) await session.startTls(tls, signal);
    await bind(session, how, url, signal);
    return session;
  } catch (error) {
    session.close();
    // Nothing was read yet, so every failure means that this server can't be used now.
    if (error instanceof RollcallError && error.code === "SOURCE_INCOMPLETE")
      throw new RollcallError("SOURCE_UNAVAILABLE", error.message, { cause: error });
    throw error;
  }
}

async function bind(session: LdapSession, how: LdapBind<string>, url: string, signal: AbortSignal): Promise<void> {
  const isSimple = how.kind === "simple";
  const { dn, password } = isSimple ? how : { dn: "", password: "" };
  const result =
    how.kind === "external" ? await session.bindExternal(signal) : await session.bind(dn, password, signal);
  if (result.code === 0) return;
  // 49 wrong credentials, 53 account locked (389 DS), 7, 8, 13, 48 wrong method: another server would answer the same.
  const isPermanent = [7, 8, 13, 48, 49, 53].includes(result.code);
  // A server's diagnostic text can repeat the password. It would then be logged, stored and shown.
  const isSafe = !isSimple || !result.diagnostic.includes(password);
  const why = describeResult(isSafe ? result : { ...result, diagnostic: "" });
  throw new RollcallError("SOURCE_UNAVAILABLE", `${url}: bind as ${isSimple ? dn : how.kind} refused: ${why}`, {
    isPermanent,
  });
}
