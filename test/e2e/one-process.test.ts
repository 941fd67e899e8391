import { copyFile, readFile, stat } from "node:fs/promises";
import { expect, it } from "vitest";
import { rollcall, start } from "../support/rollcall-process.ts";
import { makeStage, stateOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

it("one process reconciles, others read and approve, and the next one takes over", async () => {
  await using stage = await makeStage();
  const serve = await stage.serve();
  const id = await serve.idp.hire("ada@example.com");
  await until(() => expect(stateOf(stage, "ada@example.com")).toBe("invited"));

  // Refused at once, in words, and without leaving anything behind that disturbs the first.
  const refused = await Promise.all([stage.run("serve"), stage.run("sync"), stage.run("sync", "--json")]);
  for (const { code, stderr } of refused) {
    expect(code).toBe(1);
    expect(stderr).toContain(
      `rollcall: another "rollcall serve" or "rollcall sync" already works on ${stage.database}; only one may run.`,
    );
    expect(stderr).not.toContain("    at ");
  }
  expect(refused.map(({ stdout }) => stdout).slice(0, 2)).toEqual(["", ""]);
  expect(refused[2]?.json.error.code).toBe("STORE_LOCKED");

  const beside = await Promise.all([
    stage.run("status"),
    stage.run("plan"),
    stage.run("user", id),
    stage.run("token", "list"),
    stage.run("check"),
    stage.run("approve", "acme-bitwarden", "0123456789abcdef"),
  ]);
  expect(beside.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 1]);
  await serve.idp.hire("alan@example.com");
  await until(() => expect(stateOf(stage, "alan@example.com")).toBe("invited"));

  // A kill leaves the lock file; it is the lock on it that counts.
  await serve.stop("SIGKILL");
  expect((await stage.run("sync")).code).toBe(0);
  const next = await stage.serve();
  expect((await next.idp.call("GET", `/Users/${id}`)).status).toBe(200);
  expect((await next.stop()).code).toBe(0);
});

it("a second sandbox does not disturb the one that runs", async () => {
  await using stage = await makeStage();
  // In the folder of a configuration that nobody gave: it is not used, and that is said.
  const options = { cwd: stage.folder };
  const first = start(["serve"], options);
  await until(() => expect(first.stdout()).toContain("Admin token"));
  const written = `${stage.folder}/data/sandbox/rollcall.yaml`;
  await copyFile(written, `${written}.before`);
  const second = await rollcall(["serve"], options);
  expect([second.code, second.stdout]).toEqual([1, ""]);
  expect(second.stderr).toContain("only one may");
  expect(await readFile(written, "utf8")).toBe(await readFile(`${written}.before`, "utf8"));
  expect((await stat(written)).mode & 0o077).toBe(0);
  expect((await rollcall(["plan"], options)).code).toBe(0);
  expect((await first.stop()).stderr).toContain(
    './rollcall.yaml is not used; for that, run "rollcall serve -c rollcall.yaml"',
  );
});
