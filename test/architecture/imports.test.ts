import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { parseSync } from "rolldown/utils";
import { describe, expect, it } from "vitest";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), "utf8");

const FILES: readonly string[] = readdirSync(new URL("src/", ROOT), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => path.replaceAll("\\", "/"))
  .sort();
const SOURCES = new Map(FILES.map((file) => [file, read(`src/${file}`)]));

/** Every module that a text names: imports of values and types, re-exports, `import()` as a call and as a type. */
function modulesIn(file: string, text: string): readonly string[] {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file} can't be parsed`, { cause: errors });
  const found: string[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if ("source" in node && typeof node.source === "object" && node.source !== null) {
      found.push("value" in node.source ? String(node.source.value) : `not a literal, in ${file}`);
    }
    if ("type" in node && node.type === "TSExternalModuleReference")
      found.push("require(), which this project has not");
    for (const child of Object.values(node)) visit(child);
  };
  visit(program);
  return found;
}

interface Import {
  readonly from: string;
  /** A file below src, or the name of a package. */
  readonly to: string;
}

const imports: readonly Import[] = [...SOURCES].flatMap(([from, text]) =>
  modulesIn(from, text).map((module) => ({
    from,
    to: module.startsWith(".") ? posix.join(posix.dirname(from), module) : module,
  })),
);
const isOurs = ({ to }: Import): boolean => to.endsWith(".ts");
const print = ({ from, to }: Import): string => `${from} -> ${to}`;

/** The room of a file: `targets/bitwarden` for what is in that folder, `targets` for what is beside it, `cli` for cli.ts. */
function roomOf(file: string): string {
  const [first = "", second = "", third] = file.replace(/\.ts$/, "").split("/");
  return third !== undefined && (first === "targets" || first === "sources") ? `${first}/${second}` : first;
}

/** What a room may import besides itself (architecture, "Rooms"): rooms, or single files. */
const MAY_IMPORT: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^domain$/, []],
  [/^(store|reconcile|sources\/.+)$/, ["domain", "telemetry"]],
  [/^(web|targets|alerts)$/, ["domain", "telemetry", "outward"]],
  [/^targets\/.+$/, ["domain", "telemetry", "targets"]],
  [/^outward$/, ["domain/errors.ts"]],
  [/^sandbox$/, []],
  [/^vault$/, ["domain/errors.ts"]],
  [/^telemetry$/, ["domain"]],
  [/^config$/, ["domain/errors.ts"]],
];

function isAllowed({ from, to }: Import): boolean {
  const [room, other] = [roomOf(from), roomOf(to)];
  if (other === "main") return false;
  if (room === other || room === "main" || room === "cli") return true;
  const allowed = MAY_IMPORT.find(([pattern]) => pattern.test(room))?.[1] ?? [];
  return allowed.includes(other) || allowed.includes(to);
}

/** The first way from a file back to itself, or null. */
function findCycle(): readonly string[] | null {
  const next = Map.groupBy(imports.filter(isOurs), ({ from }) => from);
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): readonly string[] | null => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const { to } of next.get(file) ?? []) {
      const cycle = walk(to, [...path, file]);
      if (cycle !== null) return cycle;
    }
    done.add(file);
    return null;
  };
  for (const file of FILES) {
    const cycle = walk(file, []);
    if (cycle !== null) return cycle;
  }
  return null;
}

describe("what src imports", () => {
  it("is read from every form of import", () => {
    const text = `import a from "a"; import type { B } from "b"; import { type C } from "c"; import "d"; export * from "e";
      export type { F } from "f"; type G = import("g").G; const h = () => import("h"); // import "no"
      const text = 'import "no"';`;
    expect([...modulesIn("x.ts", text)].sort()).toEqual(["a", "b", "c", "d", "e", "f", "g", "h"]);
  });

  it("is there", () => {
    expect(imports.filter((one) => isOurs(one) && !SOURCES.has(one.to)).map(print)).toEqual([]);
    expect(imports.filter(isOurs).length).toBeGreaterThan(20);
  });

  it.each([
    ["domain/x.ts", "store/x.ts", false],
    ["store/x.ts", "domain/x.ts", true],
    ["sources/scim/x.ts", "sources/scim/y.ts", true],
    ["sources/scim/x.ts", "sources/ldap/y.ts", false],
    ["sources/scim/x.ts", "targets/http.ts", false],
    ["targets/bitwarden/x.ts", "targets/http.ts", true],
    ["targets/bitwarden/x.ts", "targets/onepassword/x.ts", false],
    ["targets/http.ts", "targets/bitwarden/x.ts", false],
    ["targets/bitwarden/x.ts", "store/x.ts", false],
    ["sandbox/x.ts", "domain/errors.ts", false],
    ["config/x.ts", "domain/errors.ts", true],
    ["config/x.ts", "domain/plan.ts", false],
    ["web/x.ts", "config/index.ts", false],
    ["vault/x.ts", "store/x.ts", false],
    ["cli.ts", "main.ts", false],
    ["main.ts", "sandbox/x.ts", true],
  ])("the rule for %s -> %s is %s", (from, to, expected) => {
    expect(isAllowed({ from, to })).toBe(expected);
  });

  it("keeps to the rooms of the architecture", () => {
    expect(imports.filter((one) => isOurs(one) && !isAllowed(one)).map(print)).toEqual([]);
  });

  it("makes no cycle", () => {
    expect(findCycle()).toBeNull();
  });

  it("is Node.js or a package under dependencies", () => {
    const { dependencies } = JSON.parse(read("package.json"));
    const packageOf = (module: string): string =>
      module
        .split("/")
        .slice(0, module.startsWith("@") ? 2 : 1)
        .join("/");
    const isKnown = ({ to }: Import): boolean =>
      isBuiltin(to) ? to.startsWith("node:") && to !== "node:test" : packageOf(to) in dependencies;
    expect(imports.filter((one) => !isOurs(one) && !isKnown(one)).map(print)).toEqual([]);
  });
});

describe("files of src", () => {
  it("have at most 450 lines", () => {
    const long = [...SOURCES].map(([file, text]) => `${file}: ${text.split("\n").length - 1}`);
    expect(long.filter((line) => Number(line.split(": ")[1]) > 450)).toEqual([]);
  });

  it("are called after what they hold", () => {
    expect(FILES.filter((file) => /(^|[/-])(utils?|helpers?|managers?|common|misc)([./-]|$)/.test(file))).toEqual([]);
  });
});
