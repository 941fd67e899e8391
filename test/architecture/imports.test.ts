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

/** A folder imports only from folders of later rows (docs/architecture.md, "Folders"). Folders of one row never import each other. */
const LAYERS: readonly (readonly string[])[] = [
  ["main"],
  ["cli"],
  ["server"],
  ["web"],
  ["app"],
  ["reconcile", "alerts", "sources/scim", "sources/ldap", "targets", "store"],
  ["text", "config", "net", "crypto", "telemetry"],
  ["domain"],
];

/** Folders inside of a folder, with the folders beside them that they may import. What is not in a list may import all beside it. */
const INSIDE: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  domain: { model: [], decide: ["model"], ports: ["model"] },
  store: {
    database: [],
    audit: ["database"],
    directory: ["database", "audit"],
    import: ["database", "audit", "directory"],
    sync: ["database", "audit", "directory"],
    views: ["database", "audit", "directory", "import", "sync"],
    settings: ["database", "audit", "directory", "import", "sync"],
  },
  "sources/ldap": { protocol: [], servers: ["protocol"], read: ["protocol", "servers"] },
};

/** Folders with a part that all others share, `kit`; the others never import each other. */
const WITH_KIT = ["targets", "sandbox"];

/** The folder of a file as `LAYERS` names it: two steps below `sources`, else one. */
function folderOf(file: string): string {
  const [first = "", second = ""] = file.replace(/\.ts$/, "").split("/");
  return first === "sources" ? `${first}/${second}` : first;
}

/** The next step of the path below the folder; null for a file that lies in the folder itself. */
function insideOf(file: string): string | null {
  const rest = file.slice(folderOf(file).length + 1).split("/");
  return rest.length > 1 ? (rest[0] ?? null) : null;
}

const layerOf = (folder: string): number => LAYERS.findIndex((layer) => layer.includes(folder));

function isAllowedInside(folder: string, { from, to }: Import): boolean {
  const [inside, other] = [insideOf(from), insideOf(to)];
  if (inside === other || inside === null) return true;
  const allowed = WITH_KIT.includes(folder) ? ["kit"].filter((each) => each !== inside) : INSIDE[folder]?.[inside];
  // A file of the folder itself puts the parts together. In `targets`, the parts import the definition from there.
  if (allowed === undefined) return true;
  return other === null ? to === "targets/definition.ts" : allowed.includes(other);
}

