import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, connect, type LookupFunction, type Server } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { guardedLookup, refuseAddress, refuseHost } from "../../src/net/addresses.ts";
import { HttpClient, type HttpOptions, type HttpRequest } from "../../src/targets/kit/http.ts";
import { targetDefinitions } from "../../src/targets/registry.ts";
import { authority } from "../support/certificates.ts";
import { patient, virtualTime } from "../targets/virtual-time.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
const ca = authority();

function portOf(server: Server): Promise<number> {
  closers.push(() => server.close());
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));
}

/** A vendor with TLS. Its certificate is for `name`, localhost and 127.0.0.1. */
const vendor = (name: string, listener: RequestListener = (_request, response) => void response.end("{}")) =>
  portOf(createHttpsServer(ca.server({ name }), listener));

/** A proxy that sends every CONNECT to one server. `asked` contains the request lines. */
async function proxy(port: () => number, status = 200) {
  const asked: string[] = [];
  const server = createHttpServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end("{}");
  });
  server.on("connect", (request, socket) => {
    asked.push(`CONNECT ${request.url} ${request.headers["proxy-authorization"] ?? ""}`.trim());
    if (status !== 200) return void socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
    const onward = connect(port(), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      socket.pipe(onward).pipe(socket);
    });
    for (const each of [socket, onward]) each.on("error", () => each.destroy());
    closers.push(
      () => onward.destroy(),
      () => socket.destroy(),
    );
  });
  return { asked, port: await portOf(server) };
}

function client(options: Partial<HttpOptions> = {}): HttpClient {
  const { clock, sleep } = virtualTime();
  const http = new HttpClient({ name: "acme", version: "1", clock, sleep, random: () => 0.5, ca: ca.cert, ...options });
  closers.push(() => http.close());
  return http;
}

const get = (url: string): HttpRequest => ({
  operation: "members.list",
  kind: "read",
  method: "GET",
  url,
  isRepeatable: true,
});

/** A lookup with false answers. Counts the questions. */
function resolver(...answers: readonly (readonly string[])[]): { lookup: LookupFunction; asked: () => number } {
  let asked = 0;
  return {
    asked: () => asked,
    lookup: (_host, options, callback) => {
      const addresses = answers[Math.min(asked, answers.length - 1)] ?? [];
      asked += 1;
      const list = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
      if (options.all === true) callback(null, list);
      else callback(null, list[0]?.address ?? "", list[0]?.family ?? 4);
    },
  };
}

/** Expects that a call reaches nobody, with this reason. */
const expectUnreachable = (http: HttpClient, request: HttpRequest, why: string | RegExp): Promise<void> =>
  expect(http.send(request, patient)).rejects.toMatchObject({
    code: "TARGET_UNREACHABLE",
    message: expect.stringMatching(why),
  });

/** The domains of every cloud of the registry. */
const cloudDomains = targetDefinitions.flatMap(({ regions }) => regions.map(({ domain }) => domain));

describe("addresses", () => {
  const [own, cloud, local] = ["vault.example.com", "api.bitwarden.com", "localhost"];
  const metadata = "169.254.169.254 169.254.170.2 fd00:ec2::254 fd20:ce::254 100.100.100.200 168.63.129.16";
  const linkLocal = "fe80::1 fe80::1%eth0 febf:ffff::1";
  const reserved = "0.0.0.0 0.1.2.3 :: 224.0.0.251 ff02::1 255.255.255.255 240.0.0.1";
  const metadataInIpv6 =
    "::ffff:169.254.169.254 ::ffff:a9fe:a9fe 64:ff9b::a9fe:a9fe ::169.254.169.254 2002:a9fe:a9fe::1 2001:0:1:2::5601:5601 64:ff9b:1::a9fe:a9fe";
  const privateNetworks = "10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 fd12:3456::1 ::ffff:10.0.0.1";
  const hosts = [own, cloud, local];
  it.each(
    [
      { addresses: `${metadata} ${linkLocal} ${reserved} ${metadataInIpv6}`, refused: hosts },
      { addresses: "127.0.0.1 127.255.0.1 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1", refused: [own, cloud] },
      { addresses: privateNetworks, refused: [cloud, local] },
      { addresses: "104.18.12.33 172.32.0.1 2606:4700::6812:c21 64:ff9b::6812:c21", refused: [local] },
    ].flatMap(({ addresses, refused }) => addresses.split(" ").map((address) => ({ address, refused }))),
  )("$address is refused to $refused only", ({ address, refused }) => {
    expect(hosts.filter((host) => refuseAddress(host, address, cloudDomains) !== null)).toEqual(refused);
  });

  it("of the vendors' clouds are recognized by every name of theirs, and by no other", () => {
    const isCloud = (host: string): boolean => refuseAddress(host, "10.0.0.1", cloudDomains) !== null;
    expect(
      ["identity.bitwarden.eu", "API.1Password.com", "api.1password.ca.", "bitwarden.com"].filter(isCloud),
    ).toHaveLength(4);
    expect(["notbitwarden.com", "bitwarden.com.example.org", "api.bitwarden.example"].filter(isCloud)).toEqual([]);
  });

  it("in a URL are recognized in every notation", () => {
    const refused = [
      "http://2852039166/",
      "http://0xa9.0xfe.0251.254/",
      "http://[::ffff:169.254.169.254]/",
      "http://[fe80::1]/",
      "http://0/",
    ];
    for (const url of refused) expect(refuseHost(new URL(url).hostname), url).not.toBeNull();
    for (const url of ["http://127.1/", "http://[::1]/", "http://10.0.0.1/", "http://a.example/"])
      expect(refuseHost(new URL(url).hostname), url).toBeNull();
  });
});

