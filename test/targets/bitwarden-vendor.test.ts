import { MockAgent } from "undici";
import { describe, expect, it } from "vitest";
import type { Change } from "../../src/domain/model/plan.ts";
import type { TargetRequest } from "../../src/domain/ports/target.ts";
import { startBitwarden } from "../../src/sandbox/index.ts";
import { bitwardenWorld } from "./target-world.ts";
import { patient } from "./virtual-time.ts";

const invites = (count: number): readonly Change[] =>
  Array.from({ length: count }, (_, index) => ({
    op: "invite",
    userId: `${index}`,
    email: `p${index}@example.com`,
    externalId: `u-${index}`,
  }));

describe("Bitwarden as a vendor", () => {
  it("calls stay below the limits of the cloud", async () => {
    await using world = await bitwardenWorld({ rateLimits: true, useDirectory: false });
    const outcomes = await world.apply(invites(150));
    expect(outcomes.every(({ status }) => status === "applied")).toBe(true);
    expect([...world.sandbox.state.allMails.values()].every((mails) => mails === 1)).toBe(true);
  });

  it("a Retry-After is respected, and nobody is invited twice", async () => {
    await using world = await bitwardenWorld();
    world.sandbox.faults.add({ kind: "rateLimit", retryAfterSeconds: 30, method: "POST", path: /members$/, times: 2 });
    expect((await world.apply(invites(3))).map(({ status }) => status)).toEqual(["applied", "applied", "applied"]);
    expect(world.time.slept.filter((ms) => ms >= 30_000)).not.toEqual([]);
    expect([...world.sandbox.state.allMails.values()]).toEqual([1, 1, 1]);
  });

  it("too many 429 end the apply with the time to wait", async () => {
    await using world = await bitwardenWorld();
    await world.observe();
    world.sandbox.faults.add({ kind: "rateLimit", retryAfterSeconds: 3_600, times: Number.POSITIVE_INFINITY });
    await expect(world.observe()).rejects.toMatchObject({ code: "TARGET_RATE_LIMITED", retryAfterMs: 3_600_000 });
  });

  it("one token is used for an hour and renewed when it is refused", async () => {
    await using world = await bitwardenWorld();
    await world.observe();
    world.time.advance(50 * 60_000);
    await world.observe();
    expect(world.sandbox.tokens.issued).toBe(1);
    world.sandbox.tokens.revokeAll();
    await Promise.all([world.observe(), world.observe(), world.observe()]);
    expect(world.sandbox.tokens.issued).toBe(2);
  });

  it("refused credentials are reported with advice", async () => {
    await using world = await bitwardenWorld({}, { clientSecret: "wr0ng" });
    await expect(world.observe()).rejects.toMatchObject({ code: "TARGET_REFUSED_CREDENTIALS", isPermanent: true });
    const [finding] = await world.target.check(patient);
    expect(finding).toMatchObject({
      level: "error",
      message: expect.stringMatching(/invalid_client.*bitwarden\.eu.*Teams or Enterprise/),
    });
    expect(finding?.message).not.toContain("wr0ng");
  });

  it("a wrong identityUrl is reported", async () => {
    const gone = await startBitwarden();
    await gone.close();
    await using world = await bitwardenWorld({}, { identityUrl: gone.identityUrl });
    expect((await world.target.check(patient))[0]).toMatchObject({
      level: "error",
      message: expect.stringContaining("ECONNREFUSED"),
    });
    await using other = await bitwardenWorld();
    await using lost = await bitwardenWorld({}, { identityUrl: other.sandbox.apiUrl });
    expect((await lost.target.check(patient))[0]).toMatchObject({
      level: "error",
      message: expect.stringContaining("identityUrl"),
    });
  });

  it("lists in pages, as older versions send them, are read", async () => {
    const agent = new MockAgent();
    const answer = (path: string, method: string, body: unknown) =>
      agent
        .get("https://vault.example.com")
        .intercept({ path, method })
        .reply(200, JSON.stringify(body), { headers: { "content-type": "application/json" } });
    const member = { id: "1", email: "Ada@Example.com", type: 2, status: 2, brandNew: true };
    answer("/identity/connect/token", "POST", { access_token: "t", token_type: "Bearer", expires_in: 3600 });
    answer("/api/public/members", "GET", { data: [member], continuationToken: "a/b" });
    answer("/api/public/members?continuationToken=a%2Fb", "GET", {
      data: [{ ...member, id: "2" }],
      continuationToken: null,
    });
    answer("/api/public/groups", "GET", { object: "list", data: [] });
    const urls = { apiUrl: "https://vault.example.com/api/", identityUrl: "https://vault.example.com/identity/" };
    await using world = await bitwardenWorld({}, { dispatcher: agent, ...urls });
    expect((await world.observe()).accounts.map(({ remoteId, email }) => [remoteId, email])).toEqual([
      ["1", "ada@example.com"],
      ["2", "ada@example.com"],
    ]);
    agent.assertNoPendingInterceptors();
  });

  it("check always warns that the key acts as an owner", async () => {
    await using world = await bitwardenWorld();
    expect(await world.target.check(patient)).toMatchObject([
      { level: "ok" },
      { level: "warning", message: expect.stringContaining("acts as an owner") },
    ]);
  });

  it("a PUT that a proxy answers with a page is repeated", async () => {
    await using world = await bitwardenWorld();
    const member = world.sandbox.state.addMember({ email: "ada@example.com" });
    world.sandbox.faults.add({ kind: "html", status: 502, method: "PUT", times: 2 });
    const adopt: Change = { op: "adopt", userId: "u", email: member.email, remoteId: member.id, externalId: "u" };
    expect(await world.apply([adopt])).toMatchObject([{ status: "applied" }]);
    expect(world.sandbox.state.member(member.id).externalId).toBe("u");
  });

  it("three unanswered changes end the apply", async () => {
    await using world = await bitwardenWorld({}, { timeouts: { silenceMs: 1_500 } });
    const observed = await world.observe();
    world.sandbox.faults.add({ kind: "hang", times: Number.POSITIVE_INFINITY });
    await expect(world.apply(invites(20), observed)).rejects.toMatchObject({ code: "TARGET_UNREACHABLE" });
    expect(world.sandbox.requests.count({ method: "POST", path: /members$/ })).toBeLessThanOrEqual(8);
  });

  it("an aborted apply stops in the middle", async () => {
    await using world = await bitwardenWorld();
    const stop = new AbortController();
    const seen: string[] = [];
    const applying = (async () => {
      for await (const { status } of world.target.apply(invites(20), await world.observe(), stop.signal)) {
        seen.push(status);
        if (seen.length === 3) stop.abort(new Error("shutdown"));
      }
    })();
    await expect(applying).rejects.toMatchObject({ code: "ABORTED" });
    expect(world.sandbox.state.members.size).toBeLessThan(12);
  });

  it("requests are measured by operation, with few different names", async () => {
    const seen: TargetRequest[] = [];
    await using world = await bitwardenWorld({}, { onRequest: (exchange) => seen.push(exchange) });
    await world.apply(invites(2));
    expect([...new Set(seen.map(({ operation }) => operation))].sort()).toEqual([
      "groups.list",
      "members.invite",
      "members.list",
      "token.get",
    ]);
  });

  it("logs and errors have no secret", async () => {
    const lines: string[] = [];
    await using world = await bitwardenWorld(
      {},
      {
        log: (level, message, fields) => lines.push(JSON.stringify([level, message, fields, String(fields["error"])])),
      },
    );
    world.sandbox.faults.add({ kind: "html", status: 502, times: 3 });
    world.sandbox.faults.add({ kind: "resetBefore", method: "POST", path: /members$/ });
    await world.observe();
    await world.apply(invites(1));
    expect(lines.join("\n")).toContain("trying again");
    expect(lines.join("\n")).not.toMatch(new RegExp(`${world.sandbox.clientSecret}|Bearer|eyJ`));
  });
});
