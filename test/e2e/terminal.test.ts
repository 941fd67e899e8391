import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rollcall } from "../support/rollcall-process.ts";
import { makeFolder, makeStage, removeFolder, type Stage } from "../support/stage.ts";

const run = promisify(execFile);
const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const found = (name: string): string | undefined =>
  (process.env["PATH"] ?? "")
    .split(":")
    .map((path) => join(path, name))
    .find(existsSync);
const esc = "\u001b";

let folder: string;
beforeAll(async () => {
  folder = await makeFolder();
});
afterAll(() => removeFolder(folder));

/** Names of the commands, as the help lists them. */
async function commandsIn(...path: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await rollcall([...path, "--help"], { cwd: folder });
  const [, list = ""] = stdout.split("Commands:\n");
  return [...(list.split("\n\n")[0] ?? "").matchAll(/^ {2}([a-z-]+)\b/gm)]
    .map(([, name]) => name ?? "")
    .filter((name) => name !== "help");
}

describe("completion", () => {
  /** What bash offers at the end of these words; the last one is being typed. */
  async function offered(...words: readonly string[]): Promise<readonly string[]> {
    const script = `source ${join(folder, "completion.bash")}
      COMP_WORDS=("${join(folder, "rollcall")}" "\${@:2}"); COMP_CWORD=$(($# - 1)); $(complete -p rollcall | sed 's/.*-F \\([^ ]*\\).*/\\1/')
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = await run("bash", ["--norc", "-uc", script, "bash", "rollcall", ...words], {
      cwd: folder,
    });
    expect(stderr).toBe("");
    return stdout.split("\n").filter(Boolean).sort();
  }
  beforeAll(async () => {
    const { stdout, code } = await rollcall(["completion", "bash"], { cwd: folder });
    expect(code).toBe(0);
    await writeFile(join(folder, "completion.bash"), stdout);
    await writeFile(join(folder, "rollcall"), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, {
      mode: 0o755,
    });
    await writeFile(join(folder, "a configuration.yaml"), "");
  });

  it("offers every command", async () => {
    const commands = await commandsIn();
    expect(commands.length).toBeGreaterThan(10);
    expect(await offered("")).toEqual([...commands].sort());
    expect(await offered("token", "")).toEqual([...(await commandsIn("token"))].sort());
    expect(await offered("pl")).toEqual(["plan"]);
    expect(await offered("nothing")).toEqual([]);
  });

  it("offers options, their choices, and files", async () => {
    expect(await offered("plan", "--d")).toEqual(["--detailed-exitcode"]);
    expect(await offered("token", "create", "--so")).toEqual(["--source"]);
    expect(await offered("sync", "--detailed")).toEqual([]);
    expect(await offered("plan", "--json", "--log-level", "")).toContain("debug");
    expect(await offered("import-dc", "--preset", "")).toEqual(["389ds", "freeipa", "openldap"]);
    expect(await offered("completion", "")).toEqual(["bash", "fish", "zsh"]);
    expect(await offered("plan", "-c", "a")).toEqual(["a configuration.yaml"]);
    expect(await offered("import-dc", "a")).toEqual(["a configuration.yaml"]);
    expect(await offered("plan", "--target", "")).toEqual([]);
  });

  it("describes each suggestion, and offers no hidden command", async () => {
    const lines = (await rollcall(["complete", "--", "token", ""], { cwd: folder })).stdout.trim().split("\n");
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines) expect(line).toMatch(/^[a-z]+\t\S/);
    expect(await offered("com")).toEqual(["completion"]);
  });

  it.each(["bash", "zsh", "fish"])("the script for %s asks the program, and the shell can read it", async (shell) => {
    const { stdout } = await rollcall(["completion", shell], { cwd: folder });
    expect(stdout).toContain("complete --");
    const path = found(shell);
    await writeFile(join(folder, `completion.${shell}`), stdout);
    if (path !== undefined) await run(path, ["-n", join(folder, `completion.${shell}`)]);
  });

  it("refuses other shells", async () => {
    const { code, stderr } = await rollcall(["completion", "tcsh"], { cwd: folder });
    expect(code).toBe(1);
    expect(stderr).toMatch(/bash, zsh, fish/);
  });
});

it("each command's help has examples", async () => {
  const commands = [
    ...(await commandsIn()).map((name) => [name]),
    ...(await commandsIn("token")).map((name) => ["token", name]),
    ...(await commandsIn("audit")).map((name) => ["audit", name]),
  ];
  const without = await Promise.all(
    commands.map(async (command) => {
      const { stdout, code } = await rollcall([...command, "--help"], { cwd: folder });
      return code === 0 && /^Examples:\n {2}\S/m.test(stdout) ? [] : command;
    }),
  );
  expect(commands.length).toBeGreaterThan(20);
  expect(without.flat()).toEqual([]);
});

describe("colours", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await makeStage();
    const serving = await stage.serve();
    await serving.idp.hire("ada@example.com", {
      displayName: `Ada${esc}[2J${esc}]0;owned\u0007\u009b31m\nfake line`,
    });
    await serving.idp.hire("bob@example.com", { displayName: `Bob${esc}[8m${esc}[30;40m${esc}[38;5;0m` });
    await serving.idp.group(`eng${esc}[8m${esc}]0;owned\u0007`, []);
    await serving.stop();
  });
  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
  });
  const run1 = (args: readonly string[], env: Readonly<Record<string, string>>) =>
    rollcall([...args, "-c", join(stage.folder, "rollcall.yaml")], {
      cwd: stage.folder,
      env: { BW_SECRET: stage.bitwarden.clientSecret, ...env },
    });

  it.each([["status"], ["plan"], ["user", "ada@example.com"]])(
    "of %s: none in a pipe, some when forced, never in JSON",
    async (...args) => {
      expect((await run1(args, {})).stdout).not.toContain(esc);
      expect((await run1(args, { FORCE_COLOR: "1" })).stdout).toContain(`${esc}[`);
      const json = await run1([...args, "--json"], { FORCE_COLOR: "1" });
      expect(json.stdout).not.toContain(esc);
      expect(json.json).toBeTypeOf("object");
    },
  );

  it("are used on a terminal, but not with NO_COLOR", async () => {
    const command = `${process.execPath} ${main} status -c ${join(stage.folder, "rollcall.yaml")}`;
    const onTerminal = async (more: Readonly<Record<string, string>>): Promise<string> => {
      const env = { PATH: process.env["PATH"], TERM: "xterm-256color", BW_SECRET: "secret", ...more };
      return (await run("script", ["-qec", command, "/dev/null"], { cwd: stage.folder, env })).stdout;
    };
    const coloured = await onTerminal({});
    expect(coloured).toContain(`${esc}[1msources${esc}[22m`);
    const plain = await onTerminal({ NO_COLOR: "1" });
    expect(plain).not.toContain(esc);
    // The same words at the same places.
    const words = (text: string): string => stripVTControlCharacters(text).replaceAll(/\d+ s\b/g, "");
    expect(words(coloured)).toBe(words(plain));
  });

  it("can't be used by a name to hide the text after it", async () => {
    const { stdout } = await run1(["user", "bob@example.com"], {});
    expect(stdout).not.toContain(esc);
    expect(stdout).toContain("Bob\\u001b[8m\\u001b[30;40m\\u001b[38;5;0m");
  });

  it("and control characters of a name never reach the terminal in a CSV, but stay unchanged in a file", async () => {
    const args = ["audit", "export", "--format", "csv", "-c", join(stage.folder, "rollcall.yaml")];
    const env = { PATH: process.env["PATH"], TERM: "xterm-256color", BW_SECRET: "secret" };
    const command = [process.execPath, main, ...args].join(" ");
    const { stdout } = await run("script", ["-qec", command, "/dev/null"], { cwd: stage.folder, env });
    expect(stdout).toContain("eng\\u001b[8m\\u001b]0;owned\\u0007");
    expect(stdout).not.toContain(esc);
    expect(stdout).not.toContain("u000d");
    expect((await run1(args.slice(0, -2), {})).stdout).toContain(`eng${esc}[8m${esc}]0;owned\u0007`);
  });

  it("and control characters of a name never reach the terminal", async () => {
    const { stdout } = await run1(["user", "ada@example.com"], {});
    expect(stdout).toContain("Ada\\u001b[2J\\u001b]0;owned\\u0007\\u009b31m");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
    expect(stdout).not.toMatch(/[\0-\x08\x0b-\x1f\x7f-\x9f]/);
    expect(stdout).not.toMatch(/^fake line/m);
    const json = await run1(["user", "ada@example.com", "--json"], {});
    expect(json.json.users[0].displayName).toContain(`${esc}[2J`);
  });
});
