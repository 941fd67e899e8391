import type { Row, Sql, SqlValue } from "./driver.ts";

/** Values in one statement: keeps each of them to a few milliseconds. */
const perStatement = 200;

/** Lets requests be answered in the middle of a long commit. */
export const breathe = (): Promise<void> => new Promise((next) => setImmediate(next));

export function chunks<T>(values: readonly T[]): readonly (readonly T[])[] {
  const found: (readonly T[])[] = [];
  for (let start = 0; start < values.length; start += perStatement)
    found.push(values.slice(start, start + perStatement));
  return found;
}

/** Fewer go one by one. */
export const rowsPerStatement = 50;

/** One statement for many rows; what is left over goes one by one, so that there are only two texts to prepare. */
export async function insertRows(
  sql: Sql,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly SqlValue[])[],
  returning = "",
): Promise<readonly Row[]> {
  const one = `(${columns.map(() => "?").join(", ")})`;
  const found: Row[] = [];
  for (let start = 0; start < rows.length; ) {
    const count = rows.length - start >= rowsPerStatement ? rowsPerStatement : 1;
    const text = `INSERT INTO ${table} (${columns.join(", ")}) VALUES ${Array.from({ length: count }, () => one).join(", ")} ${returning}`;
    const params = rows.slice(start, start + count).flat();
    if (returning === "") await sql.run(text, params);
    else found.push(...(await sql.all(text, params)));
    start += count;
  }
  return found;
}
