import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { company, seedCompany, startBitwarden, startOnePassword } from "../../src/sandbox/index.ts";
import { bitwardenCalls, bitwardenToken, onBitwarden, onSixtyUsers } from "./calls.ts";

describe("faults", () => {
  const test = onBitwarden.override("random", () => () => 0.5);

  test("a fault hits the matching requests as many times as it says", async ({ sandbox: { faults }, call }) => {
    const later = { status: 503, body: { message: "later" } };
    faults.add({ kind: "status", ...later, method: "GET", path: /members$/, times: 2, skip: 1 });
    const statuses = [];
    for (let count = 0; count < 4; count += 1) statuses.push((await call("GET /members")).status);
    expect(statuses).toEqual([200, 503, 503, 200]);
    expect(faults.armed).toBe(0);
  });

  test("a fault can have a probability", async ({ sandbox: { faults }, call }) => {
    faults.add({ kind: "html", probability: 0.6 });
    const page = await call("GET /members");
    expect([page.status, page.headers.get("content-type")]).toEqual([502, "text/html"]);
    faults.clear();
    faults.add({ kind: "html", probability: 0.5 });
    expect((await call("GET /members")).status).toBe(200);
  });

  test("429 and 401 faults have the vendor's form", async ({ sandbox: { faults }, call }) => {
    faults.add({ kind: "rateLimit", retryAfterSeconds: 7 });
    faults.add({ kind: "unauthorized" });
    const limited = await call("GET /members");
    expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "7"]);
    expect((await call("GET /members")).outcome).toEqual([401, ""]);
  });

  test("a connection is reset before the work or after it", async ({ sandbox: { faults, requests }, state, call }) => {
    faults.add({ kind: "resetBefore", method: "POST" });
    await expect(call("POST /groups", { name: "lost" })).rejects.toThrow();
    expect(state.groups.size).toBe(0);
    faults.add({ kind: "resetAfter", method: "POST" });
    await expect(call("POST /groups", { name: "done" })).rejects.toThrow();
    expect(state.groupByName("done")).toBeDefined();
    expect(requests.count({ method: "POST", path: /groups/, status: 0 })).toBe(2);
  });

  test("a request without an answer waits until the client stops", async ({ sandbox }) => {
    sandbox.faults.add({ kind: "hang" });
    const request = fetch(`${sandbox.apiUrl}/public/members`, { signal: AbortSignal.timeout(20) });
    await expect(request).rejects.toThrow(/timeout/);
  });

  test("a token can expire earlier than it says", async ({ sandbox, clock }) => {
    sandbox.faults.add({ kind: "expireEarly", afterSeconds: 10, path: /token/ });
    const early = await bitwardenCalls(sandbox);
    clock.advance(10);
    expect((await early("GET /members")).status).toBe(401);
    expect((await bitwardenToken(sandbox)).body.expires_in).toBe(3600);
  });

  test("requests are counted by route", async ({ sandbox: { requests }, state, call }) => {
    const { id } = state.addMember({ email: "a@example.com" });
    await call(`POST /members/${id}/revoke`);
    await call("GET /members");
    expect(requests.byRoute.get("POST /api/public/members/{id}/revoke")).toBe(1);
    expect([requests.countWrites(), requests.total]).toEqual([1, 3]);
    expect(requests.entries.at(-1)).toMatchObject({ method: "GET", path: "/api/public/members", status: 200 });
  });
});

describe("list faults of 1Password", () => {
  onSixtyUsers("a list can repeat its page token without end", async ({ sandbox, call }) => {
    sandbox.faults.add({ kind: "repeatPageToken", path: /\/users/, times: Number.POSITIVE_INFINITY });
    const { next_page_token: token } = (await call("GET /users")).body;
    for (let count = 0; count < 3; count += 1)
      expect((await call(`GET /users?page_token=${encodeURIComponent(token)}`)).body.next_page_token).toBe(token);
  });

  onSixtyUsers("a list can lose a page or end too early", async ({ sandbox, call }) => {
    sandbox.faults.add({ kind: "dropPage" });
    expect(Object.keys((await call("GET /users")).body)).toEqual(["next_page_token"]);
    sandbox.faults.add({ kind: "truncateList" });
    expect(Object.keys((await call("GET /users")).body)).toEqual(["results"]);
  });
});

describe("persistence and the company", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sandbox-"));
    return () => rm(folder, { recursive: true });
  });

  it("every answered change is in the file", async () => {
    const options = { persistFile: join(folder, "bitwarden.json"), seats: 1 };
    const first = await startBitwarden(options);
    const call = await bitwardenCalls(first);
    const emails = Array.from({ length: 20 }, (_, index) => `u${index}@example.com`);
    await Promise.all(emails.map((email) => call("POST /members", { email, type: 2 })));
    expect(JSON.parse(await readFile(options.persistFile, "utf8")).members).toHaveLength(20);
    const second = await startBitwarden(options);
    expect(second.state.mails("u7@example.com")).toBe(1);
    expect([second.state.occupiedSeats, second.state.settings.seats, second.state.seatsBought]).toEqual([20, 20, 19]);
    await Promise.all([first.close(), second.close()]);
  });

  it("the company has the same twenty people each time", async () => {
    const persistFile = join(folder, "1password.json");
    const bitwarden = await startBitwarden();
    const onePassword = await startOnePassword({ persistFile });
    seedCompany(bitwarden.state, onePassword.state);
    const emails = company.people.map((person) => person.email);
    expect([emails.length, company.groups.length]).toEqual([20, 4]);
    expect(onePassword.state.emailsIn("ACTIVE")).toEqual(emails.sort());
    expect(bitwarden.state.memberByEmail(company.owner)).toMatchObject({ type: 0, status: 2, externalId: null });
    expect(bitwarden.state.memberByEmail("ada.lovelace@example.com")?.collections).toHaveLength(2);
    for (const { members } of company.groups) expect(emails).toEqual(expect.arrayContaining([...members]));
    await Promise.all([bitwarden.close(), onePassword.close()]);
    const again = await startOnePassword({ persistFile });
    expect([...again.state.users.values()]).toEqual([...onePassword.state.users.values()]);
    await again.close();
  });
});
