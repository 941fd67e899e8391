import { connect, createServer, type Socket } from "node:net";
import { listen } from "../listen.ts";

/** One LDAP message. */
export interface Message {
  readonly bytes: Buffer;
  readonly id: number;
  /** Tag of the protocol operation, such as 0x63 search request, 0x64 entry, 0x65 result. */
  readonly op: number;
  /** The contents of the operation. */
  readonly body: Buffer;
  /** The element with the controls; empty if there are none. */
  readonly controls: Buffer;
}

/** Bytes to forward instead of a message, and whether the connection ends or stays silent after them. */
export interface Verdict {
  readonly toClient?: readonly Buffer[];
  readonly toServer?: readonly Buffer[];
  readonly end?: "close" | "reset" | "stall";
}

/** Decides about each message of one connection; `undefined` forwards it unchanged. */
export interface Meddler {
  onRequest?(message: Message): Verdict | undefined;
  onAnswer?(message: Message): Verdict | undefined;
}

export interface LdapProxy {
  readonly port: number;
  /** Sets the meddler of the next connections. */
  meddle(make: () => Meddler): void;
  stop(): Promise<void>;
}

/** Forwards between the poller and a server, and causes the failures of networks and servers. */
export async function startProxy(targetPort: number): Promise<LdapProxy> {
  let make: () => Meddler = () => ({});
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(targetPort, "127.0.0.1");
    const meddler = make();
    const state = { isStalled: false };
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        (socket === client ? upstream : client).destroy();
      });
    }
    const act = (verdict: Verdict): void => {
      if (state.isStalled) return;
      for (const bytes of verdict.toServer ?? []) upstream.write(bytes);
      for (const bytes of verdict.toClient ?? []) client.write(bytes);
      if (verdict.end === "stall") state.isStalled = true;
      if (verdict.end === "reset") client.resetAndDestroy();
      if (verdict.end === "close") client.end(() => client.destroy());
    };
    pipe(client, (message) => act(meddler.onRequest?.(message) ?? { toServer: [message.bytes] }));
    pipe(upstream, (message) => act(meddler.onAnswer?.(message) ?? { toClient: [message.bytes] }));
  });
  const { port, close } = await listen(server);
  return {
    port,
    meddle: (next) => {
      make = next;
    },
    stop: () => {
      for (const socket of sockets) socket.destroy();
      return close();
    },
  };
}

function pipe(socket: Socket, take: (message: Message) => void): void {
  let pending: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const end = elementEnd(pending, 0);
      if (end === null || end > pending.length) return;
      take(parse(pending.subarray(0, end)));
      pending = pending.subarray(end);
    }
  });
}

/** End of the element at `start`; null if its header is incomplete. */
function elementEnd(bytes: Buffer, start: number): number | null {
  const first = bytes[start + 1];
  if (first === undefined) return null;
  if (first < 0x80) return start + 2 + first;
  const size = first & 0x7f;
  return bytes.length < start + 2 + size ? null : start + 2 + size + bytes.readUIntBE(start + 2, size);
}

/** The elements in these contents. */
export function elements(
  bytes: Buffer,
): readonly { readonly tag: number; readonly content: Buffer; readonly bytes: Buffer }[] {
  const found: { tag: number; content: Buffer; bytes: Buffer }[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = elementEnd(bytes, start) ?? bytes.length;
    const first = bytes[start + 1] ?? 0;
    found.push({
      tag: bytes[start] ?? 0,
      content: bytes.subarray(start + 2 + (first < 0x80 ? 0 : first & 0x7f), end),
      bytes: bytes.subarray(start, end),
    });
    start = end;
  }
  return found;
}

function parse(bytes: Buffer): Message {
  const [outer] = elements(bytes);
  const [id, operation, controls] = elements(outer?.content ?? Buffer.alloc(0));
  return {
    bytes,
    id: id === undefined ? 0 : id.content.readIntBE(0, id.content.length),
    op: operation?.tag ?? 0,
    body: operation?.content ?? Buffer.alloc(0),
    controls: controls?.bytes ?? Buffer.alloc(0),
  };
}

/** A BER element. */
export function element(tag: number, ...contents: readonly (Buffer | string)[]): Buffer {
  const content = Buffer.concat(contents.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
  const length = content.length;
  const size = [length >> 16, (length >> 8) & 0xff, length & 0xff];
  const header = length < 0x80 ? [length] : [0x83, ...size];
  return Buffer.concat([Buffer.from([tag, ...header]), content]);
}

/** Builds a message. */
export function message(id: number, op: number, body: Buffer, controls: Buffer = Buffer.alloc(0)): Buffer {
  const number = Buffer.alloc(4);
  number.writeInt32BE(id);
  return element(0x30, element(2, number), element(op, body), controls);
}

/** The common elements of a result. */
export const result = (code: number, text: string): Buffer =>
  Buffer.concat([element(0x0a, Buffer.from([code])), element(4, ""), element(4, text)]);

/** A search result, with a paging cookie if one is given. */
export function searchResult(id: number, code: number, text: string, cookie?: Buffer): Buffer {
  if (cookie === undefined) return message(id, 0x65, result(code, text));
  const value = element(0x30, element(2, Buffer.from([0])), element(4, cookie));
  return message(id, 0x65, result(code, text), element(0xa0, element(0x30, element(4, pagingOid), element(4, value))));
}

const pagingOid = "1.2.840.113556.1.4.319";

/** The paging cookie of a message; null without the control. */
export function cookieOf({ controls }: Message): Buffer | null {
  for (const control of elements(elements(controls)[0]?.content ?? Buffer.alloc(0))) {
    const parts = elements(control.content);
    if (parts[0]?.content.toString() !== pagingOid) continue;
    const [value] = elements(parts.at(-1)?.content ?? Buffer.alloc(0));
    return elements(value?.content ?? Buffer.alloc(0))[1]?.content ?? null;
  }
  return null;
}
