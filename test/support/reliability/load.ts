import { readdirSync, readFileSync } from "node:fs";
import { Agent, request } from "undici";
import { scimToken } from "../rollcall-process.ts";

export interface LoadReport {
  readonly seconds: number;
  /** Answered requests per second. */
  readonly answeredPerSecond: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly refusedWithoutRetryAfter: number;
  readonly unanswered: number;
  readonly otherwise: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly peakRssMiB: number;
  /** userNames that were answered 201. */
  readonly created: readonly string[];
}

let serial = 0;

/** Creates users over several connections. Each sends its next request when the last is answered. */
export async function load(scimUrl: string, pid: number, connections: number, seconds: number): Promise<LoadReport> {
  const agent = new Agent({ connections, pipelining: 1 });
  const untilMs = performance.now() + seconds * 1000;
  const created: string[] = [];
  const latencies: number[] = [];
  const otherwise: Record<string, number> = {};
  let [refused, refusedWithoutRetryAfter, unanswered, peakRssMiB] = [0, 0, 0, rssMiB(pid)];
  const sampler = setInterval(() => {
    peakRssMiB = Math.max(peakRssMiB, rssMiB(pid));
  }, 100);
  const worker = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      serial += 1;
      const userName = `load${serial}@example.com`;
      const sentAtMs = performance.now();
      try {
        const { statusCode, headers, body } = await request(`${scimUrl}/Users`, {
          method: "POST",
          dispatcher: agent,
          headers: { authorization: `Bearer ${scimToken}`, "content-type": "application/scim+json" },
          body: JSON.stringify({
            schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
            userName,
            active: false,
            emails: [{ value: userName, primary: true }],
          }),
        });
        await body.dump();
        latencies.push(performance.now() - sentAtMs);
        if (statusCode === 201) created.push(userName);
        else if (statusCode === 503 || statusCode === 429) {
          refused += 1;
          const seconds = Number(headers["retry-after"]);
          if (!(seconds > 0)) refusedWithoutRetryAfter += 1;
          // Waits as told, but shorter than Retry-After says, to keep the load up.
          await new Promise((resolve) => setTimeout(resolve, 100));
        } else otherwise[statusCode] = (otherwise[statusCode] ?? 0) + 1;
      } catch {
        unanswered += 1;
      }
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: connections }, worker));
  clearInterval(sampler);
  await agent.destroy();
  const took = (performance.now() - startedAt) / 1000;
  const sorted = latencies.sort((one, other) => one - other);
  return {
    seconds: Math.round(took * 10) / 10,
    answeredPerSecond: Math.round(latencies.length / took),
    acknowledged: created.length,
    refused,
    refusedWithoutRetryAfter,
    unanswered,
    otherwise,
    p50Ms: Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0),
    p99Ms: Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0),
    peakRssMiB,
    created,
  };
}

/** Resident memory; 0 where /proc does not tell. */
export function rssMiB(pid: number): number {
  try {
    const [, kib = "0"] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Math.round(Number(kib) / 1024);
  } catch {
    return 0; // it has ended, or this is not Linux
  }
}

/** Open files and sockets; 0 where /proc does not tell. */
export function openFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0; // it has ended, or this is not Linux
  }
}
