import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { integrityOf } from "../reliability/integrity.ts";
import { RollcallProcess, type Running } from "../rollcall-process.ts";
import { type AnyCase, anyCase, type FuzzCase, plainBody, plainCase, type RawCase } from "./cases.ts";
import { type Loose, type Schemas, schemasOf, wrongWith } from "./check.ts";
import { type Answer, Lane, Probe, type Reply } from "./wire.ts";

export interface ScimFuzzOptions {
  readonly requests: number;
  readonly seed: number;
  readonly log?: (text: string) => void;
}

export interface ScimFuzzReport {
  readonly requests: number;
  /** By status, and `closed` where the connection was closed. */
  readonly statuses: ReadonlyMap<string, number>;
  /** Number of 2xx answers and of all answers, by kind of request. */
  readonly kinds: ReadonlyMap<string, { readonly good: number; readonly all: number }>;
  /** Maximum CPU time of one turn of the event loop. */
  readonly worstStallMs: number;
  readonly people: number;
  readonly groups: number;
  readonly seconds: number;
  /** Broken promises; empty when all is well. */
  readonly violations: readonly string[];
}

/** Maximum time of one turn of the event loop. */
const stallLimitMs = 200;
const triesToShrink = 300;
const shrinkForMs = 15_000;
/** Requests at the same time, each on its own connection. */
const together = 16;
const tokens = ["fuzz-token-of-the-first-source-0123456789", "fuzz-token-of-the-second-source-0123456789"] as const;
/** Part of the names of users of one source, and of no request of the other. */
const marks = ["mark-of-the-first", "mark-of-the-second"] as const;
const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const probe = new URL("../../fuzz/probe.ts", import.meta.url);

/** Sends generated requests to a real process and returns the broken promises. */
export async function scimFuzz(options: ScimFuzzOptions): Promise<ScimFuzzReport> {
  const run = await ScimFuzz.begin(options);
  try {
    return await run.go();
  } finally {
    await run.end();
  }
}

/** Ids that requests may contain. */
class Pool {
  readonly ids: string[] = [];
  readonly all = new Set<string>();

  add(id: string): void {
    if (this.all.has(id)) return;
    this.all.add(id);
    this.ids.push(id);
    // The newest ids still exist. The first are kept so that many requests use them.
    if (this.ids.length > 60) this.ids.splice(20, 1);
  }

  remove(id: string): void {
    const place = this.ids.indexOf(id);
    if (place >= 0) this.ids.splice(place, 1);
  }

  get(at: number): string {
    // Alternates between old and new ids.
    const place = at % 2 === 0 ? at / 2 : this.ids.length - 1 - (at - 1) / 2;
    return this.ids[Math.max(0, place) % Math.max(1, this.ids.length)] ?? "00000000-0000-4000-8000-000000000000";
  }
}

/** The bytes of one request, and its answer. */
interface Evidence {
  readonly kind: string;
  readonly bytes: Buffer;
  readonly reply: Reply;
  readonly isWrong: boolean;
}

function inWords({ kind, bytes, reply }: Evidence): string {
  const answered =
    reply.kind === "answer"
      ? `${reply.answer.status} ${reply.answer.body.subarray(0, 500).toString("utf8")}`
      : reply.kind;
  return `${kind}: ${JSON.stringify(bytes.subarray(0, 4000).toString("latin1"))}\n  -> ${answered}`;
}

class ScimFuzz {
  readonly #options: ScimFuzzOptions;
  readonly #folder: string;
  readonly #rollcall: RollcallProcess;
  readonly #port: number;
  readonly #probe: Probe;
  readonly #lanes: readonly Lane[];
  readonly #users = [new Pool(), new Pool()] as const;
  readonly #groups = [new Pool(), new Pool()] as const;
  readonly #statuses = new Map<string, number>();
  readonly #kinds = new Map<string, { good: number; all: number }>();
  readonly #startedAt = performance.now();
  #schemas: Schemas = new Map();
  #serial = 0;
  #sent = 0;
  #worstStallMs = 0;
  /** Requests and answers of the last batch that failed. */
  #evidence: readonly string[] = [];

  private constructor(
    options: ScimFuzzOptions,
    folder: string,
    rollcall: RollcallProcess,
    running: Running,
    probePort: number,
  ) {
    this.#options = options;
    this.#folder = folder;
    this.#rollcall = rollcall;
    this.#port = Number(new URL(running.scimUrl).port);
    this.#probe = new Probe(probePort);
    this.#lanes = Array.from({ length: together }, () => new Lane(this.#port));
  }

