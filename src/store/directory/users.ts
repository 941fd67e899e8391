import type { Cause, EntityRef } from "../../domain/model/entities.ts";
import type { ScimRecord, ScimStore, UserWrite } from "../../domain/ports/scim-store.ts";
import { entityEntry, writeAudit } from "../audit/audit.ts";
import { insertRows } from "../database/batches.ts";
import { fold } from "../database/conditions.ts";
import type { Driver, Sql } from "../database/driver.ts";
import { newId } from "../database/ids.ts";
import { all, flag, integer, optional, reader, text } from "../database/table.ts";
import {
  assertNameFree,
  changesBetween,
  idShape,
  leaveGroups,
  scimReads,
  setAbsent,
  users,
  type WriteContext,
} from "./rows.ts";

/** The indexed columns of a user, and the key of the row. */
const toPresent = reader({
  seq: integer,
  userName: text,
  userNameKey: optional(text),
  externalId: optional(text),
  email: optional(text),
  displayName: text,
  isActive: flag,
});
type Present = ReturnType<typeof toPresent>;

type UserMethods = "getUser" | "listUsers" | "scanUsers" | "createUser" | "updateUser" | "deleteUser" | "groupsOfUsers";

/** Users of SCIM sources: see `ScimStore`. */
export function userRows(driver: Driver, { now, changed }: WriteContext): Pick<ScimStore, UserMethods> {
  const reads = scimReads(driver, "user");

  return {
    getUser: reads.get,
    listUsers: reads.list,
    scanUsers: reads.scan,
    groupsOfUsers: reads.references,

    async createUser(source, { emails, ...write }, cause): Promise<ScimRecord> {
      const at = now();
      const id = newId(at);
      const record = { id, rev: 1, createdAtMs: at, modifiedAtMs: at, resource: write.resource };
      const rivals = await driver.transaction(async (sql) => {
        await assertNameFree(sql, "user", source, fold(write.userName), id);
        const keys = { userNameKey: fold(write.userName), displayNameKey: fold(write.displayName) };
        await insertRows(sql, users, [{ ...record, ...write, ...keys, source, sourceKey: id }]);
        await addAddresses(sql, id, emails);
        const detail = { source, userName: write.userName, email: write.email, active: write.isActive };
        await auditUser(sql, at, cause, "user.create", { ...record, ...write }, detail);
        return await touchRivals(sql, id, [write.email]);
      });
      changed([{ kind: "user", id }, ...rivals]);
      return record;
    },

    async updateUser(source, id, expectedRev, edit, cause): Promise<ScimRecord> {
      const result = await driver.transaction(async (sql) => {
        const { before, row } = await reads.changing(sql, source, id, expectedRev);
        const present = toPresent(row);
        const write = edit(before);
        if (write === null) return { record: before, refs: [] };
        const key = fold(write.userName);
        if (key !== present.userNameKey) await assertNameFree(sql, "user", source, key, id);
        const at = Math.max(now(), before.modifiedAtMs);
        await putUser(sql, present, write, at);
        const detail = changesBetween(before.resource, write.resource);
        if (detail["emails"] !== undefined || detail["userName"] !== undefined) {
          await sql.run("DELETE FROM user_emails WHERE user_seq = ?", [present.seq]);
          await addAddresses(sql, id, write.emails);
        }
        const rivals = write.email === present.email ? [] : await touchRivals(sql, id, [write.email, present.email]);
        const record = { ...before, rev: before.rev + 1, modifiedAtMs: at, resource: write.resource };
        await auditUser(sql, at, cause, "user.update", { ...record, ...write }, detail);
        return { record, refs: [{ kind: "user" as const, id }, ...rivals] };
      });
      if (result.refs.length > 0) changed(result.refs);
      return result.record;
    },

    async deleteUser(source, id, expectedRev, cause): Promise<void> {
      const rivals = await driver.transaction(async (sql) => {
        const { before, row } = await reads.changing(sql, source, id, expectedRev);
        const present = toPresent(row);
        const at = now();
        await leaveGroups(sql, present.seq, at);
        await sql.run("DELETE FROM user_emails WHERE user_seq = ?", [present.seq]);
        await sql.run(setAbsent("user"), [at, at, present.seq]);
        const { email, userNameKey } = present;
        const entry = { kind: "user" as const, id, name: email ?? userNameKey, rev: before.rev + 1 };
        await writeAudit(sql, at, [entityEntry(cause, "user.delete", entry, { source })]);
        return await touchRivals(sql, id, [email]);
      });
      changed([{ kind: "user", id }, ...rivals]);
    },
  };
}

const auditUser = (
  sql: Sql,
  atMs: number,
  cause: Cause,
  action: string,
  user: Pick<UserWrite, "email" | "userName"> & Pick<ScimRecord, "id" | "rev">,
  detail: Parameters<typeof entityEntry>[3],
): Promise<void> => {
  const { id, rev, email, userName } = user;
  return writeAudit(sql, atMs, [
    entityEntry(cause, action, { kind: "user", id, name: email ?? userName, rev }, detail),
  ]);
};

/** Writes indexed columns only when they change. Most updates change none, and each index costs one more page to flush. */
async function putUser(sql: Sql, present: Present, write: UserWrite, atMs: number): Promise<void> {
  const { userName, externalId, email, displayName, isActive } = write;
  const isRenamed =
    userName !== present.userName ||
    fold(userName) !== present.userNameKey ||
    externalId !== present.externalId ||
    email !== present.email;
  const isShownOtherwise = displayName !== present.displayName || isActive !== present.isActive;
  const names = isRenamed ? "user_name = ?, user_name_key = ?, external_id = ?, email = ?, " : "";
  const shown = isShownOtherwise ? "display_name = ?, display_name_key = ?, is_active = ?, " : "";
  await sql.run(`UPDATE users SET ${names}${shown}rev = rev + 1, modified_at_ms = ?, resource = ? WHERE seq = ?`, [
    ...(isRenamed ? [userName, fold(userName), externalId, email] : []),
    ...(isShownOtherwise ? [displayName, fold(displayName), flag.write(isActive)] : []),
    atMs,
    JSON.stringify(write.resource),
    present.seq,
  ]);
}

/** Adds the addresses of a user who has none, for filters on `emails`. */
async function addAddresses(sql: Sql, id: string, emails: readonly string[]): Promise<void> {
  for (const email of new Set(emails))
    await sql.run("INSERT INTO user_emails (email, user_seq) SELECT ?, seq FROM users WHERE id = ?", [fold(email), id]);
}

/** Marks other users with these addresses as changed: they may gain or lose the right to the address. Returns them. */
async function touchRivals(sql: Sql, id: string, emails: readonly (string | null)[]): Promise<readonly EntityRef[]> {
  const touched: EntityRef[] = [];
  for (const email of new Set(emails)) {
    if (email === null) continue;
    // Few addresses have a rival, and a SELECT costs less than an UPDATE that changes nothing.
    const rivals = await all(sql, idShape, "SELECT id FROM users WHERE email = ? AND id <> ?", [email, id]);
    if (rivals.length === 0) continue;
    await sql.run("UPDATE users SET rev = rev + 1 WHERE email = ? AND id <> ?", [email, id]);
    touched.push(...rivals.map((rival) => ({ kind: "user" as const, id: rival.id })));
  }
  return touched;
}
