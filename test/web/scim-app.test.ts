import express from "express";
import supertest from "supertest";
import { describe, expect, it } from "vitest";
import { createScimApp, type ScimAppParts } from "../../src/server/scim-app.ts";

/** The application of the SCIM listener, with a router that returns what it sees of a request. */
const ask = (parts: Partial<ScimAppParts> = {}) =>
  supertest(
    createScimApp({
      scim: express
        .Router()
        .use(
          ({ method, path, ip, protocol, host }, response) => void response.json({ method, path, ip, protocol, host }),
        ),
      assertReady: async () => {},
      ...parts,
    }),
  );

describe("the SCIM listener", () => {
  it("answers health checks without a token", async () => {
    await ask()
      .get("/healthz")
      .expect(200, "ok\n")
      .expect("content-type", /^text\/plain/);
    await ask().get("/readyz").expect(200, "ready\n");
  });

  it("gives the reason why it accepts no writes, while the process lives", async () => {
    const full = ask({ assertReady: () => Promise.reject(new Error("database or disk is full")) });
    await full.get("/readyz").expect(503, "not ready: database or disk is full\n");
    await full.get("/healthz").expect(200);
  });

  it.each([
    ["get", "/", 404],
    ["get", "/Users", 404],
    ["post", "/scim/v1/Users", 404],
    ["put", "/healthz", 404],
    ["get", "/%zz", 404],
  ] as const)("%s %s is a SCIM error that names the right path", async (method, path, status) => {
    const answer = await ask()[method](path).expect(status);
    expect(answer.type).toBe("application/scim+json");
    expect(JSON.parse(answer.text)).toEqual({
      schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"],
      status: String(status),
      detail: "not found; SCIM is at /scim/v2",
    });
  });

  it("does not reveal its software, and forbids framing, sniffing and caching", async () => {
    const { headers } = await ask().get("/healthz");
    expect(headers).not.toHaveProperty("x-powered-by");
    expect(headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "x-frame-options": "SAMEORIGIN",
      "content-security-policy": expect.stringContaining("default-src 'self'"),
    });
  });
});

describe("behind a proxy", () => {
  const forwarded = {
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "scim.example.com",
  };

  it("takes client, scheme and host from the proxy only if the proxy is trusted", async () => {
    const strange = await ask().get("/scim/v2/Users").set(forwarded);
    expect(strange.body).toMatchObject({ path: "/Users", protocol: "http" });
    expect([strange.body.ip, strange.body.host]).not.toContain("203.0.113.7");
    expect(strange.body.host).toMatch(/^127\.0\.0\.1:\d+$/);

    const trusted = await ask({ trustProxy: 1 }).get("/scim/v2/Users").set(forwarded);
    expect(trusted.body).toMatchObject({ ip: "203.0.113.7", protocol: "https", host: "scim.example.com" });

    const elsewhere = await ask({ trustProxy: ["192.0.2.0/24"] })
      .get("/scim/v2/Users")
      .set(forwarded);
    expect(elsewhere.body).toEqual({ ...strange.body, host: elsewhere.body.host });
  });
});
