import { hasCode } from "../../../domain/model/errors.ts";
import { syncRequestOid } from "../protocol/controls.ts";
import { isWithin } from "../protocol/dn.ts";
import { anyEntry, searchAll } from "../protocol/search.ts";
import type { LdapSession } from "../protocol/session.ts";
import { printGuid } from "./identifiers.ts";
import type { LdapSettings } from "./options.ts";

/** Properties that a server reports about itself. */
export interface ServerFacts {
  /**
   * Where changes are listed: the naming contexts of the configured bases. A base itself is listed if the account can't
   * read its naming context.
   */
  readonly contexts: readonly string[];
  readonly offersSync: boolean;
  /** Active Directory: the database and its highest update number. */
  readonly usn: { readonly invocationId: string; readonly usn: number } | null;
}

/** Reads the root DSE (RFC 4512 §5.1). @throws `SOURCE_INCOMPLETE`, `ABORTED` */
export async function readFacts(
  session: LdapSession,
  { users, groups }: LdapSettings,
  signal: AbortSignal,
): Promise<ServerFacts> {
  const readOne = async (base: string, attributes: readonly string[]) =>
    (await searchAll(session, { base, scope: "base", filter: anyEntry, attributes }, signal))[0];
  const canRead = async (dn: string): Promise<boolean> => {
    try {
      return (await readOne(dn, ["1.1"])) !== undefined;
    } catch (error) {
      // Servers answer noSuchObject for an entry that the account may not read. A lost connection fails the next search.
      if (hasCode(error, "SOURCE_INCOMPLETE")) return false;
      throw error;
    }
  };

  const root = await readOne("", ["namingContexts", "supportedControl", "highestCommittedUSN", "dsServiceName"]);
  const contexts = new Set<string>();
  for (const base of [users.baseDn, ...(groups === null ? [] : [groups.baseDn])]) {
    const holding = root?.texts("namingContexts").filter((context) => isWithin(base, context)) ?? [];
    const nearest = holding.sort((a, b) => b.length - a.length)[0];
    contexts.add(nearest !== undefined && (await canRead(nearest)) ? nearest : base);
  }
  const isOutermost = (context: string): boolean =>
    ![...contexts].some((other) => other !== context && isWithin(context, other));
  const usn = Number(root?.text("highestCommittedUSN") ?? Number.NaN);
  const service = root?.text("dsServiceName") ?? null;
  // Each domain controller has its own invocation id, and a restored one gets a new id (MS-ADTS 3.1.1.1.9).
  const id =
    service === null || Number.isNaN(usn)
      ? undefined
      : (await readOne(service, ["invocationId"]))?.buffers("invocationId")[0];
  return {
    contexts: [...contexts].filter(isOutermost),
    offersSync: root?.texts("supportedControl").includes(syncRequestOid) ?? false,
    usn: id?.length === 16 ? { invocationId: printGuid(id), usn } : null,
  };
}
