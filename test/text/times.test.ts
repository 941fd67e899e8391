import { expect, it } from "vitest";
import { duration } from "../../src/text/times.ts";

it.each([
  [-5, "0 ms"],
  [999, "999 ms"],
  [1000, "1 s"],
  [89_000, "89 s"],
  [90_000, "2 min"],
  [5_399_000, "90 min"],
  [7_200_000, "2 h"],
  [172_800_000, "2 days"],
])("%d ms is shown as %s", (ms, text) => expect(duration(ms)).toBe(text));
