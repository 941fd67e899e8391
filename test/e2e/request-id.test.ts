import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scimToken } from "../support/rollcall-process.ts";
import { person } from "../support/scim-client.ts";
import { makeStage, type Serving, type Stage, stateOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

let stage: Stage;
let serve: Serving;
beforeAll(async () => {
  stage = await makeStage();
  serve = await stage.serve();
});
afterAll(() => stage[Symbol.asyncDispose]());

const call = async (method: string, path: string, body: unknown, headers: Record<string, string> = {}) => {
  const response = await fetch(serve.scimUrl + path, {
    method,
    headers: { authorization: `Bearer ${scimToken}`, "content-type": "application/scim+json", ...headers },
    ...(body !== null && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    requestId: response.headers.get("x-request-id") ?? "",
    body: text === "" ? null : JSON.parse(text),
  };
};

// biome-ignore lint/suspicious/noExplicitAny: tests look into it freely
const lines = (): any[] =>
  serve
    .stderr()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));

describe("one id from the SCIM request to the vendor's call", () => {
  it("is in the answer, in the logs of the request and the call, and in the person's history", async () => {
    const hired = await call("POST", "/Users", person("ada@example.com"));
    expect(hired.requestId).toMatch(/^[0-9a-f-]{36}$/);
    await until(() => expect(stateOf(stage, "ada@example.com")).toBe("invited"));
    const dismissed = await call("DELETE", `/Users/${hired.body.id}`, null, { "x-request-id": "okta-run.42_7" });
    expect([dismissed.status, dismissed.requestId]).toEqual([204, "okta-run.42_7"]);
    await until(() => expect(stateOf(stage, "ada@example.com")).toBe("revoked"));

    const ofCalls = await until(() => {
      const found = lines().filter(({ target }) => target === "acme-bitwarden");
      expect(found.map(({ op }) => op)).toEqual(["invite", "suspend"]);
      return found;
    });
    expect(ofCalls).toMatchObject([
      { outcome: "applied", requestIds: [hired.requestId], entities: [hired.body.id] },
      { outcome: "applied", requestIds: [dismissed.requestId], entities: [hired.body.id] },
    ]);
    expect(lines().filter(({ requestId }) => requestId !== undefined)).toMatchObject([
      { message: "scim: POST Users 201", requestId: hired.requestId, source: "okta" },
      { message: "scim: DELETE Users 204", requestId: dismissed.requestId, source: "okta" },
    ]);
    // Logs name people by id only.
    expect(serve.stderr()).not.toContain("ada@example.com");

    const { json } = await stage.run("user", hired.body.id, "--json");
    expect(json.users[0].history).toMatchObject([
      { action: "user.create", requestId: hired.requestId, target: null },
      { action: "invite", requestId: hired.requestId, target: "acme-bitwarden" },
      { action: "user.delete", requestId: dismissed.requestId, target: null },
      { action: "suspend", requestId: dismissed.requestId, target: "acme-bitwarden" },
    ]);
    const { stdout } = await stage.run("user", hired.body.id);
    expect(stdout).toMatch(/acme-bitwarden +suspend .*request okta-run\.42_7/);
  });

  it("survives a restart between the request and the call", async () => {
    const mend = stage.bitwarden.faults.add({ kind: "html", status: 502, times: Number.POSITIVE_INFINITY });
    const { requestId } = await call("POST", "/Users", person("grace@example.com"));
    await serve.stop("SIGKILL");
    mend();
    serve = await stage.serve();
    await until(() => expect(stateOf(stage, "grace@example.com")).toBe("invited"));
    await until(() => expect(lines().filter(({ op }) => op === "invite")).toMatchObject([{ requestIds: [requestId] }]));
  });

  it.each([
    ["too long", "x".repeat(65)],
    ["too short to be one", "1234567"],
    ["a space and more", 'abcdefgh "} {"level":"error'],
    ["not ASCII", "abcdefgh\u00e9"],
    ["something to run", "$(reboot)-aaaa"],
  ])("of a client is not repeated when it is %s", async (_, given) => {
    const answer = await call("GET", "/Users", null, { "x-request-id": given });
    expect([answer.status, answer.requestId]).toEqual([200, expect.stringMatching(/^[0-9a-f-]{36}$/)]);
  });

  it("is also in refusals", async () => {
    const answer = await call("GET", "/Users", null, { authorization: "Bearer wrong" });
    expect([answer.status, answer.requestId]).toEqual([401, expect.stringMatching(/^[0-9a-f-]{36}$/)]);
  });
});
