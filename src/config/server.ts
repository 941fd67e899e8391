import { isIP } from "node:net";
import { z } from "zod";
import { across, checkTransport, filePath, httpUrl, listenAddress, type Report } from "./fields.ts";

/** Limits of the SCIM listener, far above the load of identity providers (Entra sends 25 requests a second). */
const limits = z
  .strictObject({
    connections: z.int().min(1).max(60_000).default(1000).describe("Open connections. Default 1000."),
    requestsInFlight: z
      .int()
      .min(1)
      .max(100_000)
      .default(512)
      .describe("Requests in progress; more are answered 503 with Retry-After. Default 512."),
    requestsInFlightPerSource: z
      .int()
      .min(1)
      .max(100_000)
      .default(384)
      .describe("Requests in progress of one source, so that it can't take the capacity of all. Default 384."),
    requestsPerSecond: z
      .number()
      .positive()
      .max(1_000_000)
      .default(5000)
      .describe("Requests of each source, on average; more are answered 429 with Retry-After. Default 5000."),
    burst: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(50_000)
      .describe("Requests of each source in one burst after a quiet time. Default 50000."),
    wrongTokensPerMinute: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(30)
      .describe("Wrong tokens of each client address; more are answered 429. Good tokens always pass. Default 30."),
  })
  .prefault({})
  .describe("Requests beyond these limits are refused with Retry-After, not queued.");

/** TLS of a listener. */
export const listenerTls = (baseDir: string) =>
  z
    .strictObject({
      certFile: filePath(baseDir).describe("PEM file: the certificate, then the intermediate certificates."),
      keyFile: filePath(baseDir).describe("PEM file: its private key, without a passphrase."),
      clientCaFile: filePath(baseDir)
        .optional()
        .describe("PEM file of the authority that signs client certificates. Default: clients need no certificate."),
      clientCert: z
        .enum(["required", "optional"])
        .optional()
        .describe(
          "required refuses clients without a certificate of clientCaFile; optional refuses only clients with another one. Default required.",
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
    .describe("HTTPS instead of HTTP. Files are read again when they change, or on SIGHUP.");

function checkClients({ clientCaFile, clientCert }: Readonly<Record<string, unknown>>, report: Report): void {
  if (clientCert !== undefined && clientCaFile === undefined)
    report(["clientCaFile"], "is missing: clientCert needs the authority that signs client certificates");
}

/** `10.0.0.0/8`, `::1`, or the name of a range in Express. */
const proxyRange = z.string().refine((text) => {
  if (/^(loopback|linklocal|uniquelocal)$/.test(text)) return true;
  const [address = "", bits, ...more] = text.split("/");
  const family = isIP(address);
  const isPrefix =
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (family === 4 ? 32 : 128));
  return family !== 0 && isPrefix && more.length === 0;
}, "must be an IP address or a range such as 10.0.0.0/8, or loopback, linklocal or uniquelocal");

/** Proxies whose X-Forwarded-For, -Proto and -Host count: none, a number of hops, or a list of addresses. */
export const trustProxy = z
  .union([z.literal(false), z.int().min(1).max(16), z.array(proxyRange).min(1)], {
    error: "must be false, the number of proxies in front (1 to 16), or a list of their addresses",
  })
  .default(false)
  .describe(
    "Proxies in front whose X-Forwarded-For, -Proto and -Host are trusted: their number, or a list of addresses and ranges. Default false: none.",
  );

/** The listener for identity providers. */
export const server = (baseDir: string) =>
  z
    .strictObject({
      listen: listenAddress
        .prefault("127.0.0.1:8080")
        .describe("host:port of SCIM, /healthz and /readyz. Default 127.0.0.1:8080."),
      publicUrl: httpUrl
        .optional()
        .describe("The URL that identity providers use, without /scim/v2. Default: the one of each request."),
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