  static async begin(options: ScimFuzzOptions): Promise<ScimFuzz> {
    const folder = mkdtempSync(join(tmpdir(), "rollcall-fuzz-"));
    const portFile = join(folder, "probe");
    const rollcall = new RollcallProcess({
      folder,
      targets: {},
      sources: { first: { type: "scim", token: tokens[0] }, second: { type: "scim", token: tokens[1] } },
      limits: { requestsPerSecond: 1_000_000, burst: 1_000_000, wrongTokensPerMinute: 1_000_000 },
      nodeOptions: ["--import", probe.href],
      env: { ROLLCALL_PROBE: portFile },
    });
    const running = await rollcall.start();
    return new ScimFuzz(options, folder, rollcall, running, Number(readFileSync(portFile, "utf8")));
  }

  async go(): Promise<ScimFuzzReport> {
    const { requests, seed } = this.#options;
    const violations: string[] = [];
    await this.#settleIn();
    // Each batch has its own seed, so that a failed one can be repeated alone.
    for (let batchSeed = seed; this.#sent < requests && violations.length === 0; batchSeed += 1) {
      const batch = fc.sample(anyCase, { seed: batchSeed, numRuns: together });
      const wrong = await this.#batch(batch);
      if (wrong.length === 0) continue;
      const evidence = this.#evidence;
      this.#options.log?.(`seed ${batchSeed}: ${wrong.join("\n")}`);
      violations.push(
        `seed ${batchSeed}: ${wrong.join("\n")}\nsent:\n${evidence.join("\n")}\n${await this.#smallest(batch)}`,
      );
    }
    violations.push(...(await this.#afterwards()));
    const [people, groups] = [this.#users, this.#groups].map((pools) => pools[0].all.size + pools[1].all.size);
    return {
      requests: this.#sent,
      statuses: this.#statuses,
      kinds: this.#kinds,
      worstStallMs: this.#worstStallMs,
      people: people ?? 0,
      groups: groups ?? 0,
      seconds: Math.round((performance.now() - this.#startedAt) / 100) / 10,
      violations,
    };
  }

  async end(): Promise<void> {
    for (const lane of this.#lanes) lane.close();
    this.#probe.close();
    await this.#rollcall.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Creates users and groups in both sources, which requests can find or leak. */
  async #settleIn(): Promise<void> {
    const document = await this.#get(0, "/Schemas");
    this.#schemas = schemasOf(document);
    for (const source of [0, 1] as const) {
      for (let index = 0; index < 10; index += 1) {
        const member = `${marks[source]}-${index}@fuzz.example`;
        await this.#plain(source, "POST", "/Users", {
          userName: member,
          displayName: marks[source],
          emails: [{ value: member }],
        });
      }
      for (let index = 0; index < 5; index += 1) {
        const members = this.#users[source].ids.slice(index, index + 4).map((value) => ({ value }));
        await this.#plain(source, "POST", "/Groups", { displayName: `${marks[source]}-${index}`, members });
      }
    }
    await this.#probe.ask();
  }

  async #plain(source: 0 | 1, method: string, path: string, given: object): Promise<void> {
    const one = plainCase(source, {
      method,
      path,
      headers: [["content-type", "application/json"]],
      body: plainBody(JSON.stringify(given)),
    });
    const wrong = await this.#one(one, 0);
    if (wrong.length > 0) throw new Error(wrong.join("; "));
  }

  async #get(source: 0 | 1, path: string): Promise<Loose> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/scim/v2${path}`, {
      headers: { authorization: `Bearer ${tokens[source]}` },
    });
    if (response.status !== 200) throw new Error(`GET ${path}: ${response.status}`);
    return (await response.json()) as Loose;
  }

