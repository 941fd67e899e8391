import { messageOf } from "../../domain/model/errors.ts";
import type { SourceUser } from "../../domain/ports/import-store.ts";
import type { CheckFinding } from "../../domain/ports/target.ts";
import { connectLdap } from "./protocol/connection.ts";
import { showDeleted } from "./protocol/controls.ts";
import { parseFilter } from "./protocol/search.ts";
import type { LdapSession } from "./protocol/session.ts";
import { ChangeFeed, type Cursor } from "./read/changes.ts";
import { type Converted, toGroup, toUser } from "./read/convert.ts";
import { DirectoryReader } from "./read/reader.ts";
import type { LdapSettings } from "./servers/options.ts";
import { readFacts, type ServerFacts } from "./servers/root-dse.ts";

const maxShown = 3;

const ok = (message: string): CheckFinding => ({ level: "ok", message });
const warning = (message: string): CheckFinding => ({ level: "warning", message });
const error = (message: string): CheckFinding => ({ level: "error", message });

/**
 * Binds, reads one page of users and one of groups, and reports problems. Three converted users show a wrong attribute
 * at once. Writes nothing. A problem of the directory is a finding, not an exception.
 */
export async function checkLdap(settings: LdapSettings, signal: AbortSignal): Promise<readonly CheckFinding[]> {
  const findings = [...settingsFindings(settings)];
  try {
    const { session, url } = await connectLdap(settings, null, signal);
    try {
      const { bind } = settings;
      findings.push(ok(`${url}: connected and bound as ${bind.kind === "simple" ? bind.dn : bind.kind}`));
      const facts = await readFacts(session, settings, signal);
      const reader = new DirectoryReader(session, settings, signal);
      findings.push(...(await userFindings(reader, settings)), ...(await groupFindings(reader, settings)));
      const cursor = await new ChangeFeed(session, settings, facts, signal).begin(null);
      const seesDeletions = cursor?.mode !== "usn" || (await seesDeletedObjects(session, facts, signal));
      findings.push(changeFinding(cursor, settings, seesDeletions));
    } finally {
      session.close();
    }
  } catch (cause) {
    findings.push(error(messageOf(cause)));
  }
  return findings;
}

function settingsFindings({ tls, url, bind }: LdapSettings): readonly CheckFinding[] {
  const isClear = bind.kind === "simple" && tls.startTls !== true && url.some((each) => each.startsWith("ldap://"));
  return [
    ...(tls.rejectUnauthorized === false
      ? [
          warning(
            "tls.rejectUnauthorized is false: another machine on the network can pose as the directory; name its authority in tls.caFile instead",
          ),
        ]
      : []),
    ...(isClear ? [warning("the bind password crosses the network in clear text; use ldaps:// or tls.startTls")] : []),
  ];
}

const entitiesIn = <Entity>(page: readonly Converted<Entity>[]): readonly Entity[] =>
  page.flatMap((each) => (each.kind === "converted" ? [each.entity] : []));

async function userFindings(reader: DirectoryReader, settings: LdapSettings): Promise<readonly CheckFinding[]> {
  const { users, entryId } = settings;
  const first = await reader.users(null).next();
  const entries = first.done === true ? [] : first.value.entries;
  if (entries.length === 0)
    return [
      error(
        `users: nobody found below ${users.baseDn} with ${users.filter}; check baseDn, filter and the rights of the account`,
      ),
    ];
  const converted = entries.map((entry) => toUser(entry, settings, false));
  const people = entitiesIn(converted);
  const findings = people.slice(0, maxShown).map((person) => ok(describeUser(person)));
  const withoutId = converted.filter(({ kind }) => kind === "without-id").length;
  if (withoutId > 0)
    findings.push(
      error(
        `users.id: ${withoutId} of ${entries.length} entries show no ${users.id} or ${entryId}: a renamed user could not be recognized`,
      ),
    );
  const withoutEmail = people.filter(({ email }) => email === null).length;
  if (withoutEmail > 0) {
    const key =
      users.emailPrefix === null || users.readsEmail
        ? `users.email: ${users.email}`
        : `users.emailPrefix: ${users.emailPrefix}`;
    const message = `${key}: ${withoutEmail} of ${people.length} people have no e-mail address`;
    findings.push(withoutEmail === people.length ? error(message) : warning(message));
  }
  return findings;
}

const describeUser = ({ userName, email, displayName, isActive, externalId }: SourceUser): string =>
  `${displayName}: userName ${userName}, e-mail ${email ?? "none"}, ${isActive ? "active" : "inactive"}, id ${externalId}`;

async function groupFindings(reader: DirectoryReader, settings: LdapSettings): Promise<readonly CheckFinding[]> {
  const { groups } = settings;
  if (groups === null) return [];
  const first = await reader.groups(null).next();
  const found = first.done === true ? [] : first.value.groups;
  if (found.length === 0) return [warning(`groups: none found below ${groups.baseDn} with ${groups.filter}`)];
  const converted = entitiesIn(found.map((group) => toGroup(group, settings)));
  const names = converted
    .slice(0, maxShown)
    .map(({ displayName, members }) => `${displayName} (${members.length} direct members)`);
  const findings = [ok(`groups: ${names.join(", ")}`)];
  if (converted.length < found.length)
    findings.push(
      error(`groups.id: ${found.length - converted.length} of ${found.length} groups show no ${groups.id}`),
    );
  if (settings.users.memberOf === null && converted.every(({ members }) => members.length === 0))
    findings.push(
      warning(
        `groups.members: none of ${found.length} groups shows ${groups.members}; check the attribute and the rights of the account`,
      ),
    );
  return findings;
}

/** How changes are found between full polls, and how to improve that. */
function changeFinding(
  cursor: Cursor | null,
  { fullEveryMs, changeStamp }: LdapSettings,
  seesDeletions: boolean,
): CheckFinding {
  const between = `full polls (fullEvery: ${Math.round(fullEveryMs / 60_000)} min)`;
  switch (cursor?.mode) {
    case undefined:
      return warning("the server lists no changes: every poll reads everything");
    case "sync":
      return ok("changes and deletions come by content synchronization (RFC 4533)");
    case "stamp":
      return warning(
        `changes are found by ${changeStamp}; deletions only by ${between}. Index ${changeStamp}. To see deletions at once, switch on content synchronization (OpenLDAP: overlay syncprov, 389 DS: plug-in Content Synchronization)`,
      );
    case "usn":
      return seesDeletions
        ? ok("changes and deletions come by uSNChanged")
        : warning(
            `changes come by uSNChanged; the account can't see deleted objects, so deletions are found only by ${between}. Give it "List Contents" and "Read Property" on the Deleted Objects container`,
          );
    default:
      return cursor satisfies never;
  }
}

/** Active Directory hides the Deleted Objects container from accounts that may not read it (MS-ADTS 3.1.1.5.5). */
async function seesDeletedObjects(
  session: LdapSession,
  { contexts }: ServerFacts,
  signal: AbortSignal,
): Promise<boolean> {
  const filter = parseFilter("(&(isDeleted=TRUE)(objectClass=*))");
  for (const base of contexts) {
    const search = { base, scope: "sub", filter, attributes: ["1.1"] } as const;
    for await (const message of session.search(search, [showDeleted], signal))
      if (message.kind === "entry") return true;
  }
  return false;
}
