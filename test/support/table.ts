/**
 * Parses a table of test cases. The first line names the columns, cells are separated by `|`, and spaces around a cell do not
 * count. Use it where cases need many columns: each case stays on one line.
 */
export function tableOf<Column extends string>(
  columns: readonly Column[],
  text: string,
): readonly Readonly<Record<Column | "name", string>>[] {
  const [header, ...rows] = text
    .trim()
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const expected = ["name", ...columns];
  if (header?.join() !== expected.join()) throw new TypeError(`columns are ${header?.join()}, not ${expected.join()}`);
  return rows.map((cells) => {
    if (cells.length !== expected.length) throw new TypeError(`${cells[0]}: ${cells.length} cells`);
    return Object.fromEntries(expected.map((column, index) => [column, cells[index] ?? ""])) as Record<
      Column | "name",
      string
    >;
  });
}

/** Returns the fixture that a cell names. Throws if there is none. */
export function named<T>(fixtures: Readonly<Record<string, T>>, cell: string): T {
  if (!(cell in fixtures)) throw new TypeError(`no fixture is called "${cell}"`);
  return fixtures[cell] as T;
}

/** Merges the fixtures that a cell names, separated by `+`. An empty cell is an empty object. */
export const merged = <T extends object>(fixtures: Readonly<Record<string, T>>, cell: string): Partial<T> =>
  Object.assign({}, ...(cell === "" ? [] : cell.split("+").map((each) => named(fixtures, each.trim()))));
