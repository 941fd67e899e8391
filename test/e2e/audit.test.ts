import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminToken } from "../support/rollcall-process.ts";
import { emails, makeStage, membersIn, type Serving, type Stage, statusOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

const people = emails(8);
interface LossPage {
  readonly losses: readonly unknown[];
  readonly nextBefore: number | null;
}

const formula = '=HYPERLINK("http://example.com","x")';

describe("rollcall audit", () => {
  let stage: Stage;
  let serve: Serving;
  beforeAll(async () => {
    stage = await makeStage();
    serve = await stage.serve();
    const ids = await serve.idp.hireAll(people);
    await serve.idp.group(formula);
    await until(() => expect(membersIn(stage, "invited")).toHaveLength(people.length));
    await serve.idp.setActive(false, ...ids.slice(0, 5));
    await until(async () => expect((await statusOf(serve)).bitwarden).toMatchObject({ held: 2 }));
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  const lines = (text: string) =>
    text
      .trimEnd()
      .split("\n")
      // biome-ignore lint/suspicious/noExplicitAny: tests look into it freely
      .map((line): any => JSON.parse(line));

  it("shows who lost access to what, when, why and by whose request, while serve runs", async () => {
    const { heldDigest } = (await statusOf(serve)).bitwarden;
    expect((await stage.run("approve", "acme-bitwarden", heldDigest)).code).toBe(0);
    await until(() => expect(membersIn(stage, "revoked")).toEqual(people.slice(0, 5)));
    await until(async () => {
      const { code, stdout } = await stage.run("audit", "export", "--lost-access", "--target", "acme-bitwarden");
      expect(code).toBe(0);
      const losses = lines(stdout);
      expect(losses.map(({ name }) => name).sort()).toEqual(people.slice(0, 5));
      for (const loss of losses)
        expect(loss).toMatchObject({
          what: "suspend",
          outcome: "applied",
          why: "directory",
          cause: {
            action: "user.update",
            actor: expect.stringMatching(/^scim:okta \(token [0-9a-f]{8}\)$/),
            source: "okta",
            requestId: expect.any(String),
            detail: { active: { from: true, to: false } },
          },
        });
      // Three were within the budget, two had to be let through.
      expect(losses.map(({ approval }) => approval?.actor.replace(/\(.*/, "") ?? null)).toEqual([
        null,
        null,
        null,
        "cli:approve ",
        "cli:approve ",
      ]);
    });
    const listed = await stage.run("audit", "--lost-access", "--person", people[0] ?? "");
    expect(listed.stdout).toMatch(
      /acme-bitwarden +suspend +person-01@example.com +user\.update active true → false.* by scim:okta/,
    );
  });

  it("shows the same over the API, as files and page by page", async () => {
    const ask = (path: string) =>
      fetch(`${serve.adminUrl}${path}`, { headers: { authorization: `Bearer ${adminToken}` } });
    const printed = (await stage.run("audit", "export", "--lost-access")).stdout;
    const sent = await ask("/api/v1/audit/lost-access");
    expect(sent.headers.get("content-disposition")).toContain("rollcall-lost-access.jsonl");
    expect(await sent.text()).toBe(printed);
    const one = await (await ask(`/api/v1/audit/lost-access?person=${people[1]}&since=2020-01-01T00:00:00Z`)).text();
    expect(lines(one)).toMatchObject([{ name: people[1] }]);
    expect(await (await ask("/api/v1/audit/lost-access?until=2020-01-01T00:00:00Z")).text()).toBe("");

    const page = async (query: string) =>
      (await (await ask(`/api/v1/activity/lost-access${query}`)).json()) as LossPage;
    const first = await page("?limit=2");
    const rest = await page(`?limit=200&before=${first.nextBefore}`);
    expect([...first.losses, ...rest.losses]).toEqual(lines(printed).reverse());
    expect(rest.nextBefore).toBeNull();
  });

  it.each([
    ["the trail", [], "audit/export", "activity/export"],
    ["lost access", ["--lost-access"], "audit/lost-access", "activity/lost-access/export"],
  ])("writes the same file of %s from the command line, the API and the console", async (_, options, api, page) => {
    const ask = async (path: string) => {
      const answer = await fetch(`${serve.adminUrl}/${path}`, { headers: { authorization: `Bearer ${adminToken}` } });
      return { status: answer.status, type: answer.headers.get("content-type"), text: await answer.text() };
    };
    for (const [format, type] of [
      ["jsonl", "application/jsonl; charset=utf-8"],
      ["csv", "text/csv; charset=utf-8"],
    ]) {
      const { stdout } = await stage.run("audit", "export", ...options, "--format", format ?? "");
      expect(stdout.length).toBeGreaterThan(1000);
      const same = { status: 200, type, text: stdout };
      expect(await ask(`api/v1/${api}?format=${format}`)).toEqual(same);
      expect(await ask(`${page}.${format}`)).toEqual(same);
    }
  });

  it("exports JSON lines and CSV with a filter, and without spreadsheet formulas", async () => {
    const all = lines((await stage.run("audit", "export")).stdout);
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, index) => index + 1));
    const created = lines((await stage.run("audit", "export", "--action", "user.create", "--since", "1h")).stdout);
    expect(created).toHaveLength(people.length);
    expect((await stage.run("audit", "export", "--until", "2020-01-01")).stdout).toBe("");
    const { stdout } = await stage.run("audit", "export", "--format", "csv", "--action", "group.create");
    const [head, row] = stdout.split("\r\n");
    expect(head).toBe("seq,at,actor,requestId,action,kind,entityId,name,target,rev,detail,hash");
    expect(row).toContain(`,"'=HYPERLINK(""http://example.com"",""x"")",`);
    expect(stdout).not.toMatch(/(^|,)"?[=+@]/m);
    const listed = (await stage.run("audit", "--json", "--limit", "2")).json.rows;
    expect(listed.map(({ seq }: { seq: number }) => seq)).toEqual([all.length - 1, all.length]);
    for (const args of [
      ["--since", "yesterday"],
      ["--limit", "0"],
    ])
      expect((await stage.run("audit", "list", ...args)).code).toBe(1);
  });

  it("verifies without writing, and finds rows that somebody changed in the file", async () => {
    const hash = () => createHash("sha256").update(readFileSync(stage.database)).digest("hex");
    const intact = await stage.run("audit", "verify", "--json");
    expect([intact.code, intact.json]).toMatchObject([0, { intact: true, broken: null }]);
    const { head, rows } = intact.json;
    expect(head).toBe(`${rows}:${head.split(":")[1]}`);
    await serve.stop();
    const before = hash();
    expect((await stage.run("audit", "verify", "--head", head)).stdout).toMatch(
      new RegExp(`^intact: \\d+ rows, 20\\S+Z to 20\\S+Z; row ${rows} has the given hash\nhead \\d+:[0-9a-f]{64}\n$`),
    );
    for (const args of [["export"], ["list"], ["list", "--lost-access"]])
      expect((await stage.run("audit", ...args)).code).toBe(0);
    expect(hash()).toBe(before);
    const db = new DatabaseSync(stage.database);
    db.exec("DROP TRIGGER audit_refuses_update; UPDATE audit SET actor = 'nobody' WHERE seq = 4");
    db.close();
    const broken = await stage.run("audit", "verify");
    expect([broken.code, broken.stderr]).toEqual([1, expect.stringContaining("NOT intact at row 4")]);
    expect((await stage.run("audit", "verify", "--head", "nonsense")).stderr).toContain("a head looks like");
  });
});

describe("rollcall audit without a database", () => {
  it("says that there is none, and creates none", async () => {
    await using stage = await makeStage();
    const { code, stderr } = await stage.run("audit");
    expect([code, stderr]).toEqual([1, expect.stringContaining("there is none yet")]);
    expect((await stage.run("audit", "verify")).code).toBe(1);
  });
});
