import type { EntityRef } from "../../domain/model/entities.ts";
import type { Notice } from "../../domain/ports/directory-store.ts";

/** The value of a column. Booleans are stored as 0 and 1, JSON as text. */
export type SqlValue = string | number | null;
export type Row = Record<string, SqlValue>;

/** Statements in the SQL that SQLite and PostgreSQL share, with `?` for parameters. */
export interface Sql {
  all(text: string, params?: readonly SqlValue[]): Promise<readonly Row[]>;
  get(text: string, params?: readonly SqlValue[]): Promise<Row | undefined>;
  /** Returns the number of changed rows. */
  run(text: string, params?: readonly SqlValue[]): Promise<number>;
}

/** The few points in which SQLite and PostgreSQL differ. */
export interface Dialect {
  readonly name: "sqlite" | "postgres";
  /** Column definition of a growing integer key. */
  readonly sequence: string;
  /** A condition: the column is one of the texts (or numbers) in a JSON array, which is one parameter. Uses an index. */
  readonly isIn: (column: string, of?: "text" | "number") => string;
  /** A condition: the column is none of them. Fast for a long list. */
  readonly isNotIn: (column: string, of?: "text" | "number") => string;
  /** A condition: the text of the column contains this constant. An index can have the same condition. */
  readonly contains: (column: string, text: string) => string;
  /** Follows the name of a table that is read through this index. SQLite has no statistics to choose it by itself. */
  readonly through: (index: string) => string;
  /** Follows the definition of a table that is stored in its primary key. */
  readonly clustered: string;
  /** A statement of the schema for this database: text is compared and sorted by its bytes. */
  readonly definition: (statement: string) => string;
  /** Statements after which no row of a table can be changed or deleted. */
  readonly appendOnly: (table: string) => readonly string[];
  /** Returns a row if the table that is named by the parameter exists. */
  readonly findTable: string;
}

export interface WriteOptions {
  /** True for work that changes thousands of rows: it shares its commit with no other work. */
  readonly isLarge?: boolean;
  /** True for the leader's work. Throws `STORE_LOCKED` when this process has lost the leader lock. */
  readonly isReconciling?: boolean;
}

/** A database with one writer at a time. Readers see what is committed. */
export interface Driver {
  readonly dialect: Dialect;
  /** Reads outside a transaction. */
  readonly read: Sql;
  /** Runs `work` alone. Its writes are durable when the promise resolves; when it throws they are rolled back. */
  transaction<T>(work: (sql: Sql) => Promise<T>, options?: WriteOptions): Promise<T>;
  /** Notifies the leader, where another process can be the leader. */
  readonly announce?: (notice: Notice) => void;
  close(): Promise<void>;
}

/** A database that is open for reading. */
export type Reading = Pick<Driver, "dialect" | "read" | "close">;

/** Stands for all users and groups where a list of changes would be long. Listeners then scan for dirty rows. */
export const everyone: EntityRef = { kind: "user", id: "*" };
