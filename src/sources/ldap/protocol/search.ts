import { type Control, type Filter, FilterParser, PresenceFilter } from "ldapts";
import { RollcallError } from "../../../domain/model/errors.ts";
import { pageControl, pageOid, readPageCookie } from "./controls.ts";
import type { LdapEntry } from "./entry.ts";
import { incomplete } from "./result-codes.ts";
import type { LdapSession, SearchParameters } from "./session.ts";
import type { LdapMessage } from "./wire.ts";

/** One page as the server sent it. A page in the middle of a list can be empty. */
export interface SearchPage {
  readonly entries: readonly LdapEntry[];
  /** Continuation references. They are reported and never followed. */
  readonly references: readonly string[];
}

export const anyEntry: Filter = new PresenceFilter({ attribute: "objectClass" });

/** Parses a filter from YAML: white space and line breaks between its parts are ignored. @throws Error if it can't be parsed */
export const parseFilter = (text: string): Filter =>
  FilterParser.parseString(text.trim().replace(/([(&|!)])\s+(?=[()])/g, "$1"));

/**
 * All entries, page by page (RFC 2696). The list is complete if the iteration ends without an error: each page ended
 * with success, and the last one had an empty cookie. Active Directory sends empty pages with a cookie; they don't end it.
 * @throws `SOURCE_INCOMPLETE` for every other end, `ABORTED`
 */
export async function* searchPages(
  session: LdapSession,
  parameters: SearchParameters,
  pageSize: number,
  signal: AbortSignal,
  more: readonly Control[] = [],
): AsyncGenerator<SearchPage> {
  const what = `search below ${nameOf(parameters)}`;
  let cookie: Buffer = Buffer.alloc(0);
  const seen = new Set<string>();
  do {
    const page = await readPage(session.search(parameters, [pageControl(pageSize, cookie), ...more], signal), what);
    cookie = page.cookie;
    // 389 DS sends the same cookie with every page. Cookie and first entry together identify a position.
    const position = `${cookie.toString("latin1")} ${page.entries[0]?.dn ?? ""}`;
    if (cookie.length > 0 && seen.has(position))
      throw new RollcallError("SOURCE_INCOMPLETE", `${what}: the server repeats a page; the list would never end`);
    seen.add(position);
    yield page;
  } while (cookie.length > 0);
}

/** A search with a small answer: a base object or a few ids. @throws `SOURCE_INCOMPLETE`, `ABORTED` */
export const searchAll = async (
  session: LdapSession,
  parameters: SearchParameters,
  signal: AbortSignal,
): Promise<readonly LdapEntry[]> =>
  (await readPage(session.search(parameters, [], signal), `search at ${nameOf(parameters)}`)).entries;

const nameOf = ({ base }: SearchParameters): string => (base === "" ? "the root" : base);

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
      const page = message.controls.find(({ oid }) => oid === pageOid);
      // A server without paging answers with all entries and without the control.
      return { entries, references, cookie: page === undefined ? Buffer.alloc(0) : readPageCookie(page.value) };
    }
  }
  throw new RollcallError("SOURCE_INCOMPLETE", `${what}: ended without a result`);
}
