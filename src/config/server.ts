import { z } from "zod";
import { across, checkTransport, httpUrl, listenAddress } from "./fields.ts";

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

/** The listener that identity providers reach. */
export const server = z
  .strictObject({
    listen: listenAddress
      .prefault("127.0.0.1:8080")
      .describe("host:port of SCIM, /healthz and /readyz. Default 127.0.0.1:8080."),
    publicUrl: httpUrl
      .optional()
      .describe("What identity providers reach, without /scim/v2. Default: as the request says."),
    allowInsecureHttp: z.boolean().default(false).describe("Allows a publicUrl of plain http://. Default false."),
    limits,
  })
  .check(across((section, report) => checkTransport(section, ["publicUrl"], report)))
  .transform(({ allowInsecureHttp: _, publicUrl, ...rest }) => ({ ...rest, publicUrl: publicUrl ?? null }));