  /** Returns the smallest request that is answered wrongly on its own, found with a few hundred tries. */
  async #smallest(batch: readonly AnyCase[]): Promise<string> {
    // A changed prototype stays changed, and a missing answer costs its timeout each time.
    if ((await this.#batch([plainCase(0, {})])).length > 0)
      return "the process is not as it was: nothing smaller was looked for";
    for (const one of batch) {
      if ("head" in one || (await this.#batch([one])).length === 0) continue;
      let least: FuzzCase = one;
      let tries = triesToShrink;
      const untilMs = performance.now() + shrinkForMs;
      for (let isSmaller = true; isSmaller; ) {
        isSmaller = false;
        for (const smaller of smallerThan(least)) {
          tries -= 1;
          if (tries < 0 || performance.now() > untilMs || this.#rollcall.pid === null) break;
          if ((await this.#batch([smaller])).length === 0) continue;
          least = smaller;
          isSmaller = true;
          break;
        }
      }
      await this.#batch([least]);
      return `smallest:\n${this.#evidence.join("\n")}`;
    }
    return "none of them fails by itself";
  }

  /** Sends all at once. Returns what is wrong. */
  async #batch(batch: readonly AnyCase[]): Promise<readonly string[]> {
    const evidence: Evidence[] = [];
    const wrong = (await Promise.all(batch.map((each, index) => this.#one(each, index, evidence)))).flat();
    const vitals = await this.#probe.ask();
    if (vitals === null) wrong.push(`the process is gone: ${this.#rollcall.log.slice(-2000)}`);
    else {
      this.#worstStallMs = Math.max(this.#worstStallMs, vitals.worstStallMs);
      if (!vitals.isIntact) wrong.push("a prototype was changed");
      if (vitals.worstStallMs > stallLimitMs)
        wrong.push(`one turn of the event loop took ${vitals.worstStallMs} ms of CPU time`);
      if (vitals.uncaught > 0) wrong.push("an exception was not caught");
    }
    // A failure that no single request causes is reported with the whole batch.
    const blamed = evidence.filter(({ isWrong }) => isWrong);
    if (wrong.length > 0) this.#evidence = (blamed.length > 0 ? blamed : evidence).map(inWords);
    if (this.#options.log !== undefined && this.#sent % 10_000 < batch.length) {
      const seconds = Math.round((performance.now() - this.#startedAt) / 1000);
      this.#options.log(
        `${this.#sent} requests in ${seconds} s, worst stall ${this.#worstStallMs} ms, heap ${vitals?.heapMiB} MiB`,
      );
    }
    return wrong;
  }

  async #one(one: AnyCase, lane: number, evidence: Evidence[] = []): Promise<string[]> {
    const isRaw = "head" in one;
    const { bytes, isHead, asked } = isRaw ? this.#rawBytes(one) : this.#bytes(one);
    this.#sent += 1;
    const own = this.#lanes[lane] ?? new Lane(this.#port);
    const extra =
      own.leftOver.length > 0
        ? [`a second answer to the request before: ${own.leftOver.subarray(0, 200).toString("latin1")}`]
        : [];
    const reply = await own.ask(bytes, isHead, isRaw, isRaw ? 300 : undefined);
    const wrong = [...extra, ...this.#judge(one, asked, reply)];
    evidence.push({ kind: one.kind, bytes, reply, isWrong: wrong.length > 0 });
    return wrong.map((each) => `${one.kind} ${asked.method} ${asked.path.slice(0, 200)}: ${each}`);
  }

  #judge(one: AnyCase, asked: { method: string; path: string }, reply: Reply): readonly string[] {
    const status = reply.kind === "answer" ? String(reply.answer.status) : reply.kind;
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    const counted = this.#kinds.get(one.kind) ?? { good: 0, all: 0 };
    this.#kinds.set(one.kind, { good: counted.good + (/^2/.test(status) ? 1 : 0), all: counted.all + 1 });
    if (reply.kind !== "answer") return one.kind === "raw" ? [] : [`no answer: ${reply.kind}`];
    const { answer } = reply;
    this.#learn(one.source, asked, answer);
    return [...wrongWith(answer, asked, this.#schemas), ...this.#leaks(one.source, answer)];
  }

  #learn(source: 0 | 1, { method, path }: { method: string; path: string }, { status, body }: Answer): void {
    // Some requests use ids of deleted users.
    if (method === "DELETE" && status === 204 && this.#sent % 10 !== 0) {
      const id = path.split("/").at(-1) ?? "";
      for (const pool of [this.#users[source], this.#groups[source]]) pool.remove(id);
    }
    if (status !== 201) return;
    const { id, meta } = JSON.parse(body.toString("utf8")) as { id: string; meta?: { resourceType?: string } };
    // A projection may leave `meta` out.
    if (meta?.resourceType === "User") this.#users[source].add(id);
    else if (meta?.resourceType === "Group") this.#groups[source].add(id);
  }

  /** True if the answer contains data of the other source. Texts are exempt: a client may write any id into a text. */
  #leaks(source: 0 | 1, { body, headers }: Answer): readonly string[] {
    const other = source === 0 ? 1 : 0;
    const told = body.toString("utf8");
    if (told.includes(marks[other])) return [`a name of the other source`];
    const isForeign = (id: string): boolean => this.#users[other].all.has(id) || this.#groups[other].all.has(id);
    const said = told.match(uuid)?.some(isForeign) === true ? idsSaid(JSON.parse(told) as Loose) : [];
    const foreign = [...said, ...(headers.get("location")?.match(uuid) ?? [])].filter(isForeign);
    return foreign.map((id) => `the id ${id} of the other source`);
  }

  // -- bytes ------------------------------------------------------------------------------------------------------------

  #fill(given: string, source: 0 | 1, serial: number): string {
    if (!given.includes("{{")) return given;
    const other = source === 0 ? 1 : 0;
    return given.replace(/\{\{([uxgyn])(?::(\d))?\}\}/g, (_all, kind: string, at = "0") => {
      const pools = { u: this.#users[source], x: this.#users[other], g: this.#groups[source], y: this.#groups[other] };
      return kind === "n" ? String(serial) : (pools[kind as "u"].get(Number(at)) ?? "");
    });
  }

  #bytes({ source, method, path, headers, body, framing }: FuzzCase) {
    this.#serial += 1;
    const fill = (given: string): string => this.#fill(given, source, this.#serial);
    const at = fill(path);
    const lines = [`${method} /scim/v2${at} HTTP/1.1`, "host: 127.0.0.1"];
    if (!headers.some(([key]) => key === "authorization")) lines.push(`authorization: Bearer ${tokens[source]}`);
    for (const [key, value] of headers) lines.push(`${key}: ${fill(value)}`);
    let payload: Buffer = Buffer.alloc(0);
    if (body !== null) {
      payload = encoded(fill(body.text), body.encoding);
      for (const { at: place, byte } of body.noise)
        if (payload.length > 0) payload[Math.min(payload.length - 1, Math.floor(place * payload.length))] = byte;
      lines.push(framing === "length" ? `content-length: ${payload.length}` : "transfer-encoding: chunked");
      if (framing !== "length") payload = chunked(payload, framing === "odd chunks");
    }
    const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "utf8");
    return { bytes: Buffer.concat([head, payload]), isHead: method === "HEAD", asked: { method, path: at } };
  }

  #rawBytes({ source, head, payload }: RawCase) {
    this.#serial += 1;
    const body = JSON.stringify({ userName: `smuggled-${this.#serial}` });
    const inner = `POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokens[source]}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const fill = (given: string): string =>
      given
        .replaceAll(
          "{{inner.length}}",
          String(payload.replaceAll("{{inner}}", inner).replaceAll("{{inner.hex}}", inner.length.toString(16)).length),
        )
        .replaceAll("{{inner.hex}}", inner.length.toString(16))
        .replaceAll("{{inner}}", inner)
        .replaceAll("{{token}}", tokens[source]);
    const first = head.split("\r\n")[0] ?? "";
    return {
      bytes: Buffer.from(fill(head) + fill(payload), "latin1"),
      isHead: false,
      asked: { method: first.split(" ")[0] ?? "", path: first },
    };
  }

  // -- afterwards -------------------------------------------------------------------------------------------------------

  /** Checks that both sources are complete and separate, and that each reference exists on both sides. */
  async #afterwards(): Promise<readonly string[]> {
    const wrong: string[] = [];
    if (this.#rollcall.pid === null) return [`the process is gone: ${this.#rollcall.log.slice(-2000)}`];
    const seen: ReadonlySet<string>[] = [];
    for (const source of [0, 1] as const) {
      const [people, groups] = [await this.#everything(source, "Users"), await this.#everything(source, "Groups")];
      seen.push(new Set([...people.keys(), ...groups.keys()]));
      wrong.push(...inconsistencies(people, groups).map((each) => `source ${source}: ${each}`));
      const smuggled = [...people.values()].filter((each) => String(each["userName"]).startsWith("smuggled-"));
      if (smuggled.length > 0) wrong.push(`source ${source}: ${smuggled.length} people came in a smuggled request`);
      if (people.size < 10) wrong.push(`source ${source}: only ${people.size} people are left`);
    }
    const shared = [...(seen[0] ?? [])].filter((id) => seen[1]?.has(id));
    if (shared.length > 0) wrong.push(`${shared.length} ids are in both sources`);
    if (this.#rollcall.log.includes("failed unexpectedly"))
      wrong.push(`the log tells of an unexpected failure: ${this.#rollcall.log.slice(-2000)}`);
    for (const lane of this.#lanes) lane.close();
    const code = await this.#rollcall.stop();
    if (code !== 0) wrong.push(`serve ended with ${code} on SIGTERM`);
    return [...wrong, ...integrityOf(this.#rollcall.storePath)];
  }

  async #everything(source: 0 | 1, resource: "Users" | "Groups"): Promise<ReadonlyMap<string, Loose>> {
    const found = new Map<string, Loose>();
    for (let startIndex = 1; ; ) {
      const page = await this.#get(source, `/${resource}?count=500&startIndex=${startIndex}`);
      const resources = (page["Resources"] ?? []) as unknown as readonly Loose[];
      for (const each of resources) found.set(String(each["id"]), each);
      startIndex += resources.length;
      if (resources.length === 0 || startIndex > Number(page["totalResults"])) return found;
    }
  }
}

/** Returns memberships that only the group or only the user shows. */
function inconsistencies(people: ReadonlyMap<string, Loose>, groups: ReadonlyMap<string, Loose>): readonly string[] {
  const pairs = (all: ReadonlyMap<string, Loose>, attribute: string, turn: boolean): ReadonlySet<string> =>
    new Set(
      [...all].flatMap(([id, each]) =>
        ((each[attribute] ?? []) as unknown as readonly Loose[]).map((one) =>
          turn ? `${id} in ${String(one["value"])}` : `${String(one["value"])} in ${id}`,
        ),
      ),
    );
  const [told, listed] = [pairs(people, "groups", true), pairs(groups, "members", false)];
  return [...told.symmetricDifference(listed)].slice(0, 3).map((pair) => `${pair} is told by one side only`);
}

/** Returns the ids that the server wrote: of resources, members and groups, and in locations. */
function idsSaid(json: Loose): readonly string[] {
  const of = (key: string): readonly Loose[] =>
    Array.isArray(json[key]) ? (json[key] as unknown as readonly Loose[]) : [];
  const own = [json["id"], json["meta"]?.["location"], json["location"]];
  const referred = [...of("members"), ...of("groups")].flatMap((each) => [each?.["value"], each?.["$ref"]]);
  return [
    ...[...own, ...referred].flatMap((each) => (typeof each === "string" ? ((each as string).match(uuid) ?? []) : [])),
    ...of("Resources").flatMap(idsSaid),
    // The location of a failed operation repeats the request.
    ...of("Operations").flatMap((each) => (Number(each?.["status"]) < 400 ? idsSaid(each) : [])),
  ];
}

function encoded(given: string, encoding: "utf8" | "utf16le" | "latin1" | "bom"): Buffer {
  return encoding === "bom" ? Buffer.from(`\ufeff${given}`, "utf8") : Buffer.from(given, encoding);
}

function chunked(payload: Buffer, isOdd: boolean): Buffer {
  const size = isOdd ? 3 : 4096;
  const parts: Buffer[] = [];
  // Three bytes at a time only at the beginning, because a large body would take too long.
  for (let at = 0; at < payload.length; ) {
    const length = Math.min(at < 300 ? size : 65_536, payload.length - at);
    parts.push(
      Buffer.from(`${isOdd ? `000${length.toString(16)};a=b` : length.toString(16)}\r\n`),
      payload.subarray(at, at + length),
      Buffer.from("\r\n"),
    );
    at += length;
  }
  return Buffer.concat([...parts, Buffer.from(isOdd ? "0\r\nX-Trailer: y\r\n\r\n" : "0\r\n\r\n")]);
}

/** Smaller versions: without a header, or without a part of the body or path. */
function* smallerThan(one: FuzzCase): Generator<FuzzCase> {
  for (const index of one.headers.keys()) yield { ...one, headers: one.headers.filter((_, at) => at !== index) };
  if (one.framing !== "length") yield { ...one, framing: "length" };
  const { body } = one;
  if (body !== null && body.noise.length > 0) yield { ...one, body: { ...body, noise: [] } };
  for (const share of [2, 4, 8, 16]) {
    if (body !== null) for (const text of without(body.text, share)) yield { ...one, body: { ...body, text } };
    for (const path of without(one.path, share)) if (path.startsWith("/")) yield { ...one, path };
  }
}

function* without(text: string, share: number): Generator<string> {
  const length = Math.ceil(text.length / share);
  if (length > 0) for (let at = 0; at < text.length; at += length) yield text.slice(0, at) + text.slice(at + length);
}
