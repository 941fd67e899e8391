import {
  cookieOf,
  element,
  elements,
  type Meddler,
  type Message,
  message,
  result,
  searchResult,
  type Verdict,
} from "./proxy.ts";

/** Changes the answers to one page (from 1) of the paged searches of a connection. */
function onPage(page: number, change: (answer: Message) => Verdict | undefined): () => Meddler {
  return () => {
    let pages = 0;
    return {
      onRequest: (request) => {
        if (isPaged(request)) pages += 1;
        return undefined;
      },
      onAnswer: (answer) => (pages === page ? change(answer) : undefined),
    };
  };
}
const onEntry = (page: number, verdict: (entry: Message) => Verdict): (() => Meddler) =>
  onPage(page, (answer) => (answer.op === 0x64 ? verdict(answer) : undefined));
const isPaged = (request: Message): boolean => request.op === 0x63 && cookieOf(request) !== null;

/** Ends the page with this result code. */
export const resultCode = (page: number, code: number): (() => Meddler) =>
  onPage(page, (answer) =>
    answer.op === 0x65 ? { toClient: [searchResult(answer.id, code, "injected")] } : undefined,
  );

/** Ends the connection at the first entry of a page. */
export const cutAt = (page: number, how: "close" | "reset" | "stall"): (() => Meddler) =>
  onEntry(page, () => ({ end: how }));

/** Ends the connection after a page: the next request gets no answer. */
export const cutBetween =
  (page: number, how: "close" | "reset"): (() => Meddler) =>
  () => {
    let pages = 0;
    return {
      onRequest: (request) => {
        if (isPaged(request)) pages += 1;
        return pages > page ? { end: how } : undefined;
      },
    };
  };

/** Sends half of an entry and closes. */
export const truncateAt = (page: number): (() => Meddler) =>
  onEntry(page, ({ bytes }) => ({ toClient: [bytes.subarray(0, Math.floor(bytes.length / 2))], end: "close" }));

/** Sends an answer that is not LDAP. */
export const garbageAt = (page: number): (() => Meddler) =>
  onEntry(page, () => ({ toClient: [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")] }));

/** Notice of Disconnection (RFC 4511 §4.4.1): servers send it when they stop. */
export const unbindAt = (page: number): (() => Meddler) =>
  onEntry(page, () => ({
    toClient: [message(0, 0x78, Buffer.concat([result(52, "going down"), element(0x8a, "1.3.6.1.4.1.1466.20036")]))],
    end: "close",
  }));

/** Starts each paged search with `count` empty pages that have a cookie, as Active Directory does. */
export function emptyPagesFirst(count: number): () => Meddler {
  return () => {
    let first: Message | null = null;
    let left = 0;
    return {
      onRequest: (request) => {
        const cookie = cookieOf(request);
        if (request.op !== 0x63 || cookie === null) return undefined;
        if (cookie.length === 0) {
          first = request;
          left = count;
        } else if (!cookie.toString().startsWith("empty-")) return undefined;
        if (left === 0 && first !== null) return { toServer: [message(request.id, 0x63, first.body, first.controls)] };
        left -= 1;
        return { toClient: [searchResult(request.id, 0, "", Buffer.from(`empty-${left}`))] };
      },
    };
  };
}

/** Answers each page with the same cookie and no entry. */
export const sameCookieForEver = (): Meddler => ({
  onRequest: (request) =>
    isPaged(request) ? { toClient: [searchResult(request.id, 0, "", Buffer.from("again"))] } : undefined,
});

/**
 * Two limits of Active Directory that Samba lacks. A search without paging returns at most 1,000 entries (here `entries`),
 * then sizeLimitExceeded. An attribute returns at most 1,500 values (here `values`); ranges return the others.
 */
export function activeDirectoryLimits(limits: { readonly entries: number; readonly values: number }): () => Meddler {
  const { entries, values } = limits;
  return () => {
    let isPage = false;
    let sent = 0;
    return {
      onRequest: (request) => {
        if (request.op !== 0x63) return undefined;
        isPage = isPaged(request);
        sent = 0;
        return undefined;
      },
      onAnswer: (answer) => {
        if (answer.op === 0x65 && !isPage && sent > entries) return { toClient: [searchResult(answer.id, 4, "")] };
        if (answer.op !== 0x64) return undefined;
        sent += 1;
        if (!isPage && sent > entries) return {};
        return { toClient: [message(answer.id, 0x64, ranged(answer.body, values), answer.controls)] };
      },
    };
  };
}

/** The entry with a range of each large attribute. */
function ranged(body: Buffer, limit: number): Buffer {
  const [name, attributes] = elements(body);
  if (name === undefined || attributes === undefined) return body;
  const cut = elements(attributes.content).map((attribute) => {
    const [type, set] = elements(attribute.content);
    const all = elements(set?.content ?? Buffer.alloc(0));
    if (type === undefined || all.length <= limit) return attribute.bytes;
    const [plain = "", range] = type.content.toString().split(";range=");
    const start = Number(range?.split("-")[0] ?? 0);
    const head = all.slice(0, limit).map(({ bytes }) => bytes);
    return element(0x30, element(4, `${plain};range=${start}-${start + limit - 1}`), element(0x31, ...head));
  });
  return Buffer.concat([name.bytes, element(0x30, ...cut)]);
}
