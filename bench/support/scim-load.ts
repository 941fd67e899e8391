import { Agent, request } from "undici";
import { Random } from "../../test/support/random.ts";
import { cpuMs, peakRssMiB } from "./measure.ts";

export interface ScimLoadOptions {
  /** Ends with /scim/v2. */
  readonly scimUrl: string;
  readonly token: string;
  /** Process of the server, whose processor time and memory are measured. */
  readonly pid: number;
  /** How many users are created before the measurement starts. */
  readonly users: number;
  /** How long requests are measured; two seconds of warming up come before. */
  readonly seconds: number;
  /** Connections, each with one request at a time. Default 16. */
  readonly connections?: number;
}

export interface ScimLoadReport {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of the server. */
  readonly cpuMsPerRequest: number;
  readonly peakRssMiB: number;
  /** How often each unexpected status was answered, by operation: `create 409`. */
  readonly errors: Readonly<Record<string, number>>;
}

interface Sent {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: object;
}

/** How many of 100 requests are of each kind: an identity provider mostly looks users up before it changes them. */
const mix = { find: 30, read: 25, create: 10, setActive: 10, rename: 10, join: 7, delete: 8 } as const;
type Operation = keyof typeof mix;

const groupCount = 20;
const warmUpSeconds = 2;
const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const userName = (n: number): string => `user-${n}@example.com`;
const patch = (...operations: readonly object[]): object => ({
  schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  Operations: operations.map((operation) => ({ op: "replace", ...operation })),
});
const userBody = (n: number): object => ({
  schemas: ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise],
  externalId: `ext-${n}`,
  userName: userName(n),
  name: { givenName: `Given${n}`, familyName: `Family${n}`, formatted: `Given${n} Family${n}` },
  displayName: `Given${n} Family${n}`,
  active: true,
  title: "Engineer",
  emails: [{ value: userName(n), type: "work", primary: true }],
  phoneNumbers: [{ value: `+1555${n}`, type: "work" }],
  [enterprise]: { employeeNumber: String(n), department: `Department ${n % 50}` },
});

/** Creates users and groups, then sends the requests of an identity provider as fast as they are answered. */
export async function scimLoad(options: ScimLoadOptions): Promise<ScimLoadReport> {
  const { scimUrl, token, pid, users, seconds, connections = 16 } = options;
  const agent = new Agent({ connections, pipelining: 1 });
  const random = new Random(1);
  const userIds: string[] = [];
  const groupIds: string[] = [];
  const leaverIds: string[] = [];
  const operations = Object.entries(mix).flatMap(([name, share]) => Array<Operation>(share).fill(name as Operation));
  let errors: Record<string, number> = {};
  let latenciesMs: number[] = [];
  let next = users;

  const send = async ({ method, path, body }: Sent): Promise<{ readonly status: number; readonly text: string }> => {
    const response = await request(scimUrl + path, {
      method,
      dispatcher: agent,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/scim+json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
    return { status: response.statusCode, text: await response.body.text() };
  };
  const create = async (path: string, body: object): Promise<string> => {
    const { status, text } = await send({ method: "POST", path, body });
    if (status !== 201) throw new Error(`POST ${path} was answered ${status}: ${text}`);
    return (JSON.parse(text) as { readonly id: string }).id;
  };
  const onEachConnection = (work: () => Promise<void>): Promise<unknown> =>
    Promise.all(Array.from({ length: connections }, work));

  const one = (operation: Operation): Sent => {
    const at = random.below(users);
    const user = `/Users/${userIds[at]}`;
    switch (operation) {
      case "find":
        return { method: "GET", path: `/Users?filter=${encodeURIComponent(`userName eq "${userName(at)}"`)}` };
      case "read":
        return { method: "GET", path: user };
      case "create":
        next += 1;
        return { method: "POST", path: "/Users", body: userBody(next) };
      case "setActive":
        return { method: "PATCH", path: user, body: patch({ path: "active", value: random.chance(0.5) }) };
      case "rename": {
        const changes = [
          { path: "name.givenName", value: `Given${next}` },
          { path: "displayName", value: `Name ${next}` },
          { path: `${enterprise}:department`, value: `Department ${next % 50}` },
        ];
        return { method: "PATCH", path: user, body: patch(...changes) };
      }
      case "join": {
        const body = patch({ op: "add", path: "members", value: [{ value: userIds[at] }] });
        return { method: "PATCH", path: `/Groups/${random.pick(groupIds)}`, body };
      }
      case "delete": {
        const leaver = leaverIds.pop();
        return leaver === undefined ? one("create") : { method: "DELETE", path: `/Users/${leaver}` };
      }
      default:
        return operation satisfies never;
    }
  };
  const run = async (durationSeconds: number): Promise<void> => {
    const endMs = performance.now() + durationSeconds * 1000;
    await onEachConnection(async () => {
      while (performance.now() < endMs) {
        const operation = random.pick(operations) ?? "read";
        const sent = one(operation);
        const sentAtMs = performance.now();
        const { status, text } = await send(sent);
        latenciesMs.push(performance.now() - sentAtMs);
        if (status === 201) leaverIds.push((JSON.parse(text) as { readonly id: string }).id);
        else if (status !== 200 && status !== 204) {
          const key = `${operation} ${status}`;
          errors[key] = (errors[key] ?? 0) + 1;
        }
      }
    });
  };

  try {
    let seeded = 0;
    await onEachConnection(async () => {
      for (let n = seeded++; n < users; n = seeded++) userIds[n] = await create("/Users", userBody(n));
    });
    for (let n = 0; n < groupCount; n += 1)
      groupIds.push(await create("/Groups", { schemas: [groupSchema], displayName: `group-${n}` }));
    await run(warmUpSeconds);
    [errors, latenciesMs] = [{}, []];
    const [cpuBeforeMs, startedAtMs] = [cpuMs(pid), performance.now()];
    await run(seconds);
    const tookSeconds = (performance.now() - startedAtMs) / 1000;
    const usedMs = cpuMs(pid) - cpuBeforeMs;
    const sorted = latenciesMs.toSorted((one, other) => one - other);
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
    return {
      requestsPerSecond: sorted.length / tookSeconds,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      cpuMsPerRequest: usedMs / sorted.length,
      peakRssMiB: peakRssMiB(pid),
      errors,
    };
  } finally {
    await agent.destroy();
  }
}

const groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group";
