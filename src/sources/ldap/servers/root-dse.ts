import { hasCode } from "../../../domain/model/errors.ts";
import { SyncRequestControl } from "../protocol/controls.ts";
import { isWithin } from "../protocol/dn.ts";
import { searchAll } from "../protocol/search.ts";
import type { LdapSession } from "../protocol/session.ts";
import { printGuid } from "./identifiers.ts";
import type { LdapSettings } from "./options.ts";
import { parseFilter } from "./presets.ts";

/** What the server says of itself. */
export interface ServerFacts {
  /** Where the list of changes is read: the naming contexts that hold the configured bases, or the bases themselves where the account can't read so high. */
  readonly contexts: readonly string[];
  readonly offersSync: boolean;
  /** Active Directory: the database and how many updates it has seen. */
  readonly usn: { readonly invocationId: string; readonly usn: number } | null;
}

const anything = parseFilter("(objectClass=*)");

/** Reads the root DSE (RFC 4512 §5.1). @throws `SOURCE_INCOMPLETE`, `ABORTED` */
export async function readFacts(
  session: LdapSession,
  settings: LdapSettings,
  signal: AbortSignal,
): Promise<ServerFacts> {
  const attributes = ["namingContexts", "supportedControl", "highestCommittedUSN", "dsServiceName"];
  const [root] = await searchAll(session, { base: "", scope: "base", filter: anything, attributes }, signal);
  const bases = [settings.users.baseDn, ...(settings.groups === null ? [] : [settings.groups.baseDn])];
  const contexts = new Set<string>();
  for (const base of bases) {
    const holding = root?.texts("namingContexts").filter((context) => isWithin(base, context)) ?? [];
    const highest = holding.sort((a, b) => b.length - a.length)[0];
    contexts.add(highest !== undefined && (await canRead(session, highest, signal)) ? highest : base);
  }
  const usn = Number(root?.text("highestCommittedUSN") ?? Number.NaN);
  const service = root?.text("dsServiceName") ?? null;
  const invocationId = service === null || Number.isNaN(usn) ? null : await invocationOf(session, service, signal);
  return {
    contexts: [...contexts].filter(
      (context) => ![...contexts].some((other) => other !== context && isWithin(context, other)),
    ),
    offersSync: root?.texts("supportedControl").includes(SyncRequestControl.oid) ?? false,
    usn: invocationId === null ? null : { invocationId, usn },
  };
}

async function canRead(session: LdapSession, dn: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (
      (await searchAll(session, { base: dn, scope: "base", filter: anything, attributes: ["1.1"] }, signal)).length > 0
    );
  } catch (error) {
    // noSuchObject is how servers hide what may not be read; a lost connection fails the next search as well.
    if (hasCode(error, "SOURCE_INCOMPLETE")) return false;
    throw error;
  }
}

/** Names the database: another controller has another one, and a restored controller gets a new one (MS-ADTS 3.1.1.1.9). */
async function invocationOf(session: LdapSession, service: string, signal: AbortSignal): Promise<string | null> {
  const [entry] = await searchAll(
    session,
    { base: service, scope: "base", filter: anything, attributes: ["invocationId"] },
    signal,
  );
  const bytes = entry?.buffers("invocationId")[0];
  return bytes?.length === 16 ? printGuid(bytes) : null;
}
