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
  if (LOOPBACK.test(host)) return Reflect.apply(connect, this, args);
  return this.destroy(refuse(host));
} as typeof connect;

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
