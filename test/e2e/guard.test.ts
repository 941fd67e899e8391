import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emails, makeStage, membersIn, type Serving, type Stage, statusOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

const people = emails(24);
const leavers = people.slice(0, 10);
const suspended = (stage: Stage): readonly string[] => stage.onePassword.state.emailsIn("SUSPENDED");

/** Every file of the stage with a hash of its bytes. */
const filesOf = ({ folder }: Stage): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path, createHash("sha256").update(readFileSync(path)).digest("hex")]),
  );

/** Requests that change something at a vendor; asking for a token does not. */
const writesAt = ({ bitwarden, onePassword }: Stage): number =>
  [...bitwarden.requests.entries, ...onePassword.requests.entries].filter(
    ({ method, path }) => method !== "GET" && !/token|oauth/.test(path),
  ).length;

describe("the guard", () => {
  let stage: Stage;
  let serve: Serving;
  let ids: readonly string[];
  beforeAll(async () => {
    stage = await makeStage();
    for (const email of people) stage.onePassword.state.addUser({ email });
    serve = await stage.serve();
    ids = await serve.idp.hireAll(people);
    await until(() => expect(membersIn(stage, "invited")).toHaveLength(people.length));
    await until(async () =>
      expect(await statusOf(serve)).toMatchObject({ bitwarden: { inSync: 24 }, onePassword: { inSync: 24 } }),
    );
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  it("lets as many lose access as the limit allows, and holds the rest, in each target", async () => {
    await serve.idp.setActive(false, ...ids.slice(0, leavers.length));
    await until(() => expect([membersIn(stage, "revoked").length, suspended(stage).length]).toEqual([3, 3]));
    await until(async () =>
      expect(await statusOf(serve)).toMatchObject({ bitwarden: { held: 7 }, onePassword: { held: 7 } }),
    );
  });

  it("shows in `status --json` all promised keys", async () => {
    const { code, json } = await stage.run("status", "--json");
    expect(code).toBe(0);
    expect(json.sources).toMatchObject([
      { name: "okta", type: "scim", lastSuccessAt: expect.stringMatching(/^20.*Z$/), users: 24, groups: 0 },
    ]);
    expect(json.targets).toMatchObject([
      {
        name: "acme-bitwarden",
        type: "bitwarden",
        inSync: 17,
        pending: 0,
        failed: 0,
        held: 7,
        oldestPendingSeconds: null,
      },
      {
        name: "acme-1password",
        type: "onepassword",
        inSync: 17,
        pending: 0,
        failed: 0,
        held: 7,
        oldestPendingSeconds: null,
      },
    ]);
  });

  it("shows in `plan --json` all promised keys", async () => {
    const { code, json } = await stage.run("plan", "--json");
    expect(code).toBe(0);
    expect(Object.keys(json)).toEqual(["targets"]);
    for (const [index, name] of ["acme-bitwarden", "acme-1password"].entries()) {
      const target = json.targets[index];
      expect(target).toEqual({
        name,
        changes: [],
        held: expect.any(Array),
        skipped: [],
        heldDigest: expect.stringMatching(/^[0-9a-f]{16}$/),
        undecidedDigest: target.heldDigest,
        dismissedDigest: null,
      });
      const gone = new Set(name === "acme-bitwarden" ? membersIn(stage, "revoked") : suspended(stage));
      expect(target.held.map((change: { op: string; email: string }) => `${change.op} ${change.email}`).sort()).toEqual(
        leavers.filter((email) => !gone.has(email)).map((email) => `suspend ${email}`),
      );
    }
    const one = await stage.run("plan", "--json", "--target", "acme-1password");
    expect(one.json.targets).toEqual([json.targets[1]]);
  });

  it("keeps the used part of its limit and the held changes across a restart", async () => {
    const before = (await stage.run("plan", "--json")).json;
    expect((await serve.stop()).code).toBe(0);
    expect((await stage.run("sync")).code).toBe(3);
    serve = await stage.serve();
    await until(async () => expect((await statusOf(serve)).bitwarden.lastSuccessAt).not.toBeNull());
    expect((await stage.run("plan", "--json")).json).toEqual(before);
    expect([membersIn(stage, "revoked").length, suspended(stage).length]).toEqual([3, 3]);
  });

  it("lets exactly the approved changes pass, once, in one target", async () => {
    const { heldDigest } = (await statusOf(serve)).bitwarden;
    for (const wrong of [
      "0123456789abcdef",
      heldDigest.slice(0, 15),
      (await statusOf(serve)).onePassword.heldDigest === heldDigest
        ? "x"
        : (await statusOf(serve)).onePassword.heldDigest,
    ]) {
      const refused = await stage.run("approve", "acme-bitwarden", wrong);
      expect([refused.code, refused.stdout]).toEqual([1, ""]);
      expect(refused.stderr).toContain(`holds no changes with digest ${wrong}`);
    }
    expect((await stage.run("approve", "acme-nothing", heldDigest)).code).toBe(1);
    expect(membersIn(stage, "revoked")).toHaveLength(3);

    const approved = await stage.run("approve", "acme-bitwarden", heldDigest, "--json");
    expect([approved.code, approved.json]).toEqual([0, { target: "acme-bitwarden", digest: heldDigest, approved: 7 }]);
    await until(() => expect(membersIn(stage, "revoked")).toEqual(leavers));
    await until(async () =>
      expect((await statusOf(serve)).bitwarden).toMatchObject({ inSync: 24, held: 0, heldDigest: null }),
    );
    expect(suspended(stage)).toHaveLength(3);
    expect((await stage.run("approve", "acme-bitwarden", heldDigest)).code).toBe(1);

    // The approval was for those seven: the eleventh waits, now by name and under another digest.
    await serve.idp.setActive(false, ids[10] ?? "");
    await until(async () =>
      expect((await statusOf(serve)).bitwarden).toMatchObject({
        held: 1,
        heldChanges: [{ op: "suspend", email: people[10] }],
      }),
    );
    expect((await statusOf(serve)).bitwarden.heldDigest).not.toBe(heldDigest);
    expect(membersIn(stage, "revoked")).toEqual(leavers);
    const { stdout } = await stage.run("user", people[10] ?? "");
    expect(stdout).toMatch(/acme-bitwarden {2}invited, not accepted yet; held {2}/);
    expect(stdout).not.toContain("pending");
  });

  it("shows held changes in exit codes, and `plan` writes nothing", async () => {
    expect((await serve.stop()).code).toBe(0);
    const files = filesOf(stage);
    const writes = writesAt(stage);
    const plan = await stage.run("plan", "--detailed-exitcode");
    expect(plan.code).toBe(2);
    expect(plan.stdout).toMatch(
      /^acme-bitwarden: nothing to do; HELD: 1 revoke\n {2}held {2}revoke {2}person-11@example\.com {2}over the removal limit\n/,
    );
    expect(plan.stdout).toContain("rollcall approve acme-1password ");
    expect((await stage.run("plan")).code).toBe(0);
    expect(filesOf(stage)).toEqual(files);
    expect(writesAt(stage)).toBe(writes);

    expect((await stage.run("sync", "--target", "acme-bitwarden")).code).toBe(3);
    // `approve` knows what `plan` shows, also where nothing serves; then `sync` does it.
    for (const name of ["acme-bitwarden", "acme-1password"]) {
      const [target] = (await stage.run("plan", name, "--json")).json.targets;
      expect((await stage.run("approve", name, target.heldDigest)).code).toBe(0);
    }
    const done = await stage.run("sync", "--json");
    expect(done.code).toBe(0);
    expect(done.json.targets).toMatchObject([
      { name: "acme-bitwarden", applied: 1, held: 0 },
      { name: "acme-1password", applied: 8, held: 0 },
    ]);
    expect([membersIn(stage, "revoked").length, suspended(stage).length]).toEqual([11, 11]);
    expect((await stage.run("plan", "--detailed-exitcode")).code).toBe(0);
  });
});

describe("exit codes", () => {
  it("of `sync`: 4 when the vendor refuses a change, 1 when a target cannot be reached, 0 once all is well", async () => {
    await using stage = await makeStage({
      sections: { sources: { okta: { type: "scim", token: "e2e-scim-token-0123456789" } } },
    });
    const serve = await stage.serve();
    const [one] = await serve.idp.hireAll(["one@example.com", "two@example.com"]);
    await until(() => expect(membersIn(stage, "invited")).toHaveLength(2));
    stage.bitwarden.state.accept("one@example.com");
    await serve.idp.setActive(false, one ?? "");
    await until(() => expect(membersIn(stage, "revoked")).toEqual(["one@example.com"]));
    const member = stage.bitwarden.state.memberByEmail("one@example.com");
    stage.bitwarden.state.updateMember(member?.id ?? "", {
      restoreRefusal: "one@example.com is not compliant with the two-step login policy.",
    });
    await serve.stop();

    const wanted = await stage.serve();
    await wanted.idp.setActive(true, one ?? "");
    await wanted.stop();
    const refused = await stage.run("sync");
    expect(refused.code).toBe(4);
    expect(refused.stdout).toMatch(/acme-bitwarden: .*1 failed/);
    expect((await stage.run("status")).stdout).toContain(
      "one@example.com is not compliant with the two-step login policy.",
    );

    stage.bitwarden.state.updateMember(member?.id ?? "", { restoreRefusal: null });
    stage.onePassword.tokens.revokeAll();
    const closed = stage.onePassword.faults.add({ kind: "status", status: 401, times: Number.POSITIVE_INFINITY });
    const unreachable = await stage.run("sync");
    expect(unreachable.code).toBe(1);
    expect(unreachable.stderr).toMatch(/^rollcall: acme-1password: /m);
    closed();
    expect((await stage.run("sync")).code).toBe(0);
  });

  it("of `plan` without a database are right, and no file is created", async () => {
    await using stage = await makeStage();
    stage.bitwarden.state.addMember({ email: "owner@example.com", type: 0 });
    const before = filesOf(stage);
    const plan = await stage.run("plan", "--json", "--detailed-exitcode");
    expect([plan.code, plan.json.targets.length]).toEqual([0, 2]);
    expect((await stage.run("status", "--json")).code).toBe(0);
    expect((await stage.run("user", "nobody@example.com")).code).toBe(1);
    expect(filesOf(stage)).toEqual(before);
    expect(existsSync(join(stage.folder, "data"))).toBe(false);
    expect(writesAt(stage)).toBe(0);
  });
});
