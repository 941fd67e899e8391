import { connect } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminToken, scimToken } from "../support/rollcall-process.ts";
import { person } from "../support/scim-client.ts";
import { makeStage, type Serving, type Stage, stateOf, statusOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

let stage: Stage;
let serve: Serving;
beforeAll(async () => {
  stage = await makeStage();
  stage.onePassword.state.addUser({ email: "ada@example.com" });
  serve = await stage.serve();
  await serve.idp.hire("ada@example.com");
  await until(() => expect(stateOf(stage, "ada@example.com")).toBe("invited"));
});
afterAll(() => stage[Symbol.asyncDispose]());

const get = async (url: string, token?: string) => {
  const response = await fetch(url, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
  return { status: response.status, type: response.headers.get("content-type") ?? "", text: await response.text() };
};

describe("probes", () => {
  it("need no token and show no secret", async () => {
    expect(await get(`${serve.baseUrl}/healthz`)).toMatchObject({ status: 200, text: "ok\n" });
    expect(await get(`${serve.baseUrl}/readyz`)).toMatchObject({ status: 200, text: "ready\n" });
  });

  it("show the reason while the database refuses writes, and recover by themselves", async () => {
    // A lock that is held for long: for SQLite the same as a disk that does not take the write.
    const other = new DatabaseSync(stage.database);
    other.exec("BEGIN IMMEDIATE");
    try {
      const unready = await until(async () => {
        const answer = await get(`${serve.baseUrl}/readyz`);
        expect(answer.status).toBe(503);
        return answer;
      });
      expect(unready.text).toMatch(/^not ready: database: .*locked/);
      expect((await get(`${serve.baseUrl}/healthz`)).status).toBe(200);
      // A write is refused as such, never half done; reading goes on.
      const refused = await serve.idp.call("POST", "/Users", person("unlucky@example.com"));
      expect([refused.status, refused.body.schemas]).toEqual([503, ["urn:ietf:params:scim:api:messages:2.0:Error"]]);
      expect((await serve.idp.call("GET", "/Users")).body.totalResults).toBe(1);
    } finally {
      other.exec("ROLLBACK");
      other.close();
    }
    await until(async () => expect((await get(`${serve.baseUrl}/readyz`)).status).toBe(200));
    expect(
      (await serve.idp.call("GET", `/Users?filter=${encodeURIComponent('userName eq "unlucky@example.com"')}`)).body
        .totalResults,
    ).toBe(0);
  });
});

describe("every answer", () => {
  it.each([
    ["/healthz", 200],
    ["/readyz", 200],
    ["/nothing", 404],
    ["/scim/v2/Users", 401],
    ["/scim/v2/Users?token", 200],
  ])("says what browsers may do with it: %s", async (path, status) => {
    const response = await fetch(
      serve.baseUrl + path,
      path.endsWith("?token") ? { headers: { authorization: `Bearer ${scimToken}` } } : {},
    );
    await response.arrayBuffer();
    expect(response.status).toBe(status);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("content-security-policy")).toContain("default-src");
    expect(response.headers.get("strict-transport-security")).toContain("max-age");
    expect(response.headers.get("x-powered-by")).toBeNull();
  });
});

describe("the admin listener", () => {
  it("is closed without its token", async () => {
    for (const path of ["/metrics", "/api/v1/status", "/api/v1/nothing"]) {
      for (const token of [undefined, scimToken, `${adminToken}x`])
        expect((await get(serve.adminUrl + path, token)).status, path).toBe(401);
    }
    // Pages lead to the sign-in, and show nothing before.
    for (const path of ["/", "/nothing"]) {
      const page = await fetch(serve.adminUrl + path, { redirect: "manual" });
      expect([page.status, page.headers.get("location")], path).toEqual([
        path === "/nothing" ? 401 : 303,
        path === "/nothing" ? null : `/sign-in?to=${encodeURIComponent(path)}`,
      ]);
    }
    expect((await get(serve.adminUrl, scimToken)).status).toBe(401);
    expect((await get(`${serve.adminUrl}/api/v1/nothing`, adminToken)).status).toBe(404);
    // SCIM is not on it, and it is not on SCIM's.
    expect((await get(`${serve.adminUrl}/scim/v2/Users`, scimToken)).status).toBe(401);
    expect((await get(`${serve.baseUrl}/metrics`, adminToken)).status).toBe(404);
  });

  it("has all promised metrics", async () => {
    const { status, type, text } = await get(`${serve.adminUrl}/metrics`, adminToken);
    expect([status, type]).toEqual([200, expect.stringContaining("text/plain; version=0.0.4")]);
    const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    expect(samples.filter((line) => !line.startsWith("rollcall_"))).toEqual([]);
    for (const sample of [
      'rollcall_scim_requests_total{source="okta",method="POST",resource="Users",status="201"} 1',
      'rollcall_changes_total{target="acme-bitwarden",op="invite",outcome="applied"} 1',
      'rollcall_entities{target="acme-bitwarden",state="inSync"} 1',
      'rollcall_entities{target="acme-1password",state="pending"} 0',
      'rollcall_oldest_pending_seconds{target="acme-bitwarden"} 0',
      'rollcall_removals_held{target="acme-bitwarden"} 0',
      'rollcall_target_failing_seconds{target="acme-bitwarden"} 0',
      'rollcall_source_failing_seconds{source="okta"} 0',
      'rollcall_budget_allowed{target="acme-bitwarden"} 3',
      'rollcall_budget_spent{target="acme-bitwarden"} 0',
      'rollcall_budget_used_ratio{target="acme-bitwarden"} 0',
    ]) {
      expect(samples).toContain(sample);
    }
    expect(text).toMatch(
      /^rollcall_target_request_seconds_count\{target="acme-1password",operation="[^"]+",status="200"\} [1-9]/m,
    );
    for (const name of ["source", "target"]) {
      const [, seconds] =
        new RegExp(`^rollcall_${name}_last_success_timestamp_seconds\\{.*\\} (\\S+)$`, "m").exec(text) ?? [];
      expect(Math.abs(Date.now() / 1000 - Number(seconds)), name).toBeLessThan(60);
    }
    expect(text).toMatch(/^rollcall_build_info\{version="\d+\.\d+\.\d+[^"]*",node="\d+\.\d+\.\d+"\} 1$/m);
    expect(text).not.toContain("ada@example.com");
  });
});

describe("a vendor's outage", () => {
  it("is one clear line in `status`, and disappears when it is over", async () => {
    const mend = stage.bitwarden.faults.add({ kind: "html", status: 502, times: Number.POSITIVE_INFINITY });
    const id = await serve.idp.hire("alan@example.com");
    await until(
      async () =>
        expect((await statusOf(serve)).bitwarden).toMatchObject({
          pending: 1,
          failingSince: expect.any(String),
          error: { code: expect.any(String) },
        }),
      20_000,
    );
    // The waits double; when it is tried at this very moment, there is no next time yet.
    await until(async () => {
      const { retryAt, failingSince } = (await statusOf(serve)).bitwarden;
      expect(Date.parse(retryAt)).toBeGreaterThan(Date.parse(failingSince));
      const { code, stdout } = await stage.run("status");
      expect(code).toBe(0);
      const [line = ""] = stdout.split("\n").filter((each) => each.includes("FAILING since"));
      expect(line).toMatch(/^ {4}FAILING since 20\S+Z: .*502.* \(next try 20\S+Z\)$/);
    });
    const { stdout } = await stage.run("status");
    const line = stdout.split("\n").find((each) => each.includes("FAILING since"));
    expect(line).not.toContain("<html");
    expect(stdout).toContain("oldest pending change: ");
    // Directory and the other target go on.
    expect((await serve.idp.call("GET", `/Users/${id}`)).status).toBe(200);
    expect((await statusOf(serve)).onePassword).toMatchObject({ failingSince: null, error: null });
    mend();
    await until(() => expect(stateOf(stage, "alan@example.com")).toBe("invited"));
    await until(async () =>
      expect((await statusOf(serve)).bitwarden).toMatchObject({
        pending: 0,
        failingSince: null,
        retryAt: null,
        error: null,
      }),
    );
    expect(stage.bitwarden.state.mails("alan@example.com")).toBe(1);
  });
});

describe("malformed requests", () => {
  /** Writes raw bytes, and gives what came back until the connection was closed, or until it is quiet and `enough`. */
  const raw = (...parts: readonly (string | Buffer)[]): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(Number(new URL(serve.baseUrl).port), "127.0.0.1");
      let answer = "";
      socket.setEncoding("latin1").on("data", (text: string) => {
        answer += text;
        if (/HTTP\/1\.1 4\d\d/.test(answer)) socket.end();
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(answer));
      for (const part of parts) socket.write(part);
    });
  const head = (line: string, ...headers: string[]): string =>
    [line, "Host: x", `Authorization: Bearer ${scimToken}`, ...headers, "", ""].join("\r\n");

  it.each([
    ["no HTTP", ["\x16\x03\x01\x02\x00\x01\x00"], 400],
    ["binary rubbish", [Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 31) % 256))], 400],
    ["a path that is none", [head("GET /scim/v2/Users/%ff%zz HTTP/1.1")], 404],
    ["a path outside", [head("GET /%c0%ae%c0%ae/etc/passwd HTTP/1.1")], 404],
    ["a method that is none", [head("BREW /scim/v2/Users HTTP/1.1")], 400],
    ["two lengths", [head("POST /scim/v2/Users HTTP/1.1", "Content-Length: 5", "Content-Length: 6"), "hello"], 400],
    [
      "a length and chunks",
      [head("POST /scim/v2/Users HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked"), "0\r\n\r\n"],
      400,
    ],
    [
      "broken chunks",
      [
        head("POST /scim/v2/Users HTTP/1.1", "Content-Type: application/scim+json", "Transfer-Encoding: chunked"),
        "zz\r\nno\r\n",
      ],
      400,
    ],
    ["headers without end", [head("GET /scim/v2/Users HTTP/1.1", `X-Long: ${"x".repeat(40_000)}`)], 431],
    [
      "a body said to be huge",
      [head("POST /scim/v2/Users HTTP/1.1", "Content-Type: application/scim+json", "Content-Length: 9999999999")],
      413,
    ],
    [
      "a body that is huge",
      [
        head("POST /scim/v2/Users HTTP/1.1", "Content-Type: application/scim+json", "Content-Length: 3000000"),
        Buffer.alloc(3_000_000, " "),
      ],
      413,
    ],
    [
      "JSON as deep as a well",
      [
        head("POST /scim/v2/Users HTTP/1.1", "Content-Type: application/scim+json", "Content-Length: 200000"),
        "[".repeat(200_000),
      ],
      400,
    ],
    ["no bearer, but a body", ["POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"], 401],
  ])("%s: a SCIM error, and the process lives", async (_, parts, status) => {
    const answer = await raw(...parts);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toMatch(/content-type: application\/scim\+json/i);
    expect(answer).toContain(`"status":"${status}"`);
    expect(answer).not.toMatch(/<html|at \w+ \(/);
    expect((await get(`${serve.baseUrl}/healthz`)).status).toBe(200);
  });

  it("that never finish do not block other requests", async () => {
    const port = Number(new URL(serve.baseUrl).port);
    const unfinished = head("POST /scim/v2/Users HTTP/1.1", "Content-Length: 500").trimEnd();
    const idle = Array.from({ length: 200 }, () => {
      const socket = connect(port, "127.0.0.1", () => socket.write(unfinished));
      return socket.on("error", () => undefined);
    });
    await serve.idp.hire("grace@example.com");
    await until(() => expect(stateOf(stage, "grace@example.com")).toBe("invited"));
    for (const socket of idle) socket.resetAndDestroy();
    expect((await get(`${serve.baseUrl}/readyz`)).status).toBe(200);
    expect(serve.isOver()).toBe(false);
    expect(serve.stderr()).not.toMatch(/"level":"error".*(unexpected|Unhandled)/);
  });
});
