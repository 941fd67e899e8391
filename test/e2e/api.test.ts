import type { OpenAPIV3_1 } from "openapi-types";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { adminToken } from "../support/rollcall-process.ts";
import { emails, makeStage, membersIn, newKey, type Serving, type Stage, stateOf } from "../support/stage.ts";
import { until } from "../support/until.ts";
import { openTab } from "../web/browser.ts";

const operatorToken = "e2e-operator-token-0123456789";
const viewerToken = "e2e-viewer-token-0123456789";
const target = "acme-bitwarden";

let stage: Stage;
let serve: Serving;
let ids: readonly string[];
let groupId: string;
let described: OpenAPIV3_1.Document;
const seen = new Set<string>();

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it freely
  readonly json: any;
}

/** Sends a request, and holds the answer against what the description says of it. */
async function ask(
  method: string,
  path: string,
  { token = adminToken, body, headers = {} }: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const response = await fetch(`${serve.adminUrl}/api/v1${path}`, {
    method,
    headers: {
      ...(token !== "" && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json;") === true;
  const json = isJson ? JSON.parse(text) : null;
  if (described !== undefined) expectDescribed(method, path, response, json);
  return { status: response.status, headers: response.headers, text, json };
}

function expectDescribed(method: string, path: string, response: Response, json: unknown): void {
  const { pathname } = new URL(path, "http://x");
  const [template, item] =
    Object.entries(described.paths ?? {}).find(([each]) =>
      new RegExp(`^${each.replace(/\{\w+\}/g, "[^/]+")}$`).test(pathname),
    ) ?? [];
  const operation = item?.[method.toLowerCase() as "get"];
  if (operation === undefined) return;
  const answer = operation.responses?.[response.status] as OpenAPIV3_1.ResponseObject | undefined;
  expect(answer, `${method} ${template} answered ${response.status}, which is not described`).toBeDefined();
  const media = response.headers.get("content-type")?.split(";")[0] ?? "";
  const schema = answer?.content?.[media]?.schema;
  expect(schema, `${method} ${template} answered ${media}, which is not described`).toBeDefined();
  if (response.status === 200) seen.add(`${method} ${template}`);
  if (media !== "application/json" || schema === undefined) return;
  const whole = "$ref" in schema ? described.components?.schemas?.["Problem"] : schema;
  const parsed = z.fromJSONSchema(whole as z.core.JSONSchema.BaseSchema).safeParse(json);
  expect(parsed.error?.issues, `${method} ${path}: ${JSON.stringify(json).slice(0, 500)}`).toBeUndefined();
}

beforeAll(async () => {
  stage = await makeStage({ sections: sections() });
  await stage.configure({
    ...sections(),
    admin: { listen: "127.0.0.1:0", token: adminToken, operatorToken, viewerToken },
  });
  serve = await stage.serve();
  described = (await ask("GET", "/openapi.json")).json;
  const people = emails(12);
  ids = await serve.idp.hireAll(people);
  groupId = (
    await serve.idp.call("POST", "/Groups", {
      schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group"],
      displayName: "eng",
      members: ids.slice(0, 3).map((value) => ({ value })),
    })
  ).body.id;
  await until(() => expect(membersIn(stage, "invited")).toHaveLength(12));
});
afterAll(() => stage[Symbol.asyncDispose]());

const sections = () => ({ masterKey: newKey() });

describe("reading", () => {
  it("returns people and groups, one of them, and page after page", async () => {
    await until(async () => expect((await ask("GET", `/people?target=${target}&state=inSync`)).json.total).toBe(12));
    const { json: first } = await ask("GET", "/people?limit=5");
    expect([first.items.length, first.total]).toEqual([5, 12]);
    const { json: second } = await ask("GET", `/people?limit=200&cursor=${first.nextCursor}`);
    expect(new Set([...first.items, ...second.items].map(({ id }: { id: string }) => id))).toEqual(new Set(ids));
    expect((await ask("GET", `/people?target=acme-1password&state=missing`)).json.total).toBe(12);
    expect((await ask("GET", `/people?seen=invited&search=${first.items[0].email}`)).json.total).toBe(1);

    const { json: person } = await ask("GET", `/people/${ids[0]}`);
    expect(person).toMatchObject({ id: ids[0], groups: [{ displayName: "eng" }], active: true });
    expect(person.targets[0]).toMatchObject({ target, seenState: "invited", state: "inSync", hasAccess: true });
    expect(person.history.map((row: { action: string }) => row.action)).toContain("invite");

    const { json: groups } = await ask("GET", "/groups");
    expect(groups.items).toMatchObject([{ displayName: "eng", memberCount: 3 }]);
    const { json: group } = await ask("GET", `/groups/${groupId}?limit=2`);
    expect([group.members.items.length, group.members.total]).toEqual([2, 3]);
  });

  it("returns the overview, the status, the plan and the activity", async () => {
    const { json: overview } = await ask("GET", "/overview");
    expect(overview.attention).toMatchObject([{ target: "acme-1password", kind: "missing", count: 12 }]);
    expect(overview.hours.find((hour: { target: string }) => hour.target === target).applied).toBeGreaterThan(11);
    expect((await ask("GET", "/status")).json).toMatchObject(overview.status);
    expect((await ask("GET", `/targets/${target}/plan`)).json.counts).toMatchObject({ changes: 0, held: 0 });
    const { json: calls } = await ask("GET", `/activity?action=invite&target=${target}&limit=500`);
    expect(calls.rows).toHaveLength(12);
    const { json: page } = await ask("GET", "/activity?limit=3");
    const { json: next } = await ask("GET", `/activity?limit=1&before=${page.nextBefore}`);
    expect(next.rows[0].seq).toBe(page.rows[2].seq - 1);
    expect((await ask("GET", "/activity?until=2000-01-01T00:00:00Z")).json.rows).toEqual([]);
  });

  it("returns the audit trail as a file without spreadsheet formulas", async () => {
    await serve.idp.hire("formula@example.com", { displayName: "=1+1", userName: "=cmd" });
    const { text } = await ask("GET", "/audit/export?action=user.create");
    const rows = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(rows).toHaveLength(13);
    expect(rows[0]).toMatchObject({ action: "user.create", hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const csv = (await ask("GET", "/audit/export?format=csv")).text.trim().split("\r\n");
    expect(csv[0]).toBe("seq,at,actor,requestId,action,kind,entityId,name,target,rev,detail,hash");
    expect(csv.length).toBeGreaterThan(rows.length);
    expect(csv.join("\n")).not.toMatch(/(^|,)=/m);
  });

  it("streams the activity, and continues after the last row of a client", async () => {
    const { json: before } = await ask("GET", "/activity?limit=1");
    const follow = async (headers: Record<string, string>) => {
      const closing = new AbortController();
      const response = await fetch(`${serve.adminUrl}/api/v1/activity/stream?action=user.create`, {
        headers: { authorization: `Bearer ${viewerToken}`, ...headers },
        signal: closing.signal,
      });
      expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
      seen.add("GET /activity/stream");
      const id = await serve.idp.hire(`live${Math.random()}@example.com`);
      let text = "";
      for await (const chunk of response.body ?? []) {
        text += new TextDecoder().decode(chunk);
        if (text.includes(id)) break;
      }
      closing.abort();
      return text;
    };
    const first = await follow({});
    expect(first).toMatch(/^retry: 2000\n\nid: \d+\nevent: activity\ndata: \{.*"action":"user.create".*\}\n\n$/);
    const again = await follow({ "Last-Event-ID": String(before.rows[0].seq) });
    expect(again.match(/event: activity/g)).toHaveLength(2);
  });

  it.each(["/api/v1/activity/stream", "/activity/stream"])("ends %s with the session that opened it", async (path) => {
    const tab = openTab(serve.adminUrl);
    await tab.post("/sign-in", { token: adminToken, to: "/" });
    const cookie = [...tab.cookies].map(([key, value]) => `${key}=${value}`).join("; ");
    const response = await fetch(serve.adminUrl + path, { headers: { cookie }, signal: AbortSignal.timeout(20_000) });
    expect(response.status).toBe(200);
    await tab.post("/sign-out", { _csrf: await tab.csrf() });
    // To its end; a stream that goes on is cut by the time limit, which throws.
    await response.text();
  });
});

describe("acting", () => {
  it("syncs a target or a person at once, under the caller's request id", async () => {
    expect((await ask("POST", `/targets/${target}/sync`, { token: operatorToken })).json).toEqual({
      targets: [target],
    });
    const headers = { "x-request-id": "ticket-4711" };
    const answer = await ask("POST", `/people/${ids[0]}/sync`, { token: operatorToken, body: { target }, headers });
    expect([answer.status, answer.headers.get("x-request-id")]).toEqual([200, "ticket-4711"]);
    const { json } = await ask("GET", `/activity?entity=${ids[0]}&action=sync.ask`);
    expect(json.rows).toMatchObject([
      { requestId: "ticket-4711", target, actor: expect.stringMatching(/^api:operator \(token [0-9a-f]{8}\)$/) },
    ]);
    expect((await ask("POST", `/people/${ids[0]}/sync`)).json.targets).toHaveLength(2);
  });

  it("sends an invitation again, once, and only to a person who has not accepted it", async () => {
    const [email = ""] = emails(1);
    const body = { target };
    expect((await ask("POST", `/people/${ids[0]}/reinvite`, { body })).status).toBe(200);
    await until(() => expect(stage.bitwarden.state.reinvites(email)).toBe(1));
    await until(async () =>
      expect((await ask("GET", `/people/${ids[0]}`)).json.targets[0]).toMatchObject({
        reinviteAskedAt: null,
        state: "inSync",
      }),
    );
    stage.bitwarden.state.accept(email);
    await ask("POST", `/targets/${target}/sync`);
    await until(async () => expect((await ask("GET", `/people/${ids[0]}`)).json.targets[0].seenState).toBe("accepted"));
    const refused = await ask("POST", `/people/${ids[0]}/reinvite`, { body });
    expect([refused.status, refused.json.error.code]).toEqual([409, "NOT_INVITED"]);
    expect(stage.bitwarden.state.reinvites(email)).toBe(1);
  });

  it("lets exactly the held removals of one digest pass", async () => {
    const leavers = ids.slice(0, 8);
    await serve.idp.setActive(false, ...leavers);
    const { json: held } = await until(async () => {
      const answer = await ask("GET", `/targets/${target}/held`);
      expect(answer.json.items).toHaveLength(5);
      return answer;
    });
    expect((await ask("GET", `/people?target=${target}&state=held`)).json.total).toBe(5);
    const path = `/targets/${target}/approve`;
    const wrong = await ask("POST", path, { token: operatorToken, body: { digest: "0".repeat(16) } });
    expect([wrong.status, wrong.json.error.code]).toEqual([409, "NO_SUCH_DIGEST"]);
    expect(membersIn(stage, "revoked")).toHaveLength(3);
    // No, and then yes after all.
    const dismiss = `/targets/${target}/dismiss`;
    expect((await ask("POST", dismiss, { body: { digest: "0".repeat(16) } })).status).toBe(409);
    const no = await ask("POST", dismiss, { token: operatorToken, body: { digest: held.digest } });
    expect(no.json).toEqual({ target, digest: held.digest, dismissed: 5 });
    const left = (await ask("GET", `/targets/${target}/held`)).json;
    expect(left).toMatchObject({ digest: held.digest, undecidedDigest: null, dismissedDigest: held.digest });
    expect(left.items[0].dismissedBy).toMatch(/^api:operator/);
    // The status is counted anew every two seconds at most.
    await until(async () =>
      expect((await ask("GET", "/status")).json.targets[0]).toMatchObject({ held: 5, dismissed: 5 }),
    );
    await until(async () =>
      expect((await ask("GET", "/overview")).json.attention.map(({ kind }: { kind: string }) => kind)).not.toContain(
        "held",
      ),
    );
    const good = await ask("POST", path, { token: operatorToken, body: { digest: held.digest } });
    expect(good.json.approved).toBe(5);
    await until(() => expect(membersIn(stage, "revoked")).toHaveLength(8));
    // The vendor has done it before it is written down.
    const { losses, nextBefore } = await until(async () => {
      const { json } = await ask("GET", `/activity/lost-access?target=${target}&limit=5`);
      expect(json.losses).toHaveLength(5);
      for (const loss of json.losses)
        expect(loss).toMatchObject({
          what: "suspend",
          why: "directory",
          cause: { source: "okta" },
          approval: { actor: expect.stringMatching(/^api:operator/) },
        });
      return json;
    });
    expect((await ask("GET", `/activity/lost-access?before=${nextBefore}`)).json.losses).not.toEqual([]);
    const sent = (await ask("GET", `/audit/lost-access?target=${target}`)).text.trim().split("\n");
    expect(sent.map((line) => JSON.parse(line)).slice(-5)).toEqual([...losses].reverse());
    expect((await ask("GET", "/audit/lost-access?format=csv")).text).toMatch(/^seq,at,target,what,/);
    const { json } = await ask("GET", "/activity?action=approve");
    expect(json.rows[0].actor).toMatch(/^api:operator/);
  });

  it("makes, lists and revokes SCIM tokens, which work until they are revoked", async () => {
    const made = await ask("POST", "/tokens", { body: { source: "okta", label: "Okta, production" } });
    const use = async (): Promise<number> =>
      (await fetch(`${made.json.url}/Users`, { headers: { authorization: `Bearer ${made.json.token}` } })).status;
    expect(await use()).toBe(200);
    const { json } = await ask("GET", "/tokens");
    expect(json.tokens).toMatchObject([{ label: "Okta, production", revokedAt: null }]);
    expect(JSON.stringify(json)).not.toContain(made.json.token);
    expect((await ask("DELETE", `/tokens/${json.tokens[0].id}`)).json.revoked).toBe(true);
    await until(async () => expect(await use()).toBe(401));
    expect((await ask("DELETE", `/tokens/${json.tokens[0].id}`)).status).toBe(404);
    expect((await ask("POST", "/tokens", { body: { source: "corp", label: "x" } })).status).toBe(404);
  });

  it("makes tokens that expire, and rotates them: both are valid in the grace period, then only the new one", async () => {
    const use = async ({ json }: Answer): Promise<number> =>
      (await fetch(`${json.url}/Users`, { headers: { authorization: `Bearer ${json.token}` } })).status;
    const listed = async (id: string) =>
      (await ask("GET", "/tokens")).json.tokens.find((each: { id: string }) => each.id === id);
    const old = await ask("POST", "/tokens", { body: { source: "okta", label: "ends", expiresIn: "10d" } });
    expect(Date.parse(old.json.expiresAt) - Date.now()).toBeGreaterThan(9.9 * 86_400_000);
    expect(await use(old)).toBe(200);
    expect(await listed(old.json.id)).toMatchObject({
      state: "good",
      expiresSoon: true,
      expiresAt: old.json.expiresAt,
    });

    const path = `/tokens/${old.json.id}/rotate`;
    const next = await ask("POST", path, { body: { grace: "2s" } });
    expect(next.json).toMatchObject({ source: "okta", label: "ends", replaces: old.json.id });
    // A policy of ten days stays one.
    expect(Date.parse(next.json.expiresAt) - Date.now()).toBeGreaterThan(9.9 * 86_400_000);
    expect([await use(old), await use(next)]).toEqual([200, 200]);
    await until(async () => expect(await use(old)).toBe(401));
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(next.json.oldGoodUntil));
    expect(await use(next)).toBe(200);
    expect(await listed(old.json.id)).toMatchObject({ state: "expired", expiresSoon: false });
    expect((await ask("POST", path, { body: {} })).status).toBe(404);
    expect((await ask("POST", "/tokens/none/rotate", { body: {} })).status).toBe(404);
    for (const grace of ["0s", "soon", "3651d", 5])
      expect((await ask("POST", `/tokens/${next.json.id}/rotate`, { body: { grace } })).status).toBe(400);
    const { json } = await ask("GET", "/activity?action=token.rotate");
    expect(json.rows).toMatchObject([
      { actor: expect.stringMatching(/^api:admin/), requestId: next.headers.get("x-request-id") },
    ]);
    expect((await ask("DELETE", `/tokens/${next.json.id}`)).json.revoked).toBe(true);
  });

  it("verifies, connects, rotates and disconnects", async () => {
    const { apiUrl, identityUrl, clientId, clientSecret } = stage.bitwarden;
    const draft = { name: "second", type: "bitwarden", apiUrl, identityUrl, clientId, clientSecret };
    const refused = await ask("POST", "/connections/verify", { body: { ...draft, clientSecret: "wrong" } });
    expect([refused.status, refused.json.ok]).toEqual([422, false]);
    expect((await ask("POST", "/connections/verify", { body: draft })).json.survey.members).toBeGreaterThan(0);
    expect((await ask("POST", "/connections", { body: draft })).json.ok).toBe(true);
    const { json } = await ask("GET", "/connections");
    expect(json.connections.map(({ name }: { name: string }) => name)).toContain("second");
    expect(JSON.stringify(json)).not.toContain(clientSecret);
    expect((await ask("POST", "/connections/second/rotate", { body: { clientSecret } })).json.ok).toBe(true);
    expect((await ask("GET", "/connections/second/consequences")).json.consequences).not.toEqual([]);
    expect((await ask("DELETE", "/connections/second")).json.disconnected).toBe(true);
    expect((await ask("DELETE", "/connections/second")).status).toBe(404);
    expect(stateOf(stage, emails(12)[11] ?? "")).toBe("invited");
  });
});

describe("a request without permission or with invalid input", () => {
  const paths = (): readonly (readonly [string, string, string])[] =>
    Object.entries(described.paths ?? {}).flatMap(([path, item]) =>
      (["get", "post", "delete"] as const).flatMap((method) => {
        const description = item?.[method]?.description;
        return description === undefined ? [] : [[method.toUpperCase(), path, description] as const];
      }),
    );

  it("is refused without a token or with too low a role, before its body is read", async () => {
    const order = ["viewer", "operator", "admin"];
    const tokens = [viewerToken, operatorToken, adminToken];
    for (const [method, path, description] of paths()) {
      const needed = order.findIndex((role) => description === `Needs the role ${role}.`);
      expect(needed, description).toBeGreaterThanOrEqual(0);
      const concrete = path.replace(/\{\w+\}/g, "nothing");
      const body = method === "GET" ? {} : { body: "{not json" };
      expect((await ask(method, concrete, { token: "", ...body })).status, `${method} ${path}`).toBe(401);
      for (const token of tokens.slice(0, needed))
        expect((await ask(method, concrete, { token, ...body })).json.error.code, `${method} ${path}`).toBe(
          "FORBIDDEN",
        );
    }
  });

  it.each([
    ["GET", "/people?limit=201"],
    ["GET", "/people?limit=x"],
    ["GET", "/people?state=well"],
    ["GET", "/people?state=held&seen=invited"],
    ["GET", `/people?search=${"a".repeat(201)}`],
    ["GET", "/people?serach=a"],
    ["GET", "/activity?since=yesterday"],
    ["GET", "/audit/export?format=xml"],
    ["GET", "/audit/lost-access?action=suspend"],
    ["GET", "/activity/lost-access?limit=201"],
    ["POST", `/targets/${target}/approve`],
    ["POST", "/tokens"],
  ])("%s %s is refused with what is wrong", async (method, path) => {
    const { status, json } = await ask(method, path, method === "POST" ? { body: { digest: "x", label: 1 } } : {});
    expect([status, json.error.code]).toEqual([400, "INVALID"]);
    expect(json.error.message).toMatch(/\w+: /);
  });

  it.each([
    ["GET", "/people/none", 404],
    ["GET", "/groups/none", 404],
    ["GET", "/people?target=none", 404],
    ["GET", "/targets/none/plan", 404],
    ["POST", "/targets/none/sync", 404],
    ["GET", "/nothing/here", 404],
    ["PUT", "/people", 405],
    ["POST", "/people", 405],
  ])("%s %s answers %i", async (method, path, status) => {
    const answer = await ask(method, path);
    expect([answer.status, typeof answer.json.error.message]).toEqual([status, "string"]);
  });

  it("gets an error as JSON if the body is not JSON or is too large", async () => {
    for (const body of ["{not json", `"${"a".repeat(70_000)}"`]) {
      const answer = await ask("POST", "/tokens", { body });
      expect([400, 413]).toContain(answer.status);
      expect(answer.json.error.code).toBe("INVALID");
    }
  });

  it("gets 502 if the target can't be read", async () => {
    // The plan of a moment ago would do.
    const other = "acme-1password";
    const mend = stage.onePassword.faults.add({ kind: "html", times: Number.POSITIVE_INFINITY });
    const answer = await ask("GET", `/targets/${other}/plan`);
    mend();
    expect([answer.status, answer.json.error.code]).toEqual([502, expect.stringMatching(/^TARGET_|^UNEXPECTED_/)]);
    expect((await ask("GET", `/targets/${other}/plan`)).status).toBe(200);
  });
});

describe("the description", () => {
  it("has every operation, and each operation answered as described", () => {
    const all = Object.entries(described.paths ?? {}).flatMap(([path, item]) =>
      Object.keys(item ?? {}).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect([...seen].sort()).toEqual(all.sort());
    expect(described.openapi).toBe("3.1.0");
  });
});
