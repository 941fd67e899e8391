import { readFileSync } from "node:fs";

/** The middle number; NaN of none. */
export const median = (numbers: readonly number[]): number =>
  numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;

/** Processor time of a process in milliseconds: fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms (proc_pid_stat(5)). */
export function cpuMs(pid: number): number {
  const [, afterName = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
  const fields = afterName.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The most memory that a process has had resident. */
export function peakRssMiB(pid: number): number {
  const [, kib] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1024;
}

/** A line of a table: a name and numbers, each with one digit after the point. */
export const tableLine = (name: string, cells: readonly (number | string)[]): string =>
  name.slice(0, 41).padEnd(42) +
  cells.map((cell) => (typeof cell === "number" ? cell.toFixed(1) : cell).padStart(9)).join("");