describe("a name that leads to a forbidden address", () => {
  it.each([
    ["https://vault.example.com/", "127.0.0.1", "write localhost in the URL"],
    ["https://vault.example.com/", "169.254.169.254", "never allowed"],
    ["https://api.bitwarden.com/", "192.168.7.7", "the vendor's cloud is public"],
  ])("%s at %s: nothing is sent, and the message says what to do", async (url, address, what) => {
    let reached = 0;
    const port = await vendor(new URL(url).hostname, (_request, response) => {
      reached += 1;
      response.end("{}");
    });
    const { lookup, asked } = resolver([address]);
    const { hostname } = new URL(url);
    const why = new RegExp(`^acme: members\\.list: .*${hostname} leads to ${address}, .*${what}`);
    await expectUnreachable(client({ lookup, cloudDomains }), get(`https://${hostname}:${port}/`), why);
    // A retry does not help.
    expect([asked(), reached]).toEqual([1, 0]);
  });

  it("is refused if only one of its addresses is forbidden", async () => {
    const { lookup } = resolver(["104.18.12.33", "169.254.169.254"]);
    await expect(client({ lookup }).send(get("https://vault.example.com/"), patient)).rejects.toThrow(
      "169.254.169.254",
    );
  });

  it("is resolved once per connection, so the checked address is the one that is used", async () => {
    const { lookup, asked } = resolver(["104.18.12.33"], ["127.0.0.1"]);
    const found = await new Promise((resolve, reject) =>
      guardedLookup(lookup)("vault.example.com", { all: true }, (error, addresses) =>
        error === null ? resolve(addresses) : reject(error),
      ),
    );
    expect([found, asked()]).toEqual([[{ address: "104.18.12.33", family: 4 }], 1]);
    await expect(
      new Promise((resolve, reject) =>
        guardedLookup(lookup)("vault.example.com", {}, (error, address) =>
          error === null ? resolve(address) : reject(error),
        ),
      ),
    ).rejects.toThrow("this machine");
  });

  it("is refused as well if the URL contains the address", async () => {
    for (const url of ["http://169.254.169.254/latest/meta-data", "https://[fd00:ec2::254]/", "https://0.0.0.0/"])
      await expectUnreachable(client({ allowInsecureHttp: true }), get(url), "never allowed");
  });

  it("is refused if it is localhost and leads to another machine", async () => {
    const port = await vendor("x");
    expect(
      await client({ lookup: resolver(["127.0.0.1"]).lookup }).send(get(`https://localhost:${port}/`), patient),
    ).toMatchObject({ status: 200 });
    await expect(
      client({ lookup: resolver(["10.0.0.1"]).lookup }).send(get(`https://localhost:${port}/`), patient),
    ).rejects.toThrow("/etc/hosts");
  });
});

it("a redirect is never followed", async () => {
  let reached = 0;
  const elsewhere = await vendor("x", (_request, response) => {
    reached += 1;
    response.end("{}");
  });
  for (const status of [301, 302, 303, 307, 308]) {
    const port = await vendor(
      "x",
      (_request, response) => void response.writeHead(status, { location: `https://localhost:${elsewhere}/` }).end(),
    );
    expect(await client().send(get(`https://localhost:${port}/`), patient)).toMatchObject({ status });
  }
  expect(reached).toBe(0);
});

