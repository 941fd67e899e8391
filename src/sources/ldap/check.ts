import { messageOf } from "../../domain/model/errors.ts";
import type { SourceUser } from "../../domain/ports/import-store.ts";
import type { CheckFinding } from "../../domain/ports/target.ts";
import { connectLdap, type ResolveSrv } from "./protocol/connection.ts";
import { ShowDeletedControl } from "./protocol/controls.ts";
import type { LdapSession } from "./protocol/session.ts";
import { ChangeFeed } from "./read/changes.ts";
import { toGroup, toUser } from "./read/convert.ts";
import { DirectoryReader } from "./read/reader.ts";
import type { LdapSettings } from "./servers/options.ts";
import { parseFilter } from "./servers/presets.ts";
import { readFacts, type ServerFacts } from "./servers/root-dse.ts";

const shownPeople = 3;

/**
 * Binds, reads one page of people and of groups, and says what will not work. Shows three converted people, so that a
 * wrong attribute is seen at once. Writes nothing; never throws for what is wrong with the directory, but says it.
 */
export async function checkLdap(
  settings: LdapSettings,
  signal: AbortSignal,
  resolveSrv?: ResolveSrv,
): Promise<readonly CheckFinding[]> {
  const findings: CheckFinding[] = [...settingsFindings(settings)];
  try {
    const { session, url } = await connectLdap(settings, null, signal, resolveSrv);
    try {
      findings.push({
        level: "ok",
        message: `${url}: connected and bound as ${settings.bind.kind === "simple" ? settings.bind.dn : settings.bind.kind}`,
      });
      const facts = await readFacts(session, settings, signal);
      findings.push(
        ...(await peopleFindings(session, settings, signal)),
        ...(await groupFindings(session, settings, signal)),
      );
      findings.push(...(await changeFindings(session, settings, facts, signal)));
    } finally {
      session.close();
    }
  } catch (error) {
    findings.push({ level: "error", message: messageOf(error) });
  }
  return findings;
}

function settingsFindings({ tls, url, bind }: LdapSettings): readonly CheckFinding[] {
  const findings: CheckFinding[] = [];
  if (tls.rejectUnauthorized === false)
    findings.push({
      level: "warning",
      message:
        "tls.rejectUnauthorized is false: anybody on the way can pass for the directory; name its authority in tls.caFile instead",
    });
  if (bind.kind === "simple" && tls.startTls !== true && url.some((each) => each.startsWith("ldap://"))) {
    findings.push({
      level: "warning",
      message: "the bind password crosses the network in clear text; use ldaps:// or tls.startTls",
    });
  }
  return findings;
}

async function peopleFindings(
  session: LdapSession,
  settings: LdapSettings,
  signal: AbortSignal,
): Promise<readonly CheckFinding[]> {
  const { users } = settings;
  const where = `below ${users.baseDn} with ${users.filter}`;
  const first = await new DirectoryReader(session, settings, signal).users(null, []).next();
  const entries = first.done === true ? [] : first.value.entries;
  if (entries.length === 0)
    return [
      { level: "error", message: `users: nobody found ${where}; check baseDn, filter and what the account may read` },
    ];
  const converted = entries.map((entry) => toUser(entry, settings, false));
  const people = converted.flatMap((each) => (each.kind === "user" ? [each.user] : []));
  const findings: CheckFinding[] = people
    .slice(0, shownPeople)
    .map((person) => ({ level: "ok", message: describePerson(person) }));
  const nameless = converted.filter(({ kind }) => kind === "without-id").length;
  if (nameless > 0)
    findings.push({
      level: "error",
      message: `users.id: ${nameless} of ${entries.length} entries show no ${users.id} or ${settings.entryId}: they can't be kept apart when they are renamed`,
    });
  const unreachable = people.filter(({ email }) => email === null).length;
  const key =
    users.emailPrefix === null || users.readsEmail
      ? `users.email: ${users.email}`
      : `users.emailPrefix: ${users.emailPrefix}`;
  if (unreachable > 0)
    findings.push({
      level: unreachable === people.length ? "error" : "warning",
      message: `${key}: ${unreachable} of ${people.length} people have no e-mail address`,
    });
  return findings;
}

