import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Loose, Reply } from "./server.ts";
import { scimServer } from "./server.ts";

/** One recorded request and its expected answer, as in the files of test/fixtures/idp. */
interface Step {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  readonly expect: {
    readonly status: number[];
    readonly jsonPath?: Check[];
    readonly bodyContains?: string[];
    readonly bodyNotContains?: string[];
    readonly headerExists?: string[];
  };
  readonly capture?: Record<string, string>;
}
interface Check {
  readonly path: string;
  readonly equals?: unknown;
  readonly equalsIgnoreCase?: string;
  readonly exists?: boolean;
  readonly absent?: boolean;
  readonly absentOrEmpty?: boolean;
  readonly length?: number;
  readonly contains?: string;
  readonly type?: string;
}

const FOLDER = new URL("../fixtures/idp/", import.meta.url);
const scim = scimServer();

/** The value at `Resources[0].name` or `["urn:…"].department`. */
function at(value: unknown, path: string): unknown {
  let here = value as Loose | undefined;
  for (const [, quoted, index, name] of path.matchAll(/\["([^"]+)"\]|\[(\d+)\]|([^.[\]]+)/g))
    here = here?.[(quoted ?? index ?? name) as string];
  return here;
}

function verify(check: Check, json: unknown): void {
  const value = at(json, check.path);
  const isEmpty = value == null || value === "" || (Array.isArray(value) && value.length === 0);
  if ("equals" in check) expect(value, check.path).toBe(check.equals);
  else if (check.equalsIgnoreCase !== undefined)
    expect(String(value).toLowerCase(), check.path).toBe(check.equalsIgnoreCase.toLowerCase());
  else if (check.exists === true) expect(value, check.path).not.toBeUndefined();
  else if (check.absent === true) expect(value, check.path).toBeUndefined();
  else if (check.absentOrEmpty === true) expect(isEmpty, check.path).toBe(true);
  else if (check.length !== undefined) expect(value, check.path).toHaveLength(check.length);
  else if (check.contains !== undefined) expect(value, check.path).toContain(check.contains);
  else if (check.type !== undefined) expect(Array.isArray(value) ? "array" : typeof value, check.path).toBe(check.type);
  else expect.fail(`the check of ${check.path} has no condition`);
}

function verifyReply(step: Step, reply: Reply): void {
  expect(step.expect.status, `${step.name}: ${reply.text}`).toContain(reply.status);
  const json = reply.text === "" ? undefined : reply.json;
  for (const check of step.expect.jsonPath ?? []) verify(check, json);
  for (const text of step.expect.bodyContains ?? []) expect(reply.text).toContain(text);
  for (const text of step.expect.bodyNotContains ?? []) expect(reply.text).not.toContain(text);
  for (const name of step.expect.headerExists ?? []) expect(reply.headers[name]).toBeDefined();
}

describe("recorded traffic of an identity provider", () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".json"))) {
    test(`${file} gets the recorded answers`, async () => {
      const vars = new Map<string, string>([["run", `${Date.now().toString(36)}${file.slice(0, 3)}`]]);
      const fill = (text: string): string =>
        text.replace(/\{\{(\w+)\}\}/g, (_all, name: string) =>
          name === "uuid" ? crypto.randomUUID() : (vars.get(name) ?? `unset-${name}`),
        );
      for (const recorded of JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as Step[]) {
        const step = JSON.parse(fill(JSON.stringify(recorded))) as Step;
        const headers = Object.fromEntries(
          Object.entries(step.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
        );
        const body = step.body === undefined ? null : JSON.stringify(step.body);
        const reply = await scim.raw(step.method, step.path.replaceAll(" ", "%20"), body, headers);
        verifyReply(step, reply);
        for (const [name, path] of Object.entries(step.capture ?? {})) vars.set(name, String(at(reply.json, path)));
      }
    });
  }
});
