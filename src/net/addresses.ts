import dns from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** What lies behind an address. `forbidden`: nothing that Rollcall has to do with, above all what clouds tell their machines' credentials on. */
type AddressKind = "public" | "private" | "loopback" | "forbidden";

type Range = readonly [network: string, prefix: number];

/** IANA's registries of special-purpose addresses (RFC 6890), and what clouds have put their metadata on. */
const FORBIDDEN: readonly Range[] = [
  ["0.0.0.0", 8], // this host, this network
  ["169.254.0.0", 16], // link-local: metadata of AWS, Azure, GCP, OCI and others
  ["100.100.100.200", 32], // metadata of Alibaba Cloud
  ["168.63.129.16", 32], // Azure's wire server
  ["192.0.0.0", 24], // protocol assignments; metadata of Oracle's classic cloud
  ["224.0.0.0", 4], // multicast
  ["240.0.0.0", 4], // reserved, broadcast
];
const FORBIDDEN_6: readonly Range[] = [
  ["::", 128], // unspecified
  ["fe80::", 10], // link-local
  ["fec0::", 10], // site-local, given up
  ["ff00::", 8], // multicast
  ["2001::", 32], // Teredo: another address inside
  ["2002::", 16], // 6to4: likewise
  ["64:ff9b:1::", 48], // NAT64 of a network's own: likewise
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

/** With what stands for the same IPv4 network in IPv6: NAT64 (RFC 6052), and IPv4-compatible (RFC 4291). BlockList knows the mapped form itself. */
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

// In this order: fd00:ec2::/32 is private, too.
const KINDS: readonly (readonly [Exclude<AddressKind, "public">, BlockList])[] = [
  ["forbidden", listOf(FORBIDDEN, FORBIDDEN_6)],
  ["loopback", listOf(LOOPBACK, LOOPBACK_6)],
  ["private", listOf(PRIVATE, PRIVATE_6)],
];

function kindOf(address: string): AddressKind {
  // A zone (fe80::1%eth0) belongs to link-local addresses, and BlockList takes none.
  const [plain = ""] = address.split("%");
  const family = isIP(plain) === 6 ? "ipv6" : "ipv4";
  return KINDS.find(([, list]) => list.check(plain, family))?.[0] ?? "public";
}

/** As in a URL: lower case, IPv6 in brackets, perhaps with the dot of the root at its end. */
const hostOf = (hostname: string): string =>
  hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");

/** True for `localhost`, 127.0.0.0/8 and ::1, as the host of a URL. */
export function isLoopbackHost(hostname: string): boolean {
  const host = hostOf(hostname);
  return host === "localhost" || (isIP(host) !== 0 && kindOf(host) === "loopback");
}

/** An address that a host of the configuration must not lead to. */
export class ForbiddenAddress extends Error {
  constructor(host: string, address: string, why: string) {
    super(host === address ? `${address} is ${why}` : `${host} leads to ${address}, which is ${why}`);
    this.name = "ForbiddenAddress";
  }
}

/**
 * Whether this host of a URL may be reached at this address; null if so. Private addresses are for servers of one's own;
 * loopback is for a URL that says so; the rest is for nobody. Names in `publicDomains` never have a private address.
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
    return kind === "loopback" ? null : refuse("not this machine: mend the entry of localhost in /etc/hosts");
  switch (kind) {
    case "public":
      return null;
    case "forbidden":
      return refuse("reserved, link-local or a cloud's metadata service, and never called");
    case "loopback":
      return refuse("this machine: say localhost in the URL if that is meant, or mend the name's DNS entry");
    case "private":
      return publicDomains.some((domain) => host === domain || host.endsWith(`.${domain}`))
        ? refuse("in a private network, where the vendor's cloud is not: mend DNS, or use a proxy")
        : null;
    default:
      return kind satisfies never;
  }
}

/** The same for a URL's host that is an address itself; null for a name, which is looked up later. */
export function refuseHost(hostname: string): ForbiddenAddress | null {
  const host = hostOf(hostname);
  return isIP(host) === 0 ? null : refuseAddress(host, host);
}

/**
 * Looks names up for a connection that is about to be made, and refuses one that leads where it must not. That the same
 * answer is checked and called is what keeps a name from leading elsewhere a moment later (DNS rebinding).
 */
export function guardedLookup(
  lookup: LookupFunction = dns.lookup as LookupFunction,
  publicDomains: readonly string[] = [],
): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, options, (error, found, family) => {
      if (error !== null) return callback(error, found, family);
      const addresses = typeof found === "string" ? [found] : found.map(({ address }) => address);
      // One is enough: which of them is called is not ours to choose.
      const refused = addresses
        .map((address) => refuseAddress(hostname, address, publicDomains))
        .find((each) => each !== null);
      callback(refused ?? null, found, family);
    });
}
