import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const script = fileURLToPath(new URL("../install-servers.sh", import.meta.url));

/** Runs the script with stubs of the system's commands, so that it changes nothing here. */
describe("install-servers.sh", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "rollcall-install-"));
    stub("apt-get", 'echo "apt-get $*" >&2; exit 1');
    stub("id", "echo 1000");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function stub(name: string, body: string): void {
    const file = join(folder, name);
    writeFileSync(file, `#!/bin/sh\n${body}\n`);
    chmodSync(file, 0o755);
  }
  const run = (ci: string) =>
    spawnSync("/bin/bash", [script], { encoding: "utf8", env: { PATH: `${folder}:/usr/bin:/bin`, CI: ci } });

  it("installs nothing if every package is there", () => {
    stub("dpkg-query", "echo installed");
    for (const ci of ["", "true"]) expect(run(ci)).toMatchObject({ status: 0, stdout: "", stderr: "" });
  });

  it("names missing packages and how to install them, and fails with CI=true", () => {
    stub("dpkg-query", 'case "$*" in *slapd) exit 1;; *) echo installed;; esac');
    expect(run("")).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/not root; run 'sudo test\/install-servers.sh'; missing: slapd\. Tests .* skipped/),
    });
    expect(run("true")).toMatchObject({ status: 1, stderr: expect.stringContaining("missing: slapd.") });
  });
});
