import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
interface Bom {
  readonly specVersion: string;
  readonly serialNumber?: string;
  readonly metadata: {
    readonly component: { readonly name: string; readonly type: string };
    readonly timestamp?: string;
  };
  readonly components: readonly { readonly "bom-ref": string; readonly name: string; readonly version: string }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

it("the bill of materials lists each package that runs, and none that is only for development", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rollcall-sbom-"));
  try {
    const write = async (name: string): Promise<string> => {
      await promisify(execFile)(process.execPath, [join(root, ".ci/write-sbom.ts"), join(folder, name)]);
      return readFile(join(folder, name), "utf8");
    };
    const text = await write("a.json");
    const bom = JSON.parse(text) as Bom;
    const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
      readonly dependencies: Readonly<Record<string, string>>;
      readonly devDependencies: Readonly<Record<string, string>>;
    };
    const names = new Set(bom.components.map(({ name }) => name));
    for (const name of Object.keys(manifest.dependencies)) expect(names).toContain(name);
    for (const name of ["vitest", "typescript", "playwright-core"]) {
      expect(manifest.devDependencies).toHaveProperty([name]);
      expect(names).not.toContain(name);
    }
    expect(bom.specVersion).toBe("1.5");
    expect(bom.metadata.component).toMatchObject({ name: "rollcall", type: "application" });
    const refs = new Set(bom.components.map((component) => component["bom-ref"]));
    for (const { dependsOn } of bom.dependencies) for (const ref of dependsOn) expect(refs).toContain(ref);
    // The same again, and nothing of the machine that built it.
    expect(await write("b.json")).toBe(text);
    expect(bom.serialNumber ?? bom.metadata.timestamp).toBeUndefined();
    expect(text.match(/https?:\/\/[^"/]+/g)).toEqual(["http://cyclonedx.org"]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
