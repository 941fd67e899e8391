import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminToken, scimToken } from "../support/rollcall-process.ts";
import { emails, makeStage, membersIn, type Serving, type Stage, statusOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

const people = emails(24);
const leavers = people.slice(0, 10);
const budgetOf3 = { percent: 5, atLeast: 3, atMost: 3 };
/** Nothing passes by itself while it is held and dismissed; afterwards windows go by. */
const [long, short] = ["24h", "1500ms"];

describe("a dismissed change", () => {
  let stage: Stage;
  let serve: Serving;
  let ids: readonly string[];
  let digest: string;
  const suspended = (): readonly string[] => stage.onePassword.state.emailsIn("SUSPENDED");
  const held = async () => (await statusOf(serve)).bitwarden;
  const api = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${serve.adminUrl}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: tests look into it freely
    return { status: response.status, json: (await response.json()) as any };
  };
  /** Has the whole target looked at, and waits until it was. */
  const look = async (): Promise<void> => {
    const reads = () => stage.bitwarden.requests.entries.filter(({ path }) => path.endsWith("/public/members")).length;
    const before = reads();
    await api("POST", "/targets/acme-bitwarden/sync", {});
    await until(() => expect(reads()).toBeGreaterThan(before));
  };

  beforeAll(async () => {
    stage = await makeStage({
      sections: { guard: { ...budgetOf3, window: long } },
    });
    for (const email of people) stage.onePassword.state.addUser({ email });
    serve = await stage.serve();
    ids = await serve.idp.hireAll(people);
    await until(async () =>
      expect(await statusOf(serve)).toMatchObject({ bitwarden: { inSync: 24 }, onePassword: { inSync: 24 } }),
    );
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  it("stays held in later windows while the other target carries it out, and no alert asks about it", async () => {
    await serve.idp.setActive(false, ...ids.slice(0, leavers.length));
    await until(() => expect([membersIn(stage, "revoked").length, suspended().length]).toEqual([3, 3]));
    const left = leavers.length - 3;
    await until(async () =>
      expect(await statusOf(serve)).toMatchObject({ bitwarden: { held: left }, onePassword: { held: left } }),
    );
    digest = (await held()).heldDigest;
    expect((await stage.run("dismiss", "acme-bitwarden", digest)).code).toBe(0);
    const lost = membersIn(stage, "revoked");
    await serve.stop();
    await stage.configure({ guard: { ...budgetOf3, window: short } });
    serve = await stage.serve();

    // In 1Password nobody decides: all ten go, three in a window, so four windows pass at least.
    await until(async () => {
      for (const name of ["acme-1password", "acme-bitwarden"]) await api("POST", `/targets/${name}/sync`, {});
      expect(suspended()).toEqual(leavers);
    });
    for (let index = 0; index < 3; index += 1) await look();
    expect(membersIn(stage, "revoked")).toEqual(lost);

    expect(await held()).toMatchObject({
      // Its runs decide so by themselves: that the store refuses to record anything else would show as a failure.
      error: null,
      held: left,
      dismissed: left,
      heldDigest: digest,
      undecidedDigest: null,
      dismissedDigest: digest,
    });
    const { json: overview } = await api("GET", "/overview");
    expect(overview.attention).toEqual([]);
    const { stdout } = await stage.run("status");
    expect(stdout).toContain(`${left} held (dismissed)`);
    const one = leavers.find((email) => !lost.includes(email));
    expect(stdout).toMatch(new RegExp(`held \\(dismissed\\): revoke ${one}, 20\\S+Z by cli:dismiss `));
    const metrics = await fetch(`${serve.adminUrl}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } });
    expect(await metrics.text()).toContain(`rollcall_removals_dismissed{target="acme-bitwarden"} ${left}\n`);
  });

  it("stays dismissed across a restart and a full sync, which exits 0", async () => {
    const lost = membersIn(stage, "revoked");
    const before = await held();
    await serve.stop();
    const plan = await stage.run("plan", "acme-bitwarden");
    expect(plan.stdout).toMatch(/HELD: \d+ revoke\n {2}held {2}revoke {2}\S+ {2}dismissed\n/);
    expect(plan.stdout).not.toContain("to let what is held pass once");
    expect(plan.stdout).toContain(`after all: rollcall approve acme-bitwarden ${digest}`);
    expect((await stage.run("sync")).code).toBe(0);
    expect(membersIn(stage, "revoked")).toEqual(lost);
    serve = await stage.serve();
    await until(async () => expect((await held()).heldDigest).toBe(before.heldDigest));
    await look();
    expect(membersIn(stage, "revoked")).toEqual(lost);
  });

  it("disappears when the person returns, and is undecided when the person leaves again", async () => {
    const { held: before, heldChanges } = await held();
    const back = heldChanges[0].email;
    const id = ids[people.indexOf(back)] ?? "";
    await serve.idp.setActive(true, id);
    await until(async () => expect((await held()).held).toBe(before - 1));
    expect(membersIn(stage, "revoked")).not.toContain(back);
    await serve.idp.setActive(false, id);
    await until(() => expect(membersIn(stage, "revoked")).toContain(back));
    digest = (await held()).heldDigest;
  });

  it("passes after an approval, and the audit trail has both decisions with their actors", async () => {
    expect((await api("POST", "/targets/acme-bitwarden/dismiss", { digest: "0".repeat(16) })).status).toBe(409);
    // Again, by somebody else: whose word it was stays.
    const again = await api("POST", "/targets/acme-bitwarden/dismiss", { digest });
    expect([again.status, again.json.dismissed]).toEqual([200, (await held()).held]);
    expect((await held()).heldChanges[0].dismissedBy).toMatch(/^cli:dismiss /);
    expect((await stage.run("approve", "acme-bitwarden", digest)).code).toBe(0);
    await until(() => expect(membersIn(stage, "revoked")).toEqual(leavers));
    await until(async () => expect(await held()).toMatchObject({ held: 0, dismissed: 0, heldDigest: null }));
    const { json } = await stage.run("audit", "list", "--target", "acme-bitwarden", "--limit", "500", "--json");
    const decided = json.rows.filter(({ action }: { action: string }) => /^(approve|dismiss)/.test(action));
    const kinds = new Set(
      decided.map((row: { action: string; actor: string }) => `${row.action} ${row.actor.split(" ")[0]}`),
    );
    expect([...kinds].sort()).toEqual([
      "approve cli:approve",
      "approved.suspend cli:approve",
      "dismiss cli:dismiss",
      "dismissed.suspend cli:dismiss",
    ]);
    expect((await stage.run("audit", "verify")).code).toBe(0);
  });
});

it("can be dismissed from `plan` before any run has held it", async () => {
  await using stage = await makeStage({
    sections: {
      sources: { okta: { type: "scim", token: scimToken } },
      guard: { percent: 5, atLeast: 0, atMost: 0, window: "24h" },
    },
  });
  let serve = await stage.serve();
  const ids = await serve.idp.hireAll(people.slice(0, 4));
  await until(() => expect(membersIn(stage, "invited")).toHaveLength(4));
  await serve.stop();
  // Nothing is delivered while the vendor refuses, so nothing is held either.
  const closed = stage.bitwarden.faults.add({ kind: "status", status: 503, times: Number.POSITIVE_INFINITY });
  serve = await stage.serve();
  await serve.idp.setActive(false, ...ids);
  await serve.stop();
  closed();
  const [planned] = (await stage.run("plan", "acme-bitwarden", "--json")).json.targets;
  expect(planned.held).toHaveLength(4);
  const dismissed = await stage.run("dismiss", "acme-bitwarden", planned.undecidedDigest, "--json");
  expect([dismissed.code, dismissed.json.dismissed]).toEqual([0, 4]);
  // A budget for all of them makes no difference.
  await stage.configure({ guard: { percent: 100, atLeast: 100, atMost: 100, window: "24h" } });
  const synced = await stage.run("sync", "--target", "acme-bitwarden", "--json");
  expect([synced.code, synced.json.targets[0].held, synced.json.targets[0].dismissed]).toEqual([0, 4, 4]);
  expect(membersIn(stage, "revoked")).toEqual([]);
  expect((await stage.run("approve", "acme-bitwarden", planned.heldDigest)).code).toBe(0);
  expect((await stage.run("sync", "--target", "acme-bitwarden")).code).toBe(0);
  expect(membersIn(stage, "revoked")).toHaveLength(4);
});
