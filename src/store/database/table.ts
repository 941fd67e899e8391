import { entityKinds } from "../../domain/model/entities.ts";
import type { Row, Sql, SqlValue } from "./driver.ts";

/** How one value is stored. `read` returns undefined for a value of another type. */
export interface Codec<T> {
  readonly read: (value: SqlValue | undefined) => T | undefined;
  readonly write: (value: T) => SqlValue;
  /** Default: the property in snake case. */
  readonly column?: string;
}

/** One codec for each property of `T`. */
export type Shape<T> = { readonly [K in keyof T]-?: Codec<T[K]> };

const isText = (value: SqlValue | undefined): value is string => typeof value === "string";

export const text: Codec<string> = { read: (value) => (isText(value) ? value : undefined), write: (value) => value };

export const integer: Codec<number> = {
  read: (value) => (typeof value === "number" ? value : undefined),
  write: (value) => value,
};

export const flag: Codec<boolean> = {
  read: (value) => (value === 1 ? true : value === 0 ? false : undefined),
  write: (value) => (value ? 1 : 0),
};

export const optional = <T>(codec: Codec<T>): Codec<T | null> => ({
  read: (value) => (value === null ? null : codec.read(value)),
  write: (value) => (value === null ? null : codec.write(value)),
});

/** One of these texts. */
export function oneOf<T extends string>(values: readonly T[]): Codec<T> {
  const known = new Set<SqlValue | undefined>(values);
  const isValue = (value: SqlValue | undefined): value is T => known.has(value);
  return { read: (value) => (isValue(value) ? value : undefined), write: (value) => value };
}

export const entityKind = oneOf(entityKinds);

/** A value that this store wrote as JSON. */
export const json = <T>(): Codec<T> => ({
  read: (value) => (isText(value) ? JSON.parse(value) : undefined),
  write: (value) => JSON.stringify(value),
});

/** A table whose rows are objects: each column is called like its property, in snake case. */
export interface Table<T> {
  readonly name: string;
  readonly columns: readonly string[];
  /** The statement that inserts one row. */
  readonly insert: string;
  /** Throws when a column is missing or holds a value of another type. */
  readonly read: (row: Row) => T;
  /** The values of all columns, in their order. */
  readonly values: (value: T) => readonly SqlValue[];
  /** The columns of `alias` as `alias_column`, for a join. `read` returns null where an outer join found no row. */
  readonly joined: (alias: string) => { readonly columns: string; readonly read: (row: Row) => T | null };
  /** A statement that inserts a row, or replaces all but `kept` in the row with this key. */
  readonly upsert: (key: readonly (keyof T & string)[], kept?: readonly (keyof T & string)[]) => string;
}

export function table<T>(name: string, shape: Shape<T>): Table<T> {
  const fields = fieldsOf(shape);
  const columns = fields.map(({ column }) => column);
  const insert = `INSERT INTO ${name} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;
  return {
    name,
    columns,
    insert,
    read: readerOf(`table ${name}`, fields),
    values: (value) => fields.map(({ write }) => write(value)),
    joined(alias) {
      const read = readerOf(`table ${name}`, fieldsOf(shape, `${alias}_`));
      return {
        columns: columns.map((column) => `${alias}.${column} AS ${alias}_${column}`).join(", "),
        read: (row) => (row[`${alias}_${columns[0]}`] === null ? null : read(row)),
      };
    },
    upsert(key, kept = []) {
      const named = (keys: readonly (keyof T)[]) => fields.filter((field) => keys.includes(field.key));
      const fixed = new Set([...named(key), ...named(kept)]);
      const replaced = fields
        .filter((field) => !fixed.has(field))
        .map(({ column }) => `${column} = excluded.${column}`);
      return `${insert} ON CONFLICT (${named(key)
        .map(({ column }) => column)
        .join(", ")}) DO UPDATE SET ${replaced.join(", ")}`;
    },
  };
}

interface Field<T> {
  readonly key: keyof T;
  readonly column: string;
  readonly read: (value: SqlValue | undefined) => T[keyof T] | undefined;
  readonly write: (value: T) => SqlValue;
}

function fieldsOf<T>(shape: Shape<T>, prefix = ""): readonly Field<T>[] {
  const fieldOf = <K extends keyof T & string>(key: K): Field<T> => {
    const { read, write, column = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) } = shape[key];
    return { key, column: prefix + column, read, write: (value) => write(value[key]) };
  };
  const fields: Field<T>[] = [];
  for (const key in shape) fields.push(fieldOf(key));
  return fields;
}

function readerOf<T>(place: string, fields: readonly Field<T>[]): (row: Row) => T {
  // A copy of an object with all properties is several times faster to fill than an empty object.
  const empty: Partial<T> = {};
  for (const { key } of fields) empty[key] = undefined;
  return (row) => {
    const found = { ...empty };
    for (const { key, column, read } of fields) {
      const value = read(row[column]);
      if (value === undefined) throw new Error(`${place}, column ${column}: unexpected value ${String(row[column])}`);
      found[key] = value;
    }
    // Complete: each property of the shape was set.
    return found as T;
  };
}

/** The readers of shapes that are constants. */
const readers = new WeakMap<object, unknown>();

/** Reads rows of any query: each column is called like its property, in snake case. */
export function reader<T>(shape: Shape<T>): (row: Row) => T {
  const known = readers.get(shape) as ((row: Row) => T) | undefined;
  const found = known ?? readerOf("a query", fieldsOf(shape));
  if (known === undefined) readers.set(shape, found);
  return found;
}

/** All rows of a query. */
export const all = async <T>(
  sql: Sql,
  shape: Shape<T>,
  statement: string,
  params: readonly SqlValue[] = [],
): Promise<T[]> => (await sql.all(statement, params)).map(reader(shape));

/** The first row of a query, if there is one. */
export async function first<T>(
  sql: Sql,
  shape: Shape<T>,
  statement: string,
  params: readonly SqlValue[] = [],
): Promise<T | undefined> {
  const row = await sql.get(statement, params);
  return row === undefined ? undefined : reader(shape)(row);
}

/** Counts the rows of `FROM …`. */
export async function count(sql: Sql, from: string, params: readonly SqlValue[] = []): Promise<number> {
  return (await first(sql, { n: integer }, `SELECT count(*) AS n ${from}`, params))?.n ?? 0;
}
