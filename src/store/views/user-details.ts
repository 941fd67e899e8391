import type { AuditStore, UserDetails } from "../../domain/ports/audit-store.ts";
import { toAuditRow } from "../audit/audit.ts";
import { fold } from "../database/conditions.ts";
import type { Driver, Row } from "../database/driver.ts";
import { all, reader, text } from "../database/table.ts";
import { toDirectoryUser } from "../directory/rows.ts";
import { heldAbout } from "../sync/held.ts";
import { linkOf } from "../sync/links.ts";

const readNames = reader({ userName: text });
const readName = reader({ name: text });

/** The history and the present state of users: see `AuditStore`. */
export function auditRows(driver: Driver): AuditStore {
  const { read } = driver;
  return {
    async userDetails(query) {
      const key = fold(query.trim());
      const rows = await read.all(
        `SELECT t.* FROM users t WHERE t.id = ? OR t.email = ? OR t.user_name_key = ? OR t.seq IN (SELECT user_seq FROM user_emails WHERE email = ?)
         ORDER BY (t.absent_since_ms IS NOT NULL), t.seq DESC LIMIT 20`,
        [query, key, key, key],
      );
      return Promise.all(rows.map((row) => detailsOf(driver, row)));
    },

    async problems(target, limit) {
      const rows = await read.all(
        `SELECT coalesce(u.email, u.user_name, g.display_name) AS name, ${linkOf.columns} FROM links l
         LEFT JOIN users u ON l.kind = 'user' AND u.id = l.entity_id LEFT JOIN groups g ON l.kind = 'group' AND g.id = l.entity_id
         WHERE l.target = ? AND (l.error_code IS NOT NULL OR l.note IS NOT NULL)
           -- Not a user who is to lose access and whom the runs still search for.
           AND (l.error_code IS NOT NULL OR l.note <> 'not-in-target' OR l.attempts = 0)
           AND (u.id IS NOT NULL OR g.id IS NOT NULL) AND coalesce(u.absent_since_ms, g.absent_since_ms) IS NULL
         ORDER BY l.error_code IS NULL, l.note IS NOT NULL, l.note, name LIMIT ?`,
        [target, limit],
      );
      return rows.flatMap((row) => {
        const link = linkOf.read(row);
        return link === null ? [] : [{ ...readName(row), kind: link.kind, link }];
      });
    },
  };
}

async function detailsOf({ read }: Driver, row: Row): Promise<UserDetails> {
  const user = toDirectoryUser(row);
  const groups = await all(
    read,
    { name: text },
    "SELECT g.display_name AS name FROM memberships m JOIN groups g ON g.seq = m.group_seq WHERE m.user_seq = ? ORDER BY name",
    [row["seq"] ?? null],
  );
  const links = await read.all(
    `SELECT ${linkOf.columns} FROM links l WHERE l.kind = 'user' AND l.entity_id = ? ORDER BY l.target`,
    [user.id],
  );
  const history = await read.all(
    "SELECT * FROM (SELECT * FROM audit WHERE entity_id = ? ORDER BY seq DESC LIMIT 1000) AS newest ORDER BY seq",
    [user.id],
  );
  return {
    user,
    ...readNames(row),
    groups: groups.map(({ name }) => name),
    links: links.flatMap((link) => linkOf.read(link) ?? []),
    held: await heldAbout(read, user.id),
    history: history.map(toAuditRow),
  };
}