describe("certificates", () => {
  const refused = (options: Partial<HttpOptions>, url: string, why: RegExp): Promise<void> =>
    expectUnreachable(client(options), get(url), why);

  it("of a private authority are accepted only with caFile, and the message says so", async () => {
    const url = `https://localhost:${await vendor("x")}/`;
    expect(await client().send(get(url), patient)).toMatchObject({ status: 200 });
    await refused(
      { ca: undefined },
      url,
      /localhost:\d+ \(UNABLE_TO_VERIFY_LEAF_SIGNATURE; .*caFile, or NODE_EXTRA_CA_CERTS\)/,
    );
    await refused({ ca: authority("Another").cert }, url, /caFile/);
  });

  it("are verified although NODE_TLS_REJECT_UNAUTHORIZED is 0", async () => {
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    await refused({ ca: undefined }, `https://localhost:${await vendor("x")}/`, /UNABLE_TO_VERIFY/);
  });

  it("must contain the name and must not have expired", async () => {
    const port = await portOf(createHttpsServer(ca.server({ name: "x", toMs: Date.now() - 1000 })));
    await refused({}, `https://localhost:${port}/`, /CERT_HAS_EXPIRED/);
    const { lookup } = resolver(["127.0.0.1"]);
    const other = authority();
    const strict = await portOf(createHttpsServer(other.client({ name: "no names" })));
    await refused({ ca: other.cert, lookup }, `https://localhost:${strict}/`, /ALTNAME/);
  });
});

describe("a proxy", () => {
  it("of HTTPS_PROXY gets its password and a CONNECT, and TLS ends at the vendor", async () => {
    let port = 0;
    const { asked, port: proxyPort } = await proxy(() => port);
    port = await vendor("vault.example.com");
    vi.stubEnv("HTTPS_PROXY", `http://user:pass%21@127.0.0.1:${proxyPort}`);
    expect(await client().send(get("https://vault.example.com/"), patient)).toMatchObject({ status: 200 });
    expect(asked).toEqual([`CONNECT vault.example.com:443 Basic ${btoa("user:pass!")}`]);
    // A proxy that connects to another server is detected.
    port = await vendor("other.example.com");
    await expect(client().send(get("https://vault.example.com/"), patient)).rejects.toThrow("ALTNAME");
    // A private authority needs caFile also through a proxy.
    await expect(client({ ca: undefined }).send(get("https://vault.example.com/"), patient)).rejects.toThrow("caFile");
  });

  it("that is not a URL is refused with the name of the variable and without its password", () => {
    for (const value of ["user:hunter22@proxy:3128", "socks5://user:hunter22@proxy:1080", "hunter22"]) {
      vi.stubEnv("HTTPS_PROXY", value);
      expect(() => client()).toThrow("the environment variable HTTPS_PROXY is not a proxy URL");
      expect(() => client()).not.toThrow(/hunter22/);
    }
    vi.stubEnv("HTTPS_PROXY", "");
    expect(() => client()).not.toThrow();
  });

  it("is not used for hosts of NO_PROXY and for this machine", async () => {
    const port = await vendor("vault.example.com");
    const { asked, port: proxyPort } = await proxy(() => port);
    vi.stubEnv("HTTPS_PROXY", `http://127.0.0.1:${proxyPort}`);
    vi.stubEnv("HTTP_PROXY", `http://127.0.0.1:${proxyPort}`);
    vi.stubEnv("NO_PROXY", ".example.com");
    expect(await client().send(get(`https://localhost:${port}/`), patient)).toMatchObject({ status: 200 });
    const { lookup } = resolver(["127.0.0.1"]);
    // Resolved and checked here.
    await expect(client({ lookup }).send(get("https://vault.example.com/"), patient)).rejects.toThrow(
      "leads to 127.0.0.1",
    );
    expect(asked).toEqual([]);
  });

  it("that refuses or does not answer is named in the error, and the call counts as not sent", async () => {
    const { port } = await proxy(() => 0, 407);
    vi.stubEnv("HTTPS_PROXY", `http://127.0.0.1:${port}`);
    const write: HttpRequest = {
      ...get("https://vault.example.com/"),
      method: "POST",
      kind: "write",
      isRepeatable: false,
    };
    const refusal = "no connection to vault\\.example\\.com \\(the proxy answered 407 to CONNECT";
    await expectUnreachable(client(), write, refusal);
    await closers
      .splice(0)
      .reverse()
      .reduce((before, close) => before.then(close as () => void), Promise.resolve());
    await expectUnreachable(client(), write, `ECONNREFUSED 127.0.0.1:${port}`);
  });

  it("does not reach an address that the URL must not contain", async () => {
    const { asked, port } = await proxy(() => 0);
    vi.stubEnv("HTTPS_PROXY", `http://127.0.0.1:${port}`);
    await expect(client().send(get("https://169.254.169.254/"), patient)).rejects.toThrow("never allowed");
    expect(asked).toEqual([]);
  });
});
