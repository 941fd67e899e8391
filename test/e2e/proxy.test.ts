import { request } from "node:http";
import { text as bodyOf } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { adminToken, scimToken } from "../support/rollcall-process.ts";
import { makeStage, type Serving, type Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const stages: Stage[] = [];
afterEach(async () => {
  for (const stage of stages.splice(0)) await stage[Symbol.asyncDispose]();
});

async function serveWith(server: object): Promise<Serving> {
  const stage = await makeStage({
    sections: {
      server: { listen: "127.0.0.1:0", ...server },
      admin: { listen: "127.0.0.1:0", token: adminToken },
      targets: {},
    },
  });
  stages.push(stage);
  return stage.serve("--log-level", "debug");
}

/** Its address and the URL that it gives itself. fetch() would not send a Host of our choice. */
async function seen({ scimUrl, stderr }: Serving, headers: Readonly<Record<string, string>>, requestId: string) {
  const text = await new Promise<string>((resolve, reject) => {
    const sent = { authorization: `Bearer ${scimToken}`, "x-request-id": requestId, ...headers };
    request(
      `${scimUrl}/ServiceProviderConfig`,
      { headers: sent },
      (response) => void bodyOf(response).then(resolve, reject),
    )
      .once("error", reject)
      .end();
  });
  const line = await until(() => {
    const found = stderr()
      .split("\n")
      .find((each) => each.includes(`"requestId":"${requestId}"`));
    if (found === undefined) throw new Error(`no line for ${requestId}: ${stderr()}`);
    return JSON.parse(found) as { readonly address: string };
  });
  return { location: JSON.parse(text).meta.location, address: line.address };
}

const forwarded = {
  host: "inside:8080",
  "x-forwarded-for": "198.51.100.7, 203.0.113.9",
  "x-forwarded-proto": "https",
  "x-forwarded-host": "scim.example.com",
};
const path = "/scim/v2/ServiceProviderConfig";

describe("the headers of a proxy", () => {
  it("are ignored by default", async () => {
    const serve = await serveWith({});
    expect(await seen(serve, forwarded, "request-1")).toEqual({
      location: `http://inside:8080${path}`,
      address: "127.0.0.1",
    });
    // A Host that could not be one is not repeated, and none is kept: the next answer has its own.
    for (const host of ['"><script>', "a b", `${"x".repeat(300)}.example.com`, "evil.example.com/path?"])
      expect((await seen(serve, { host }, "request-2")).location).toBe(`http://localhost${path}`);
    expect((await seen(serve, { host: "other.example.com" }, "request-3")).location).toBe(
      `http://other.example.com${path}`,
    );
  });

  it("are trusted for the configured number of hops", async () => {
    const serve = await serveWith({ trustProxy: 1 });
    expect(await seen(serve, forwarded, "request-1")).toEqual({
      location: `https://scim.example.com${path}`,
      address: "203.0.113.9",
    });
    expect(await seen(serve, { ...forwarded, "x-forwarded-for": "nobody" }, "request-2")).toMatchObject({
      address: "127.0.0.1",
    });
    const { location } = await seen(serve, { ...forwarded, "x-forwarded-host": '"><script>' }, "request-3");
    expect(location).toBe(`https://localhost${path}`);
  });

  it("are trusted from the configured addresses, up to the first other address", async () => {
    const serve = await serveWith({ trustProxy: ["127.0.0.0/8", "203.0.113.0/24"] });
    expect(await seen(serve, forwarded, "request-1")).toEqual({
      location: `https://scim.example.com${path}`,
      address: "198.51.100.7",
    });
    const elsewhere = await serveWith({ trustProxy: ["10.0.0.0/8"], publicUrl: "https://rollcall.example.com" });
    expect(await seen(elsewhere, forwarded, "request-2")).toEqual({
      location: `https://rollcall.example.com${path}`,
      address: "127.0.0.1",
    });
  });
});
