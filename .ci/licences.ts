// Fails when a package that Rollcall needs at run time has another licence than these, or a script that runs on installation.
import { existsSync, readFileSync } from "node:fs";

const ALLOWED = new Set([
  "MIT",
  "MIT-0",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "0BSD",
  // The same, as htmx.org spells it.
  "BSD-0-Clause",
  "BlueOak-1.0.0",
  "CC0-1.0",
]);
const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall"];

interface LockedPackage {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
}
interface Manifest {
  readonly license?: string | { readonly type?: string };
  readonly scripts?: Readonly<Record<string, string>>;
}

const readJson = <T>(path: string): T => JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), "utf8")) as T;

/** `(MIT OR Apache-2.0)`: one is enough; `MIT AND ISC`: every one is needed. */
const isAllowed = (licence: string): boolean =>
  licence
    .replace(/[()]/g, "")
    .split(" OR ")
    .some((option) => option.split(" AND ").every((name) => ALLOWED.has(name.trim())));

function problemsOf(path: string, locked: LockedPackage): readonly string[] {
  const { license, scripts = {} } = readJson<Manifest>(`${path}/package.json`);
  const licence = typeof license === "string" ? license : (license?.type ?? "none");
  const script =
    INSTALL_SCRIPTS.find((name) => name in scripts) ?? (locked.hasInstallScript === true ? "install" : undefined);
  return [
    ...(isAllowed(licence) ? [] : [`${path}: licence ${licence}`]),
    ...(script === undefined ? [] : [`${path}: runs a script on ${script}`]),
  ];
}

const { packages } = readJson<{ packages: Record<string, LockedPackage> }>("package-lock.json");
const runtime = Object.entries(packages).filter(
  ([path, { dev, devOptional }]) =>
    path !== "" && dev !== true && devOptional !== true && existsSync(new URL(`../${path}`, import.meta.url)),
);
const problems = runtime.flatMap(([path, locked]) => problemsOf(path, locked));
for (const problem of problems) console.error(problem);
console.log(`${runtime.length} packages at run time, ${problems.length} problems`);
process.exitCode = problems.length === 0 && runtime.length > 0 ? 0 : 1;
