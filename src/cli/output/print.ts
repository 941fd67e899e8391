import { stripVTControlCharacters } from "node:util";
import type { Paint, Style, Terminal } from "../../app/context.ts";

/** Prints one JSON document on standard output. */
export const printJson = (terminal: Terminal, value: unknown): void => terminal.out(JSON.stringify(value, null, 2));

/** Removes line breaks: a name that comes from outside must not look like a line of ours. */
export const oneLine = (text: string): string => text.replace(/\s*[\r\n\t\u2028\u2029]\s*/g, " ");

/** Columns of equal width. Colours do not count; numbers are aligned right; the last column has no width. */
export function table(rows: readonly (readonly string[])[], indent = "  "): string {
  const clean = rows.map((row) => row.map(oneLine));
  const widths = clean.reduce<number[]>(
    (all, row) => row.map((cell, index) => Math.max(widthOf(cell), all[index] ?? 0)),
    [],
  );
  return clean
    .map(
      (row) =>
        indent +
        row
          .map((cell, index) => (index === row.length - 1 ? cell : padded(cell, widths[index] ?? 0)))
          .join("  ")
          .trimEnd(),
    )
    .join("\n");
}

const widthOf = (cell: string): number => stripVTControlCharacters(cell).length;

/** Aligns a count with its noun to the right, anything else to the left. */
function padded(cell: string, width: number): string {
  const space = " ".repeat(width - widthOf(cell));
  return /^[\d,]+ [a-z]/.test(stripVTControlCharacters(cell)) ? space + cell : cell + space;
}

/** A count, without emphasis when it is 0. */
export const tally = (paint: Paint, style: Style, number: number, noun: string): string =>
  paint(number === 0 ? "quiet" : style, `${number} ${noun}`);