const describePerson = ({ userName, email, displayName, isActive, externalId }: SourceUser): string =>
  `${displayName}: userName ${userName}, e-mail ${email ?? "none"}, ${isActive ? "active" : "inactive"}, id ${externalId}`;

async function groupFindings(
  session: LdapSession,
  settings: LdapSettings,
  signal: AbortSignal,
): Promise<readonly CheckFinding[]> {
  const { groups } = settings;
  if (groups === null) return [];
  const first = await new DirectoryReader(session, settings, signal).groups(null, []).next();
  const found = first.done === true ? [] : first.value.groups;
  if (found.length === 0)
    return [{ level: "warning", message: `groups: none found below ${groups.baseDn} with ${groups.filter}` }];
  const converted = found.flatMap(({ entry, members }) => {
    const each = toGroup(entry, settings, members);
    return each.kind === "group" ? [each.group] : [];
  });
  const names = converted
    .slice(0, shownPeople)
    .map(({ displayName, members }) => `${displayName} (${members.length} direct members)`);
  const findings: CheckFinding[] = [{ level: "ok", message: `groups: ${names.join(", ")}` }];
  if (converted.length < found.length)
    findings.push({
      level: "error",
      message: `groups.id: ${found.length - converted.length} of ${found.length} groups show no ${groups.id}`,
    });
  if (settings.users.memberOf === null && converted.every(({ members }) => members.length === 0)) {
    findings.push({
      level: "warning",
      message: `groups.members: none of ${found.length} groups shows ${groups.members}; check the attribute and what the account may read`,
    });
  }
  return findings;
}

async function changeFindings(
  session: LdapSession,
  settings: LdapSettings,
  facts: ServerFacts,
  signal: AbortSignal,
): Promise<readonly CheckFinding[]> {
  const cursor = await new ChangeFeed(session, settings, facts, signal).begin(null);
  const between = `complete polls, every ${Math.round(settings.fullEveryMs / 60_000)} min (fullEvery)`;
  switch (cursor?.mode) {
    case undefined:
      return [{ level: "warning", message: "the server tells no changes: every poll reads everything" }];
    case "sync":
      return [{ level: "ok", message: "changes and deletions come by content synchronization (RFC 4533)" }];
    case "stamp":
      return [
        {
          level: "warning",
          message: `changes are found by ${settings.changeStamp}; deletions only by ${between}. Switch on content synchronization (OpenLDAP: overlay syncprov, 389 DS: plug-in Content Synchronization) to see them at once, and index ${settings.changeStamp}`,
        },
      ];
    case "usn":
      return (await seesDeletedObjects(session, facts, signal))
        ? [{ level: "ok", message: "changes and deletions come by uSNChanged" }]
        : [
            {
              level: "warning",
              message: `changes come by uSNChanged; the account can't see deleted objects, so deletions are found only by ${between}. Give it "List Contents" and "Read Property" on the Deleted Objects container`,
            },
          ];
    default:
      return cursor satisfies never;
  }
}

/** Active Directory hides the container from accounts without the right to read it (MS-ADTS 3.1.1.5.5). */
async function seesDeletedObjects(
  session: LdapSession,
  { contexts }: ServerFacts,
  signal: AbortSignal,
): Promise<boolean> {
  for (const context of contexts) {
    const search = {
      base: context,
      scope: "sub",
      filter: parseFilter("(&(isDeleted=TRUE)(objectClass=*))"),
      attributes: ["1.1"],
    } as const;
    for await (const message of session.search(search, [new ShowDeletedControl()], signal)) {
      if (message.kind === "entry") return true;
    }
  }
  return false;
}
