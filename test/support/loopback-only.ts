import dns from "node:dns";
import net from "node:net";

/**
 * Tests must pass without a network: connections leave this process for loopback and Unix sockets only. A name is
 * never looked up, unless it is one of this machine itself.
 */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3}|0\.0\.0\.0|::)$/i;

const refuse = (host: string): Error =>
  Object.assign(new Error(`a test tried to reach ${host}; only loopback is allowed (test/support/loopback-only.ts)`), {
    code: "ENETUNREACH",
  });

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function connectToLoopback(this: net.Socket, ...args: unknown[]): net.Socket {
  const host = hostOf(args);
  if (isLookedUpByTest(args)) return Reflect.apply(connect, this, args);
  if (LOOPBACK.test(host)) return Reflect.apply(connect, this, args);
  return this.destroy(refuse(host));
} as typeof connect;

/** A test's own `lookup` stands in for DNS: a name may be looked up by it, and must lead to loopback. */
function isLookedUpByTest(args: readonly unknown[]): boolean {
  const [options] = Array.isArray(args[0]) ? args[0] : args;
  if (typeof options !== "object" || options === null || !("lookup" in options)) return false;
  const { lookup } = options;
  if (typeof lookup !== "function" || lookup === dns.lookup) return false;
  const checked: net.LookupFunction = (host, how, callback) =>
    Reflect.apply(lookup, undefined, [
      host,
      how,
      (error: Error | null, found: string | dns.LookupAddress[] = [], family?: number) => {
        const addresses = typeof found === "string" ? [found] : found.map(({ address }) => address);
        const stranger = error === null ? addresses.find((address) => !LOOPBACK.test(address)) : undefined;
        callback(stranger === undefined ? error : refuse(stranger), found, family);
      },
    ]);
  options.lookup = checked;
  return net.isIP(hostOf(args)) === 0;
}

/** `connect` takes options, a port and a host, a path, or (from within Node) all arguments as one normalized list. */
function hostOf(args: readonly unknown[]): string {
  const [first, second] = Array.isArray(args[0]) ? args[0] : args;
  if (typeof first === "object" && first !== null) {
    if ("path" in first && typeof first.path === "string") return "localhost";
    return "host" in first && typeof first.host === "string" ? first.host : "localhost";
  }
  return typeof second === "string" ? second : "localhost";
}

const lookup = dns.lookup;
dns.lookup = ((host: string, ...rest: unknown[]) => {
  if (LOOPBACK.test(host) || net.isIP(host) !== 0) return Reflect.apply(lookup, dns, [host, ...rest]);
  const callback = rest.at(-1);
  if (typeof callback === "function") process.nextTick(() => callback(refuse(host)));
  return {};
}) as typeof lookup;

const lookupPromise = dns.promises.lookup;
dns.promises.lookup = ((host: string, ...rest: unknown[]) =>
  LOOPBACK.test(host) || net.isIP(host) !== 0
    ? Reflect.apply(lookupPromise, dns.promises, [host, ...rest])
    : Promise.reject(refuse(host))) as typeof lookupPromise;
