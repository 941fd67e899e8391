import {
  cookieOf,
  element,
  elements,
  type Meddler,
  type Message,
  message,
  searchResult,
  type Verdict,
} from "./proxy.ts";

/** Does something to the page with that number (from 1) of the paged searches of one connection. */
export function onPage(page: number, what: (answer: Message) => Verdict | undefined): () => Meddler {
  return () => {
    let pages = 0;
    return {
      onRequest: (request) => {
        if (request.op === 0x63 && cookieOf(request) !== null) pages += 1;
        return undefined;
      },
      onAnswer: (answer) => (pages === page ? what(answer) : undefined),
    };
  };
}

/** Ends the page with this result in place of its own. */
export const resultCode = (page: number, code: number): (() => Meddler) =>
  onPage(page, (answer) =>
    answer.op === 0x65 ? { toClient: [searchResult(answer.id, code, "injected")] } : undefined,
  );

/** Ends the connection at the first entry of a page. */
export const cutAt = (page: number, how: "close" | "reset" | "stall"): (() => Meddler) =>
  onPage(page, (answer) => (answer.op === 0x64 ? { end: how } : undefined));

/** Ends the connection between two pages: the next request gets no answer. */
export function cutBetween(page: number, how: "close" | "reset"): () => Meddler {
  return () => {
    let pages = 0;
    return {
      onRequest: (request) => {
        if (request.op === 0x63 && cookieOf(request) !== null) pages += 1;
        return pages > page ? { end: how } : undefined;
      },
    };
  };
}

/** Sends half of an entry and closes. */
export const truncateAt = (page: number): (() => Meddler) =>
  onPage(page, (answer) =>
    answer.op === 0x64
      ? { toClient: [answer.bytes.subarray(0, Math.floor(answer.bytes.length / 2))], end: "close" }
      : undefined,
  );

/** Sends something that is not LDAP. */
export const garbageAt = (page: number): (() => Meddler) =>
  onPage(page, (answer) =>
    answer.op === 0x64 ? { toClient: [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")] } : undefined,
  );

/** Notice of Disconnection (RFC 4511 §4.4.1), as servers send it when they are stopped. */
export const unbindAt = (page: number): (() => Meddler) =>
  onPage(page, (answer) =>
    answer.op === 0x64
      ? {
          toClient: [
            message(
              0,
              0x78,
              Buffer.concat([
                element(0x0a, Buffer.from([52])),
                element(4, ""),
                element(4, "going down"),
                element(0x8a, "1.3.6.1.4.1.1466.20036"),
              ]),
            ),
          ],
          end: "close",
        }
      : undefined,
  );

/** Every paged search begins with `count` empty pages that carry a cookie, as Active Directory does it. */
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

/** Answers every page with the same cookie and nothing else, for ever. */
export const sameCookieForEver = (): Meddler => ({
  onRequest: (request) =>
    request.op === 0x63 && cookieOf(request) !== null
      ? { toClient: [searchResult(request.id, 0, "", Buffer.from("again"))] }
      : undefined,
});

/**
 * What Active Directory enforces and Samba does not: 1,000 entries (here `entries`) for a search without paging, then
 * sizeLimitExceeded; 1,500 values (here `values`) of an attribute, the rest by range.
 */
export function activeDirectoryLimits({
  entries,
  values,
}: {
  readonly entries: number;
  readonly values: number;
}): () => Meddler {
  return () => {
    let isPaged = false;
    let sent = 0;
    return {
      onRequest: (request) => {
        if (request.op !== 0x63) return undefined;
        isPaged = cookieOf(request) !== null;
        sent = 0;
        return undefined;
      },
      onAnswer: (answer) => {
        if (answer.op === 0x65 && !isPaged && sent > entries) return { toClient: [searchResult(answer.id, 4, "")] };
        if (answer.op !== 0x64) return undefined;
        sent += 1;
        if (!isPaged && sent > entries) return {};
        return { toClient: [message(answer.id, 0x64, ranged(answer.body, values), answer.controls)] };
      },
    };
  };
}

/** The entry with its large attributes cut to a range. */
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
