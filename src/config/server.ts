import { isIP } from "node:net";
import { z } from "zod";
import { across, checkTransport, filePath, httpUrl, listenAddress, type Report } from "./fields.ts";

/** What the SCIM listener takes upon itself at once; far above what identity providers send (Entra: 25 requests a second). */
const limits = z
  .strictObject({
    connections: z.int().min(1).max(60_000).default(1000).describe("Open connections. Default 1000."),
    requestsInFlight: z
      .int()
      .min(1)
      .max(100_000)
      .default(512)
      .describe("Requests that are worked on at once; beyond, 503 with Retry-After. Default 512."),
    requestsInFlightPerSource: z
      .int()
      .min(1)
      .max(100_000)
      .default(384)
      .describe("The same for each source, so that one leaves room for the others. Default 384."),
    requestsPerSecond: z
      .number()
      .positive()
      .max(1_000_000)
      .default(5000)
      .describe("Of each source, in the long run; beyond, 429 with Retry-After. Default 5000."),
    burst: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(50_000)
      .describe("Requests of each source that may come at once after a quiet time. Default 50000."),
    wrongTokensPerMinute: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(30)
      .describe("Of each client address: more wrong tokens are answered 429, good ones always pass. Default 30."),
  })
  .prefault({})
  .describe("What is refused with Retry-After rather than queued.");

/** TLS of a listener. */
export const listenerTls = (baseDir: string) =>
  z
    .strictObject({
      certFile: filePath(baseDir).describe("PEM file: the certificate, then those between it and the authority's."),
      keyFile: filePath(baseDir).describe("PEM file: its private key, without a passphrase."),
      clientCaFile: filePath(baseDir)
        .optional()
        .describe("PEM file of the authority that signs client certificates. Default: none is asked for."),
      clientCert: z
        .enum(["required", "optional"])
        .optional()
        .describe(
          "Clients without a certificate of clientCaFile end in the handshake, or only those with another one. Default required.",
        ),
      minVersion: z.enum(["1.2", "1.3"]).default("1.2").describe("Lowest version of TLS. Default 1.2."),
    })
    .check(across(checkClients))
    .transform(({ clientCaFile, clientCert, minVersion, ...files }) => ({
      ...files,
      clientCaFile: clientCaFile ?? null,
      clientCert: clientCaFile === undefined ? ("none" as const) : (clientCert ?? "required"),
      minVersion: `TLSv${minVersion}` as const,
    }))
    .describe("HTTPS in place of HTTP. Files are read again when they change, or on SIGHUP.");

function checkClients({ clientCaFile, clientCert }: Readonly<Record<string, unknown>>, report: Report): void {
  if (clientCert !== undefined && clientCaFile === undefined)
    report(
      ["clientCaFile"],
      "is missing: clientCert says that certificates of clients are looked at, this is who signs them",
    );
}

/** `10.0.0.0/8`, `::1`, or a name that Express has for a range. */
const proxyRange = z.string().refine((text) => {
  if (/^(loopback|linklocal|uniquelocal)$/.test(text)) return true;
  const [address = "", bits, ...more] = text.split("/");
  const family = isIP(address);
  const isPrefix =
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (family === 4 ? 32 : 128));
  return family !== 0 && isPrefix && more.length === 0;
}, "must be an IP address or a range such as 10.0.0.0/8, or loopback, linklocal or uniquelocal");

/** Whose X-Forwarded-For, -Proto and -Host count; nobody's, or the last so many hops', or those of these addresses. */
export const trustProxy = z
  .union([z.literal(false), z.int().min(1).max(16), z.array(proxyRange).min(1)], {
    error: "must be false, the number of proxies in front (1 to 16), or a list of their addresses",
  })
  .default(false)
  .describe(
    "Proxies in front whose X-Forwarded-For, -Proto and -Host are believed: how many, or a list of addresses and ranges. Default false: none.",
  );

/** The listener that identity providers reach. */
export const server = (baseDir: string) =>
  z
    .strictObject({
      listen: listenAddress
        .prefault("127.0.0.1:8080")
        .describe("host:port of SCIM, /healthz and /readyz. Default 127.0.0.1:8080."),
      publicUrl: httpUrl
        .optional()
        .describe("What identity providers reach, without /scim/v2. Default: as the request says."),
      allowInsecureHttp: z.boolean().default(false).describe("Allows a publicUrl of plain http://. Default false."),
      trustProxy,
      tls: listenerTls(baseDir).optional(),
      limits,
    })
    .check(across((section, report) => checkTransport(section, ["publicUrl"], report)))
    .transform(({ allowInsecureHttp: _, publicUrl, tls, ...rest }) => ({
      ...rest,
      publicUrl: publicUrl ?? null,
      tls: tls ?? null,
    }));
