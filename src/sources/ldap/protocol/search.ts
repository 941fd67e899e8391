import type { Control } from "ldapts";
import { RollcallError } from "../../../domain/model/errors.ts";
import { PageControl } from "./controls.ts";
import type { LdapEntry } from "./entry.ts";
import { incomplete } from "./result-codes.ts";
import type { LdapSession, SearchParameters } from "./session.ts";
import type { LdapMessage } from "./wire.ts";

/** One page as the server sent it; may be empty in the middle of a list. */
export interface SearchPage {
  readonly entries: readonly LdapEntry[];
  /** Continuation references: reported, never followed. */
  readonly references: readonly string[];
}

/**
 * All entries, page by page (RFC 2696). The list is complete when the iteration ends without an error: every page ended
 * with success and the last one with an empty cookie. An empty page with a cookie goes on (Active Directory sends them).
 * @throws `SOURCE_INCOMPLETE` for every other end, `ABORTED`
 */
export async function* searchPages(
  session: LdapSession,
  parameters: SearchParameters,
  pageSize: number,
  signal: AbortSignal,
  more: readonly Control[] = [],
): AsyncGenerator<SearchPage> {
  const what = `search below ${parameters.base === "" ? "the root" : parameters.base}`;
  let cookie: Buffer = Buffer.alloc(0);
  const seen = new Set<string>();
  do {
    const answer = session.search(parameters, [new PageControl(pageSize, cookie), ...more], signal);
    const page = await readPage(answer, what);
    cookie = page.cookie;
    // A cookie alone names no position (389 DS sends the same one with every page), cookie and first entry do.
    const position = `${cookie.toString("latin1")} ${page.entries[0]?.dn ?? ""}`;
    if (cookie.length > 0 && seen.has(position)) {
      throw new RollcallError("SOURCE_INCOMPLETE", `${what}: the server repeats a page; the list would never end`);
    }
    seen.add(position);
    yield page;
  } while (cookie.length > 0);
}

/** The cookie is empty on the last page. */
async function readPage(
  answer: AsyncIterable<LdapMessage>,
  what: string,
): Promise<SearchPage & { readonly cookie: Buffer }> {
  const entries: LdapEntry[] = [];
  const references: string[] = [];
  for await (const message of answer) {
    if (message.kind === "entry") entries.push(message.entry);
    else if (message.kind === "reference") references.push(...message.uris);
    else if (message.kind === "done") {
      if (message.result.code !== 0) throw incomplete(what, message.result);
      const page = message.controls.find(({ oid }) => oid === PageControl.oid);
      // A server that does not page answers without the control, and with everything.
      return { entries, references, cookie: page === undefined ? Buffer.alloc(0) : PageControl.cookieOf(page.value) };
    }
  }
  throw new RollcallError("SOURCE_INCOMPLETE", `${what}: ended without a result`);
}

/** A search whose answer is small: base objects, the root DSE, a few ids. @throws `SOURCE_INCOMPLETE`, `ABORTED` */
export async function searchAll(
  session: LdapSession,
  parameters: SearchParameters,
  signal: AbortSignal,
): Promise<readonly LdapEntry[]> {
  const entries: LdapEntry[] = [];
  for await (const message of session.search(parameters, [], signal)) {
    if (message.kind === "entry") entries.push(message.entry);
    else if (message.kind === "done" && message.result.code !== 0)
      throw incomplete(`search at ${parameters.base === "" ? "the root" : parameters.base}`, message.result);
  }
  return entries;
}
