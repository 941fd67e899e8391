import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { targetsDocument } from "../../.ci/targets-document.ts";
import { targetDefinitions } from "../../src/targets/registry.ts";
import { parseConfig } from "../support/config.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const markdown = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
].sort();
const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** How GitHub makes an anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(/\s/g, "-");
const anchorsIn = (text: string): readonly string[] =>
  [...text.replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) =>
    anchorOf(heading ?? ""),
  );

describe("links in documentation", () => {
  it.each(markdown)("%s: files and headings are there", (path) => {
    const text = read(path).replaceAll(/^( *)```[\s\S]*?^\1```/gm, "");
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? "");
    for (const link of links.filter((target) => !/^(https?|mailto):/.test(target))) {
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : relative(root, resolve(root, dirname(path), file));
      expect({ link, isThere: existsSync(join(root, target)) }).toEqual({ link, isThere: true });
      if (anchor !== undefined) expect(anchorsIn(read(target))).toContain(anchor);
    }
  });
});

it("docs/targets.md is up to date (npm run schema)", () => {
  expect(read("docs/targets.md")).toBe(targetsDocument(targetDefinitions));
});

describe("configurations in documentation", () => {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-docs-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const secretFile = join(folder, "secret");
  writeFileSync(secretFile, "from-a-file-0123456789");

  /** Blocks that say that they are configurations, wherever they are indented to. */
  const blocks = markdown.flatMap((path) =>
    [...read(path).matchAll(/^( *)```yaml rollcall\n([\s\S]*?)^\1```/gm)].map(
      ([, indent = "", text = ""], index) =>
        [`${path} #${index + 1}`, text.replaceAll(new RegExp(`^${indent}`, "gm"), "")] as const,
    ),
  );
  const files = [
    "docs/deploy/rollcall.yaml",
    "docs/deploy/kubernetes/rollcall.yaml",
    "docs/deploy/kubernetes-cronjob/rollcall.yaml",
  ];
  const all = [...blocks, ...files.map((path) => [path, read(path)] as const)];

  it("are marked as such", () => {
    for (const path of ["README.md", "docs/guides/entra-id.md", "docs/guides/active-directory.md"])
      expect(blocks.map(([name]) => name)).toContainEqual(expect.stringContaining(path));
    // One that looks like a configuration and is not marked would not be read here.
    for (const path of markdown)
      for (const [, info, text] of read(path).matchAll(/^ *```yaml(.*)\n([\s\S]*?)^ *```/gm))
        if (/^ *(sources|targets):/m.test(text ?? "")) expect({ path, info }).toEqual({ path, info: " rollcall" });
  });

  it.each(all)("%s is read by the real schema", (name, text) => {
    const withSecrets = text.replaceAll(/\bfile:\/[\w./-]+/g, () => `file:${secretFile}`);
    const tree = parse(withSecrets) as Readonly<Record<string, unknown>>;
    const env = Object.fromEntries(
      [...text.matchAll(/\$\{(\w+)\}/g)].map(([, variable]) => [variable, `value-of-${variable}-0123456789`]),
    );
    // Targets alone are a part of a file.
    const whole = { sources: { stand: { type: "scim" } }, ...tree };
    const config = parseConfig(stringify(whole), { fileName: name, baseDir: folder, env });
    expect(config.sources.length).toBeGreaterThan(0);
  });
});
