import { describe, expect, it } from "vitest";
import { fileText, trailFile } from "../../src/app/audit-files.ts";
import type { ChainedRow } from "../../src/domain/model/audit.ts";

const rowOf = (name: string): ChainedRow => ({
  seq: 1,
  atMs: 0,
  actor: "scim:okta",
  requestId: null,
  action: "group.create",
  kind: "group",
  entityId: "g",
  name,
  target: null,
  rev: 1,
  detail: {},
  hash: "0".repeat(64),
});

async function csvOf(name: string): Promise<string> {
  const page = async function* (): AsyncIterable<readonly ChainedRow[]> {
    yield [rowOf(name)];
  };
  let text = "";
  for await (const piece of fileText(trailFile, page(), "csv")) text += piece;
  return text;
}

/** Parses records of RFC 4180. A line break inside quotes does not end a record. Accepts all three kinds of line break. */
const recordsOf = (text: string): readonly string[] => text.match(/(?:"(?:[^"]|"")*"|[^"\r\n])+/g) ?? [];

describe("a name in an export as CSV", () => {
  it.each(["\n", "\r", "\r\n"])("cannot start a new row with the line break %j", async (lineBreak) => {
    const forged = `eng${lineBreak}=cmd|'/C calc'!A0`;
    const text = await csvOf(forged);
    expect(recordsOf(text)).toHaveLength(2);
    expect(text).toContain(`"${forged}"`);
  });

  it.each(["=", "+", "-", "@", "\t", "\r"])("is not a formula when it begins with %j", async (first) => {
    expect(recordsOf(await csvOf(`${first}cmd|'/C calc'!A0`))[1]).toMatch(/,"?'[=+\-@\t\r]cmd/);
  });
});
