import dns from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** The network of an address. `forbidden`: Rollcall never connects there, above all not to the metadata services of clouds. */
type AddressKind = "public" | "private" | "loopback" | "forbidden";

type Range = readonly [network: string, prefix: number];

/** From IANA's registries of special-purpose addresses (RFC 6890), and the metadata addresses of clouds. */
const FORBIDDEN: readonly Range[] = [
  ["0.0.0.0", 8], // this host, this network
  ["169.254.0.0", 16], // link-local: metadata of AWS, Azure, GCP, OCI and others
  ["100.100.100.200", 32], // metadata of Alibaba Cloud
  ["168.63.129.16", 32], // Azure's wire server
  ["192.0.0.0", 24], // protocol assignments; metadata of Oracle Cloud Classic
  ["224.0.0.0", 4], // multicast
  ["240.0.0.0", 4], // reserved, broadcast
];
const FORBIDDEN_6: readonly Range[] = [
  ["::", 128], // unspecified
  ["fe80::", 10], // link-local
  ["fec0::", 10], // site-local, deprecated
  ["ff00::", 8], // multicast
  ["2001::", 32], // Teredo: contains another address
  ["2002::", 16], // 6to4: contains another address
  ["64:ff9b:1::", 48], // local NAT64: contains another address
  ["fd00:ec2::", 32], // metadata of AWS
  ["fd20:ce::254", 128], // metadata of GCP
];
const LOOPBACK: readonly Range[] = [["127.0.0.0", 8]];
const LOOPBACK_6: readonly Range[] = [["::1", 128]];
const PRIVATE: readonly Range[] = [
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["100.64.0.0", 10],
];
const PRIVATE_6: readonly Range[] = [["fc00::", 7]];

/** Adds the IPv6 forms of each IPv4 network: NAT64 (RFC 6052) and IPv4-compatible (RFC 4291). BlockList knows the mapped form itself. */
function listOf(ranges: readonly Range[], ranges6: readonly Range[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of ranges) {
    list.addSubnet(network, prefix, "ipv4");
    list.addSubnet(`64:ff9b::${network}`, 96 + prefix, "ipv6");
    if (network !== "0.0.0.0") list.addSubnet(`::${network}`, 96 + prefix, "ipv6");
  }
  for (const [network, prefix] of ranges6) list.addSubnet(network, prefix, "ipv6");
  return list;
}

// The first match counts: fd00:ec2::/32 is forbidden, and also inside the private fc00::/7.
const KINDS: readonly (readonly [Exclude<AddressKind, "public">, BlockList])[] = [
  ["forbidden", listOf(FORBIDDEN, FORBIDDEN_6)],
  ["loopback", listOf(LOOPBACK, LOOPBACK_6)],
  ["private", listOf(PRIVATE, PRIVATE_6)],
];

function kindOf(address: string): AddressKind {
  // BlockList accepts no zone (fe80::1%eth0).
  const [plain = ""] = address.split("%");
  const family = isIP(plain) === 6 ? "ipv6" : "ipv4";
  return KINDS.find(([, list]) => list.check(plain, family))?.[0] ?? "public";
}

/** Normalizes the host of a URL: lower case, no brackets, no dot at the end. */
const hostOf = (hostname: string): string =>
  hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");

/** True if the host of a URL is `localhost`, in 127.0.0.0/8, or ::1. */
export function isLoopbackHost(hostname: string): boolean {
  const host = hostOf(hostname);
  return host === "localhost" || (isIP(host) !== 0 && kindOf(host) === "loopback");
}

/** A host of the configuration leads to an address that is not allowed. */
export class ForbiddenAddress extends Error {
  constructor(host: string, address: string, why: string) {
    super(host === address ? `${address} is ${why}` : `${host} leads to ${address}, which is ${why}`);
    this.name = "ForbiddenAddress";
  }
}

/** Returns the first cause of a failed call. undici wraps it, and two refused addresses come as an AggregateError. */
export function rootOf(thrown: unknown): Error {
  if (!(thrown instanceof Error)) return new Error(String(thrown));
  if (thrown instanceof AggregateError && thrown.errors[0] instanceof Error) return rootOf(thrown.errors[0]);
  return thrown.cause instanceof Error ? rootOf(thrown.cause) : thrown;
}

/** Returns why no connection was possible, without a URL. `otherwise`: for an error without a code. */
export function connectionReason(thrown: unknown, otherwise: string): string {
  const root = rootOf(thrown);
  // fetch refuses some ports without a code (Fetch Standard, "bad port").
  if (root instanceof ForbiddenAddress || root.message === "bad port") return root.message;
  return "code" in root && typeof root.code === "string" ? root.code : otherwise;
}

/**
 * Returns why this host of a URL may not be reached at this address; null if it may.
 * Private addresses are allowed except for names in `publicDomains`, loopback only for a URL that says so.
 */
export function refuseAddress(
  hostname: string,
  address: string,
  publicDomains: readonly string[] = [],
): ForbiddenAddress | null {
  const host = hostOf(hostname);
  const refuse = (why: string): ForbiddenAddress => new ForbiddenAddress(host, address, why);
  const kind = kindOf(address);
  if (isLoopbackHost(host))
    return kind === "loopback" ? null : refuse("not this machine: correct the entry of localhost in /etc/hosts");
  switch (kind) {
    case "public":
      return null;
    case "forbidden":
      return refuse("reserved, link-local or a cloud's metadata service, and never allowed");
    case "loopback":
      return refuse("this machine: write localhost in the URL if you mean it, or correct the DNS entry");
    case "private":
      return publicDomains.some((domain) => host === domain || host.endsWith(`.${domain}`))
        ? refuse("in a private network, but the vendor's cloud is public: correct DNS, or use a proxy")
        : null;
    default:
      return kind satisfies never;
  }
}

/** The same check for a host that is an address itself. Returns null for a name: its lookup is checked later. */
export function refuseHost(hostname: string): ForbiddenAddress | null {
  const host = hostOf(hostname);
  return isIP(host) === 0 ? null : refuseAddress(host, host);
}

/**
 * Resolves a name for a connection, and refuses addresses that are not allowed. The connection uses the checked answer, so
 * the name cannot lead to another address a moment later (DNS rebinding).
 */
export function guardedLookup(
  lookup: LookupFunction = dns.lookup as LookupFunction,
  publicDomains: readonly string[] = [],
): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, options, (error, found, family) => {
      if (error !== null) return callback(error, found, family);
      const addresses = typeof found === "string" ? [found] : found.map(({ address }) => address);
      // One bad address is enough, because Node chooses which of them it uses.
      const refused = addresses
        .map((address) => refuseAddress(hostname, address, publicDomains))
        .find((each) => each !== null);
      callback(refused ?? null, found, family);
    });
}
