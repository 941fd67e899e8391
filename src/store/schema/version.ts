import { RollcallError } from "../../domain/model/errors.ts";
import type { Driver, Reading, Sql } from "../database/driver.ts";
import { first, integer } from "../database/table.ts";
import { tables } from "./tables.ts";

/** Statements that bring the schema of a released version to the next one. Never edited once released: add a step. */
const steps: readonly (readonly string[])[] = [];

/** The version of the schema that this release works with. */
export const schemaVersion = 1 + steps.length;

/** A database of a development version, before the first release: its schema can't be brought up to date. */
const development = -1;

/**
 * Makes the schema, or brings it up to date, in one transaction.
 * Throws `STORE_UNAVAILABLE` for a database of a newer release or of a development version.
 */
export async function prepareSchema(driver: Driver): Promise<void> {
  const present = await readVersion(driver);
  assertKnown(present);
  // Commands that only read must not write.
  if (present === schemaVersion) return;
  const { dialect } = driver;
  await driver.transaction(async (sql) => {
    await sql.run("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)");
    // Read again inside the transaction: another process may have done the same meanwhile.
    const version = await storedVersion(sql);
    if (version === schemaVersion) return;
    const statements = version === 0 ? tables(dialect) : steps.slice(version - 1).flat();
    for (const statement of statements) await sql.run(dialect.definition(statement));
    await sql.run("DELETE FROM schema_version");
    await sql.run("INSERT INTO schema_version (version) VALUES (?)", [schemaVersion]);
  });
}

/** Throws `STORE_UNAVAILABLE` for a version that this release can't work with. */
export function assertKnown(version: number): void {
  if (version === development)
    throw new RollcallError(
      "STORE_UNAVAILABLE",
      'the database was made by a development version of Rollcall, before the first release; name a new database under "store"',
    );
  if (version > schemaVersion)
    throw new RollcallError(
      "STORE_UNAVAILABLE",
      `the database has schema ${version}, this Rollcall knows ${schemaVersion}: run the newer release, or restore a backup`,
    );
}

/** Returns 0 for a database without a schema, and a negative number for that of a development version. */
export async function readVersion({ read, dialect }: Pick<Driver, "read" | "dialect">): Promise<number> {
  const hasTable = async (name: string) => (await read.get(dialect.findTable, [name])) !== undefined;
  if (await hasTable("schema_version")) return await storedVersion(read);
  return (await hasTable("schema_steps")) ? development : 0;
}

/** Reads the version, and closes the database. Throws `STORE_UNAVAILABLE` for a version that this release can't work with. */
export async function checkVersion(reading: Reading): Promise<number> {
  try {
    const version = await readVersion(reading);
    assertKnown(version);
    return version;
  } finally {
    await reading.close();
  }
}

const storedVersion = async (sql: Sql): Promise<number> =>
  (await first(sql, { version: integer }, "SELECT coalesce(max(version), 0) AS version FROM schema_version"))
    ?.version ?? 0;
