import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminToken, scimToken } from "../support/rollcall-process.ts";
import { person, scimClient } from "../support/scim-client.ts";
import { makeStage, type Serving, type Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const otherToken = "e2e-other-scim-token-0123456789";
let stage: Stage;
let serve: Serving;
beforeAll(async () => {
  stage = await makeStage({
    sections: {
      server: {
        listen: "127.0.0.1:0",
        limits: {
          requestsInFlight: 5,
          requestsInFlightPerSource: 3,
          requestsPerSecond: 1,
          burst: 60,
          wrongTokensPerMinute: 5,
        },
      },
      sources: { okta: { type: "scim", token: scimToken }, entra: { type: "scim", token: otherToken } },
      targets: {},
    },
  });
  serve = await stage.serve();
});
afterAll(() => stage[Symbol.asyncDispose]());

const ask = async (path: string, token?: string) => {
  const response = await fetch(
    serve.baseUrl + path,
    token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
  );
  const text = await response.text();
  return { status: response.status, retryAfter: Number(response.headers.get("retry-after")), text };
};
const shed = async (): Promise<readonly string[]> => {
  const response = await fetch(`${serve.adminUrl}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } });
  return (await response.text()).split("\n").filter((line) => line.startsWith("rollcall_scim_shed_total{"));
};
const scimError = (status: number) => ({
  schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"],
  status: String(status),
  detail: expect.any(String),
});
const people = "/scim/v2/Users?count=0";

/** A request whose body never ends: it is in flight until the socket goes. */
function unfinished(token: string): Socket {
  const socket = connect(Number(new URL(serve.baseUrl).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(
    `POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 500\r\n\r\n{`,
  );
  return socket;
}

describe("requests in flight", () => {
  it("have a maximum per source that affects no other source and no health check", async () => {
    const slow = [1, 2, 3].map(() => unfinished(scimToken));
    const refused = await until(async () => {
      const answer = await ask(people, scimToken);
      expect(answer.status).toBe(503);
      return answer;
    });
    expect(refused.retryAfter).toBeGreaterThan(0);
    expect(JSON.parse(refused.text)).toEqual(scimError(503));
    expect((await ask(people, otherToken)).status).toBe(200);
    const others = [1, 2].map(() => unfinished(otherToken));
    await until(async () => expect((await ask(people, otherToken)).text).toContain("5 requests"));
    expect((await ask("/healthz")).status).toBe(200);
    expect((await ask("/readyz")).status).toBe(200);
    // Whoever has no good token is told so, and not how busy it is.
    expect((await ask(people)).status).toBe(401);
    expect((await shed()).join()).toMatch(/source="okta",reason="inFlightOfSource"\} [1-9].*reason="inFlight"\} [1-9]/);
    for (const socket of [...slow, ...others]) socket.resetAndDestroy();
    await until(async () => expect((await ask(people, otherToken)).status).toBe(200));
    const { status } = await serve.idp.call("POST", "/Users", person("ada@example.com"));
    expect(status).toBe(201);
    expect(serve.stderr().match(/refused with Retry-After/g)).toHaveLength(1);
  });
});

describe("wrong tokens", () => {
  it("from one address get 429 after a limit, and a good token from there never does", async () => {
    const statuses: number[] = [];
    for (let index = 0; index < 8; index += 1) statuses.push((await ask(people, `wrong-${index}`)).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    const { retryAfter, text } = await ask(people, "wrong");
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(60);
    expect(JSON.parse(text)).toEqual(scimError(429));
    expect((await ask(people, otherToken)).status).toBe(200);
    const made = await stage.run("token", "create", "--source", "okta", "--json");
    expect((await scimClient(serve.scimUrl, made.json.token).call("GET", "/Users")).status).toBe(200);
    expect((await shed()).join()).toMatch(/source="",reason="wrongTokens"\} 4/);
  });
});

describe("the rate of a source", () => {
  it("has a limit of its own, and gets 429 with Retry-After above it", async () => {
    const answers = await until(async () => {
      const answer = await ask(people, scimToken);
      expect(answer.status).toBe(429);
      return answer;
    });
    expect(answers.retryAfter).toBeGreaterThan(0);
    expect(JSON.parse(answers.text)).toEqual(scimError(429));
    expect((await ask(people, otherToken)).status).toBe(200);
    expect((await shed()).join()).toMatch(/source="okta",reason="rate"\} [1-9]/);
  });
});
