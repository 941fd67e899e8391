import type { Row, Sql, SqlValue } from "./driver.ts";
import type { Table } from "./table.ts";

/** Maximum number of values in a list parameter: a statement takes a few milliseconds. */
const maxListed = 200;

/** Lets the process answer requests in the middle of a long commit. */
export const breathe = (): Promise<void> => new Promise((next) => setImmediate(next));

export function chunks<T>(values: readonly T[]): readonly (readonly T[])[] {
  const found: (readonly T[])[] = [];
  for (let start = 0; start < values.length; start += maxListed) found.push(values.slice(start, start + maxListed));
  return found;
}

/** Rows in one INSERT. The remaining rows go one by one, so that each table has only two statements to prepare. */
const insertedTogether = 50;

/** Inserts rows, and returns what `returning` names of each. */
export async function insertRows<T>(
  sql: Sql,
  { columns, insert, values }: Pick<Table<T>, "columns" | "insert" | "values">,
  rows: readonly T[],
  returning = "",
): Promise<readonly Row[]> {
  const found: Row[] = [];
  for (let start = 0; start < rows.length; ) {
    const some = rows.slice(start, start + (rows.length - start >= insertedTogether ? insertedTogether : 1));
    const text =
      some.length === 1 ? insert : insert + `, (${columns.map(() => "?").join(", ")})`.repeat(some.length - 1);
    const params: readonly SqlValue[] = some.flatMap(values);
    if (returning === "") await sql.run(text, params);
    else found.push(...(await sql.all(`${text} ${returning}`, params)));
    start += some.length;
  }
  return found;
}