function isAllowed({ from, to }: Import): boolean {
  const [folder, other] = [folderOf(from), folderOf(to)];
  if (folder === other) return isAllowedInside(folder, { from, to });
  if (folder === "sandbox") return false;
  if (other === "sandbox") return from === "app/sandbox.ts";
  return layerOf(folder) >= 0 && layerOf(other) > layerOf(folder);
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
    { from: "domain/model/x.ts", to: "domain/decide/x.ts", expected: false },
    { from: "domain/decide/x.ts", to: "domain/model/x.ts", expected: true },
    { from: "domain/decide/x.ts", to: "domain/ports/x.ts", expected: false },
    { from: "domain/decide/x.ts", to: "domain/decide/guards/x.ts", expected: true },
    { from: "domain/model/x.ts", to: "store/index.ts", expected: false },
    { from: "store/sync/x.ts", to: "domain/ports/x.ts", expected: true },
    { from: "store/sync/x.ts", to: "store/directory/x.ts", expected: true },
    { from: "store/directory/x.ts", to: "store/sync/x.ts", expected: false },
    { from: "store/database/x.ts", to: "store/index.ts", expected: false },
    { from: "store/schema/x.ts", to: "store/settings/x.ts", expected: true },
    { from: "sources/scim/x.ts", to: "sources/ldap/x.ts", expected: false },
    { from: "sources/ldap/protocol/x.ts", to: "sources/ldap/servers/x.ts", expected: false },
    { from: "sources/ldap/poller.ts", to: "sources/ldap/read/x.ts", expected: true },
    { from: "targets/bitwarden/x.ts", to: "targets/kit/x.ts", expected: true },
    { from: "targets/bitwarden/x.ts", to: "targets/onepassword/x.ts", expected: false },
    { from: "targets/bitwarden/x.ts", to: "targets/definition.ts", expected: true },
    { from: "targets/bitwarden/x.ts", to: "targets/registry.ts", expected: false },
    { from: "targets/kit/x.ts", to: "store/index.ts", expected: false },
    { from: "config/x.ts", to: "domain/model/x.ts", expected: true },
    { from: "config/x.ts", to: "targets/registry.ts", expected: false },
    { from: "web/x.ts", to: "app/x.ts", expected: true },
    { from: "web/x.ts", to: "server/x.ts", expected: false },
    { from: "app/x.ts", to: "cli/x.ts", expected: false },
    { from: "app/sandbox.ts", to: "sandbox/index.ts", expected: true },
    { from: "cli/x.ts", to: "sandbox/index.ts", expected: false },
    { from: "sandbox/x.ts", to: "domain/model/errors.ts", expected: false },
    { from: "cli/program.ts", to: "main.ts", expected: false },
    { from: "main.ts", to: "cli/program.ts", expected: true },
    { from: "newfolder/x.ts", to: "domain/model/x.ts", expected: false },
  ])("the rule for $from -> $to is $expected", ({ from, to, expected }) => {
    expect(isAllowed({ from, to })).toBe(expected);
  });

  it("keeps to the dependency rule", () => {
    expect(imports.filter((one) => isOurs(one) && !isAllowed(one)).map(print)).toEqual([]);
  });

  it("names an implementation only in app/adapters.ts, and a target only in the registry", () => {
    const isImplementation = ({ to }: Import): boolean =>
      /^(alerts\/(email|slack|webhook)|targets\/(?!definition|registry).*)\.ts$/.test(to);
    const outside = imports.filter((one) => isImplementation(one) && folderOf(one.from) !== folderOf(one.to));
    expect([...new Set(outside.map(({ from }) => from))]).toEqual(["app/adapters.ts"]);
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

/** Files that may name a vendor: its own folders, the registry, the emulators, and what converts one vendor's own file. */
const MAY_NAME_VENDORS =
  /^(targets\/(bitwarden|onepassword)\/|targets\/registry\.ts$|sandbox\/|app\/sandbox\.ts$|cli\/import-dc\/|cli\/commands\/import-dc\.ts$)/;
const VENDOR = /bitwarden|onepassword|1password/i;

/** Every name, text and pattern in the code of a file. Comments are not code. */
function textsIn(file: string, text: string): readonly string[] {
  const found: string[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if ("type" in node && node.type === "Identifier" && "name" in node) found.push(String(node.name));
    if ("type" in node && node.type === "Literal" && "raw" in node) found.push(String(node.raw));
    if ("type" in node && node.type === "TemplateElement" && "value" in node) found.push(JSON.stringify(node.value));
    for (const child of Object.values(node)) visit(child);
  };
  visit(parseSync(file, text).program);
  return found;
}

describe("vendors", () => {
  it("are found in names, texts, templates and patterns, and not in comments", () => {
    const text =
      'const bitwardenUrl = "a 1Password"; const b = `${c} Bitwarden`; const d = /onepassword/; // Bitwarden';
    expect(textsIn("x.ts", text).filter((each) => VENDOR.test(each))).toHaveLength(4);
  });

  it("are named only in their own folders, the registry, the emulators and the import of one vendor's file", () => {
    const naming = [...SOURCES]
      .filter(([file]) => !MAY_NAME_VENDORS.test(file))
      .flatMap(([file, text]) =>
        textsIn(file, text).flatMap((each) => (VENDOR.test(each) ? [`${file}: ${each}`] : [])),
      );
    expect(naming).toEqual([]);
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
