import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from "node:http";
import { Agent, request } from "undici";
import {
  type BitwardenOptions,
  type BitwardenSandbox,
  memberStatus,
  type OnePasswordOptions,
  type OnePasswordSandbox,
  startBitwarden,
  startOnePassword,
} from "../../../src/sandbox/index.ts";
import { bitwardenKeys, onePasswordKeys } from "../emulators.ts";
import { listen } from "../listen.ts";

export type VendorName = "bitwarden" | "onepassword";

/** Progress of a call to a vendor: arrived, done but not answered, answered. */
export type CallStage = "arrived" | "done" | "answered";

/** A call as a vendor sees it. */
export interface Call {
  readonly vendor: VendorName;
  readonly kind: "read" | "write" | "token";
  readonly what: string;
}

/** Decides about a call. `drop` closes the connection: an arrived call is then not carried out. */
export type Watch = (stage: CallStage, call: Call) => "go on" | "drop";

/** An answer on its way to Rollcall. */
export interface VendorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

/** A person lost access to a vendor, or to a group there. */
export interface Loss {
  readonly vendor: VendorName;
  readonly email: string;
  readonly atMs: number;
}

export interface VendorsOptions {
  readonly clock?: () => number;
  readonly random?: () => number;
  readonly bitwarden?: Partial<BitwardenOptions>;
  readonly onePassword?: Partial<OnePasswordOptions>;
}

/** Both emulated vendors, each behind a proxy that can be watched, with a record of lost access. */
export class Vendors {
  readonly bitwarden: BitwardenSandbox;
  readonly onePassword: OnePasswordSandbox;
  readonly losses: Loss[] = [];
  watch: Watch = () => "go on";
  /** Change the path of a request or the body of an answer. */
  rewritePath: (vendor: VendorName, path: string) => string = (_vendor, path) => path;
  rewriteBody: (call: Call, body: Buffer) => Buffer = (_call, body) => body;
  /** Changes a whole answer; null closes the connection. */
  rewriteAnswer: (call: Call, answer: VendorAnswer) => VendorAnswer | null = (_call, answer) => answer;
  readonly #clock: () => number;
  readonly #closers: (() => Promise<void>)[] = [];
  /** Answers that were changed. */
  corrupted = 0;
  urls: Readonly<Record<VendorName, string>> = { bitwarden: "", onepassword: "" };

  private constructor(bitwarden: BitwardenSandbox, onePassword: OnePasswordSandbox, clock: () => number) {
    this.bitwarden = bitwarden;
    this.onePassword = onePassword;
    this.#clock = clock;
  }

  static async start({
    clock = Date.now,
    random = Math.random,
    bitwarden = {},
    onePassword = {},
  }: VendorsOptions = {}): Promise<Vendors> {
    const vendors = new Vendors(
      await startBitwarden({ clock, random, ...bitwarden }),
      await startOnePassword({ clock, random, ...onePassword }),
      clock,
    );
    vendors.urls = {
      bitwarden: await vendors.#door("bitwarden", new URL(vendors.bitwarden.apiUrl).origin),
      onepassword: await vendors.#door("onepassword", new URL(vendors.onePassword.apiUrl).origin),
    };
    return vendors;
  }

  /** The targets of a configuration, keyed by name. */
  targets() {
    const { bitwarden, onePassword, urls } = this;
    const { bitwarden: bitwardenUrl, onepassword: apiUrl } = urls;
    return {
      bitwarden: {
        type: "bitwarden",
        ...bitwardenKeys(bitwarden),
        apiUrl: `${bitwardenUrl}/api`,
        identityUrl: `${bitwardenUrl}/identity`,
      },
      onepassword: { type: "onepassword", ...onePasswordKeys(onePassword), apiUrl, apiVersion: "v1beta1" as const },
    };
  }

  async #door(vendor: VendorName, origin: string): Promise<string> {
    const agent = new Agent({ keepAliveTimeout: 60_000 });
    const server = createServer((incoming, outgoing) => {
      this.#pass(vendor, origin, agent, incoming, outgoing).catch(() => outgoing.destroy());
    });
    server.keepAliveTimeout = 600_000;
    const { url, close } = await listen(server);
    this.#closers.push(async () => {
      await close();
      await agent.destroy();
    });
    return url;
  }

  async #pass(
    vendor: VendorName,
    origin: string,
    agent: Agent,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
  ): Promise<void> {
    const method = incoming.method ?? "GET";
    const path = incoming.url ?? "/";
    const isToken = /\/(token|revoke)$/.test(path) && /\/(connect|oauth2?)\//.test(path);
    const kind = isToken ? "token" : method === "GET" ? "read" : "write";
    const call: Call = { vendor, kind, what: `${method} ${path.replace(/[0-9a-f-]{36}|[A-Z0-9]{26}/g, "{}")}` };
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    if (this.watch("arrived", call) === "drop") return void incoming.socket.destroy();
    const before = kind === "write" ? this.#accesses(vendor) : null;
    const { host: _host, connection: _connection, "transfer-encoding": _encoding, ...headers } = incoming.headers;
    const reply = await request(`${origin}${this.rewritePath(vendor, path)}`, {
      method: method as "GET",
      headers: headers as Record<string, string>,
      body: chunks.length === 0 ? null : Buffer.concat(chunks),
      dispatcher: agent,
    }).catch(() => null);
    const body = await reply?.body.arrayBuffer().catch(() => null);
    if (before !== null) this.#noteLosses(vendor, before);
    if (this.watch("done", call) === "drop") return void incoming.socket.destroy();
    if (reply === null || body == null) return void incoming.socket.resetAndDestroy();
    const { "content-length": _length, ...answered } = reply.headers;
    const sent = this.rewriteAnswer(call, {
      status: reply.statusCode,
      headers: answered,
      body: this.rewriteBody(call, Buffer.from(body)),
    });
    if (sent === null) return void incoming.socket.resetAndDestroy();
    const told = { "content-length": sent.body.length, ...sent.headers } as OutgoingHttpHeaders;
    outgoing.writeHead(sent.status, told);
    outgoing.end(sent.body, () => void this.watch("answered", call));
  }

  /** Access by address: `*` is the vendor itself, the others are its groups. */
  #accesses(vendor: VendorName): ReadonlyMap<string, ReadonlySet<string>> {
    if (vendor === "onepassword") {
      return new Map(this.onePassword.state.emailsIn("ACTIVE").map((email) => [email, new Set(["*"])]));
    }
    const { state } = this.bitwarden;
    const present = [...state.members.values()].filter(({ status }) => status !== memberStatus.revoked);
    return new Map(present.map(({ id, email }) => [email, new Set(["*", ...state.groupIdsOf(id)])]));
  }

  #noteLosses(vendor: VendorName, before: ReadonlyMap<string, ReadonlySet<string>>): void {
    const now = this.#accesses(vendor);
    for (const [email, had] of before) {
      const has = now.get(email) ?? new Set();
      if (had.difference(has).size > 0) this.losses.push({ vendor, email, atMs: this.#clock() });
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#closers.map((close) => close()));
    await Promise.all([this.bitwarden.close(), this.onePassword.close()]);
  }
}

/** Returns the maximum number of people who lost access at one vendor within one window. */
export function mostLostWithin(losses: readonly Loss[], vendor: VendorName, windowMs: number): number {
  const own = losses.filter((loss) => loss.vendor === vendor);
  return own.reduce((most, { atMs }) => {
    const within = own.filter((loss) => loss.atMs >= atMs && loss.atMs < atMs + windowMs);
    return Math.max(most, new Set(within.map(({ email }) => email)).size);
  }, 0);
}
