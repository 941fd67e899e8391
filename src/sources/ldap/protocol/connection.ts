import { promises as dns } from "node:dns";
import { connect as connectPlain, isIP } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { messageOf, RollcallError } from "../../../domain/model/errors.ts";
import type { LdapSettings } from "../servers/options.ts";
import { describeResult } from "./result-codes.ts";
import { handshake, LdapSession } from "./session.ts";

/** A bound session and the URL that it goes to. */
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
 * Connects to the first server that answers and binds there. A server that refuses the credentials ends the search: the
 * next one would count a bad password too, and lock the account sooner.
 * @param preferred the URL that was used last, tried first: a cursor of Active Directory is good for one server only
 * @throws `SOURCE_UNAVAILABLE` with what each URL answered, `ABORTED`
 */
export async function connectLdap(
  settings: LdapSettings,
  preferred: string | null,
  signal: AbortSignal,
  resolveSrv: ResolveSrv = dns.resolveSrv,
): Promise<Connected> {
  const urls =
    settings.domain === null
      ? [...settings.url]
      : await urlsOfDomain(settings.domain, settings.tls.startTls === true, resolveSrv);
  if (preferred !== null && urls.includes(preferred)) urls.unshift(...urls.splice(urls.indexOf(preferred), 1));
  const failures: RollcallError[] = [];
  for (const url of urls) {
    try {
      return { session: await openSession(settings, url, signal), url };
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

/** Domain controllers in the order of RFC 2782 (weights as a plain order: any of them will do). */
async function urlsOfDomain(domain: string, isStartTls: boolean, resolveSrv: ResolveSrv): Promise<string[]> {
  const name = `_ldap._tcp.dc._msdcs.${domain}`;
  try {
    const records = [...(await resolveSrv(name))].sort(
      (a, b) => a.priority - b.priority || b.weight - a.weight || (a.name < b.name ? -1 : 1),
    );
    if (records.length === 0) throw new Error("no records");
    // The records name the plain port; ldaps has no records of its own in Active Directory.
    return records.map(({ name: host, port }) => (isStartTls ? `ldap://${host}:${port}` : `ldaps://${host}:636`));
  } catch (error) {
    throw new RollcallError(
      "SOURCE_UNAVAILABLE",
      `no domain controllers found by DNS SRV ${name}: ${messageOf(error)}; name them in "url"`,
      { cause: error },
    );
  }
}

async function openSession(settings: LdapSettings, url: string, signal: AbortSignal): Promise<LdapSession> {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const tls = tlsOptions(settings, host);
  const isSecure = protocol === "ldaps:";
  const socket = isSecure
    ? connectTls({ ...tls, port: Number(port || 636) })
    : connectPlain({ host, port: Number(port || 389) });
  await handshake(socket, url, settings.connectTimeoutMs, signal);
  socket.setNoDelay(true);
  const session = new LdapSession(socket, url, settings.timeoutMs);
  try {
    if (!isSecure && settings.tls.startTls === true) await session.startTls(tls, signal);
    await bind(session, settings.bind, url, signal);
    return session;
  } catch (error) {
    session.close();
    // Until here nothing was read: whatever went wrong, this server can't be used now.
    if (error instanceof RollcallError && error.code === "SOURCE_INCOMPLETE")
      throw new RollcallError("SOURCE_UNAVAILABLE", error.message, { cause: error });
    throw error;
  }
}

function tlsOptions({ tls }: LdapSettings, host: string): ConnectionOptions {
  const servername = tls.servername ?? host;
  return {
    host,
    // An address is no server name (RFC 6066 §3); Node then checks the certificate against `host`.
    ...(isIP(servername) === 0 ? { servername } : {}),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    rejectUnauthorized: tls.rejectUnauthorized ?? true,
  };
}

async function bind(session: LdapSession, how: LdapSettings["bind"], url: string, signal: AbortSignal): Promise<void> {
  const result =
    how.kind === "external"
      ? await session.bindExternal(signal)
      : how.kind === "simple"
        ? await session.bind(how.dn, how.password, signal)
        : await session.bind("", "", signal);
  if (result.code === 0) return;
  const who = how.kind === "simple" ? how.dn : how.kind;
  // 49 credentials, 53 account locked (389 DS), 7/48/8/13 wrong way of authenticating: no other server will say otherwise.
  const isPermanent = [7, 8, 13, 48, 49, 53].includes(result.code);
  // The server's words are its own; a password in them would be logged, stored and shown.
  const isTold = how.kind === "simple" && result.diagnostic.includes(how.password);
  const why = describeResult(isTold ? { ...result, diagnostic: "" } : result);
  throw new RollcallError("SOURCE_UNAVAILABLE", `${url}: bind as ${who} refused: ${why}`, {
    isPermanent,
  });
}
