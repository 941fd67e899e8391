import type { Notice } from "../../domain/ports/directory-store.ts";

/** What a column holds. Booleans are stored as 0 and 1, JSON as text. */
export type SqlValue = string | number | null;
export type Row = Record<string, SqlValue>;

/** Statements in the SQL that SQLite and PostgreSQL share, with `?` for parameters. */
export interface Sql {
  all(text: string, params?: readonly SqlValue[]): Promise<readonly Row[]>;
  get(text: string, params?: readonly SqlValue[]): Promise<Row | undefined>;
  /** @returns how many rows it changed. */
  run(text: string, params?: readonly SqlValue[]): Promise<number>;
}

/** The few words in which the two differ. */
export interface Dialect {
  readonly name: "sqlite" | "postgres";
  /** Column definition of a growing integer key. */
  readonly sequence: string;
  /** A condition: is that column among the texts (or numbers) in a JSON array given as one parameter? An index leads to them. */
  readonly isIn: (column: string, of?: "text" | "number") => string;
  /** Is it none of them? They may be many. */
  readonly isNotIn: (column: string, of?: "text" | "number") => string;
  /** A condition: does the text of that column contain this constant? For an index as well as for a question. */
  readonly contains: (column: string, text: string) => string;
  /** Appended to a table's name: this index is the way to read it. The rows of people are wide, and statistics are never gathered. */
  readonly through: (index: string) => string;
  /** Appended to a table that is only its primary key. */
  readonly clustered: string;
  /** A statement of the schema as this database takes it: text is to be compared and sorted by its bytes. */
  readonly definition: (statement: string) => string;
  /** Statements that let nothing in a table be changed or deleted any more. */
  readonly appendOnly: (table: string) => readonly string[];
}

export interface WriteOptions {
  readonly isLarge?: boolean;
  /** Refused with `STORE_LOCKED` when this process has lost the right to reconcile. */
  readonly isReconciling?: boolean;
}

/** A database: one writer at a time, readers that see what is committed. */
export interface Driver {
  readonly dialect: Dialect;
  /** Outside a transaction. */
  readonly read: Sql;
  /**
   * Runs `work` alone and makes it durable before the promise resolves; a throw rolls it back. `isLarge` says that it
   * changes thousands of rows: it then shares its commit with no other.
   */
  transaction<T>(work: (sql: Sql) => Promise<T>, options?: WriteOptions): Promise<T>;
  /** Tells the process that reconciles, where that can be another one. */
  readonly announce?: (notice: Notice) => void;
  close(): Promise<void>;
}
