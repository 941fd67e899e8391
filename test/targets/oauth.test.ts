import { MockAgent } from "undici";
import { describe, expect, it } from "vitest";
import { HttpClient, type Reply } from "../../src/targets/kit/http.ts";
import { TokenKeeper, type TokenOptions } from "../../src/targets/kit/oauth.ts";
import { patient, virtualTime } from "./virtual-time.ts";

const origin = "https://identity.example.com";

interface Vendor {
  readonly keeper: TokenKeeper;
  readonly time: ReturnType<typeof virtualTime>;
  /** Every request to the token endpoint: its form and its Authorization header. */
  readonly requests: { form: URLSearchParams; authorization: string | undefined }[];
}

/** A token endpoint that gives `token-1`, `token-2`… or what `answer` says. */
function vendor(
  options: Partial<TokenOptions> = {},
  answer?: { status: number; body: unknown; headers?: Record<string, string> },
  expiresIn = 3600,
): Vendor {
  const agent = new MockAgent();
  agent.disableNetConnect();
  const requests: Vendor["requests"] = [];
  agent
    .get(origin)
    .intercept({ path: "/token", method: "POST" })
    .reply(({ body, headers }) => {
      requests.push({
        form: new URLSearchParams(String(body)),
        authorization: (headers as Record<string, string>)["authorization"],
      });
      const granted = { access_token: `token-${requests.length}`, expires_in: expiresIn, token_type: "Bearer" };
      const data = typeof answer?.body === "string" ? answer.body : JSON.stringify(answer?.body ?? granted);
      return {
        statusCode: answer?.status ?? 200,
        data,
        responseOptions: { headers: { "content-type": "application/json", ...answer?.headers } },
      };
    })
    .persist();
  const time = virtualTime();
  const http = new HttpClient({
    name: "acme",
    version: "1",
    dispatcher: agent,
    clock: time.clock,
    sleep: time.sleep,
    random: () => 0.5,
  });
  const keeper = new TokenKeeper({
    http,
    tokenUrl: `${origin}/token`,
    revokeUrl: null,
    clientId: "client-1",
    clientSecret: "se~cr-et_1.2",
    authentication: "post",
    parameters: { scope: "api" },
    adviceOnRefusal: "check the key",
    ...options,
  });
  return { keeper, time, requests };
}

const answer = (status: number): Reply => ({ kind: "answer", status, headers: new Headers(), text: "" });

describe("TokenKeeper", () => {
  it("many callers share one token request", async () => {
    const { keeper, requests } = vendor();
    const tokens = await Promise.all(Array.from({ length: 20 }, () => keeper.get(patient)));
    expect(new Set(tokens)).toEqual(new Set(["token-1"]));
    expect(Object.fromEntries(requests[0]?.form ?? [])).toEqual({
      grant_type: "client_credentials",
      scope: "api",
      client_id: "client-1",
      client_secret: "se~cr-et_1.2",
    });
  });

  it("Basic credentials are the same for servers that decode them and those that do not", async () => {
    const { keeper, requests } = vendor({ authentication: "basic" });
    await keeper.get(patient);
    expect(requests[0]?.authorization).toBe(`Basic ${Buffer.from("client-1:se~cr-et_1.2").toString("base64")}`);
    expect(requests[0]?.form.has("client_secret")).toBe(false);
  });

  it.each([
    [3600, 3_299_000, 3_301_000],
    [900, 824_000, 841_000],
  ])("renews a token of %i s in time", async (expiresIn, stillGoodMs, renewedMs) => {
    const { keeper, time } = vendor({}, undefined, expiresIn);
    expect(await keeper.get(patient)).toBe("token-1");
    time.advance(stillGoodMs);
    expect(await keeper.get(patient)).toBe("token-1");
    time.advance(renewedMs - stillGoodMs);
    expect(await keeper.get(patient)).toBe("token-2");
  });

  it("a 401 renews the token once for all callers", async () => {
    const { keeper, requests } = vendor();
    const call = async (token: string): Promise<Reply> => answer(token === "token-1" ? 401 : 200);
    const replies = await Promise.all(Array.from({ length: 5 }, () => keeper.withToken(call, patient)));
    expect(replies.every((reply) => reply.kind === "answer" && reply.status === 200)).toBe(true);
    expect(requests).toHaveLength(2);
  });

  it("a fresh token that is answered 401 is an error", async () => {
    const { keeper, requests } = vendor();
    await expect(keeper.withToken(async () => answer(401), patient)).rejects.toMatchObject({
      code: "TARGET_REFUSED_CREDENTIALS",
    });
    expect(requests).toHaveLength(2);
  });

  it.each([
    [400, { error: "invalid_client" }, {}, "TARGET_REFUSED_CREDENTIALS", '"invalid_client"; check the key'],
    [401, { error: "invalid_client", error_description: "no" }, {}, "TARGET_REFUSED_CREDENTIALS", "check the key"],
    [401, "", { "www-authenticate": "Basic" }, "TARGET_REFUSED_CREDENTIALS", "check the key"],
    [403, "", {}, "TARGET_REFUSED_CREDENTIALS", "403"],
    [404, "", {}, "NOT_FOUND", "404"],
    [429, "", { "retry-after": "90" }, "TARGET_RATE_LIMITED", "429"],
    [500, "", {}, "TARGET_UNREACHABLE", "500"],
    [302, "", { location: "/login" }, "UNEXPECTED_RESPONSE", "302"],
    [200, "<html></html>", { "content-type": "text/html" }, "UNEXPECTED_RESPONSE", "characters of text/html"],
    [200, { access_token: "s3cret" }, {}, "UNEXPECTED_RESPONSE", "not a token"],
  ])("says what %i %j means", async (status, body, headers, code, text) => {
    const error = await vendor({}, { status, body, headers })
      .keeper.get(patient)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, message: expect.stringContaining(text) });
    expect(JSON.stringify(error) + (error as Error).message + String((error as Error).cause)).not.toContain("s3cret");
  });

  it("a failed token request is repeated at the next call", async () => {
    const { keeper, requests } = vendor({}, { status: 400, body: { error: "invalid_client" } });
    await expect(keeper.get(patient)).rejects.toMatchObject({ code: "TARGET_REFUSED_CREDENTIALS" });
    await expect(keeper.get(patient)).rejects.toMatchObject({ isPermanent: true });
    expect(requests).toHaveLength(2);
  });

  it("an aborted caller does not end the token request of the others", async () => {
    const { keeper } = vendor();
    const stop = new AbortController();
    const [leaving, staying] = [keeper.get(stop.signal), keeper.get(patient)];
    stop.abort(new Error("enough"));
    await expect(leaving).rejects.toMatchObject({ code: "ABORTED" });
    expect(await staying).toBe("token-1");
  });
});
