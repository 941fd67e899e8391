// Writes dist/sbom.cdx.json: what is in the package, as CycloneDX 1.5, by `npm sbom` from the lock file. The same sources give
// the same file: no time, no random number, no name of the folder that it was built in, no registry's host.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

interface Component {
  readonly "bom-ref": string;
  name: string;
  type: string;
  readonly version: string;
  readonly purl: string;
  externalReferences?: readonly { readonly type: string }[];
  licenses?: readonly unknown[];
}
interface Bom {
  readonly bomFormat: string;
  readonly specVersion: string;
  serialNumber?: string;
  metadata: { timestamp?: string; lifecycles?: unknown; component: Component };
  components: readonly Component[];
}
interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
}

const at = (path: string): URL => new URL(`../${path}`, import.meta.url);
const readJson = <T>(path: string): T => JSON.parse(readFileSync(at(path), "utf8")) as T;

/** The npm that runs this script, or the one in PATH. */
function npm(...args: readonly string[]): string {
  const path = process.env["npm_execpath"] ?? "";
  const [command, ...first] = path.endsWith("npm-cli.js") ? [process.execPath, path] : ["npm"];
  return execFileSync(command, [...first, ...args], {
    cwd: at(""),
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

const { name } = readJson<{ readonly name: string }>("package.json");
const { packages } = readJson<{ readonly packages: Readonly<Record<string, LockedPackage>> }>("package-lock.json");
// From the lock alone: it needs no network, and no folder of modules that is whole. Not with --omit dev: that leaves out
// what a tool needs as well, `yaml` for one (npm 10.8.2 and 11.19.1).
const bom = JSON.parse(npm("sbom", "--sbom-format", "cyclonedx", "--package-lock-only")) as Bom;

const nameOf = (path: string): string => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
const runtime = new Set(
  Object.entries(packages)
    .filter(([path, { dev, devOptional }]) => path !== "" && dev !== true && devOptional !== true)
    .map(([path, { version }]) => `${nameOf(path)}@${version ?? ""}`),
);
const idOf = (component: Component): string => `${component.name}@${component.version}`;
const components = bom.components.filter((component) => runtime.has(idOf(component)));
const missing = [...runtime].filter((id) => !components.some((component) => idOf(component) === id));
if (bom.bomFormat !== "CycloneDX" || missing.length > 0) {
  console.error(`sbom: ${missing.length === 0 ? "npm wrote no CycloneDX" : `not listed: ${missing.join(", ")}`}`);
  process.exit(1);
}
const refs = new Set([bom.metadata.component["bom-ref"], ...components.map((component) => component["bom-ref"])]);
const dependencies = bom.dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => refs.has(each)) }));

const tidy = ({ externalReferences = [], ...component }: Component): Component => ({
  ...component,
  externalReferences: externalReferences.filter(({ type }) => type !== "distribution"),
});
const { timestamp: _, ...metadata } = bom.metadata;
const { serialNumber: __, ...rest } = bom;
const target = process.argv[2] ?? fileURLToPath(at("dist/sbom.cdx.json"));
mkdirSync(dirname(target), { recursive: true });
writeFileSync(
  target,
  `${JSON.stringify(
    {
      ...rest,
      metadata: {
        ...metadata,
        lifecycles: [{ phase: "build" }],
        component: { ...tidy(metadata.component), name, type: "application" },
      },
      components: components.map(tidy),
      dependencies,
    },
    null,
    2,
  )}\n`,
);
console.log(`sbom: ${components.length} components`);
