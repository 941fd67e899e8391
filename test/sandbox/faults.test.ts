import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type BitwardenSandbox,
  company,
  type OnePasswordSandbox,
  seedCompany,
  startBitwarden,
  startOnePassword,
} from "../../src/sandbox/index.ts";
import { bitwardenCalls, bitwardenToken, type Call, Clock, onePasswordCalls } from "./calls.ts";

describe("faults", () => {
  const clock = new Clock();
  let sandbox: BitwardenSandbox;
  let call: Call;
  beforeEach(async () => {
    sandbox = await startBitwarden({ clock: clock.now, random: () => 0.5 });
    call = await bitwardenCalls(sandbox);
  });
  afterEach(() => sandbox.close());

  it("a fault hits the matching requests as many times as it says", async () => {
    sandbox.faults.add({
      kind: "status",
      status: 503,
      body: { message: "later" },
      method: "GET",
      path: /members$/,
      times: 2,
      skip: 1,
    });
    const statuses = [];
    for (let count = 0; count < 4; count += 1) statuses.push((await call("GET", "/public/members")).status);
    expect(statuses).toEqual([200, 503, 503, 200]);
    expect(sandbox.faults.armed).toBe(0);
    sandbox.faults.add({ kind: "html", probability: 0.6 });
    const page = await call("GET", "/public/members");
    expect([page.status, page.headers.get("content-type")]).toEqual([502, "text/html"]);
    sandbox.faults.clear();
    sandbox.faults.add({ kind: "html", probability: 0.5 });
    expect((await call("GET", "/public/members")).status).toBe(200);
  });

  it("429 and 401 faults have the vendor's form", async () => {
    sandbox.faults.add({ kind: "rateLimit", retryAfterSeconds: 7 });
    sandbox.faults.add({ kind: "unauthorized" });
    const limited = await call("GET", "/public/members");
    expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "7"]);
    const expired = await call("GET", "/public/members");
    expect([expired.status, expired.text]).toEqual([401, ""]);
  });

  it("a connection is reset before the work or after it", async () => {
    sandbox.faults.add({ kind: "resetBefore", method: "POST" });
    await expect(call("POST", "/public/groups", { name: "lost" })).rejects.toThrow();
    expect(sandbox.state.groups.size).toBe(0);
    sandbox.faults.add({ kind: "resetAfter", method: "POST" });
    await expect(call("POST", "/public/groups", { name: "done" })).rejects.toThrow();
    expect(sandbox.state.groupByName("done")).toBeDefined();
    expect(sandbox.requests.count({ method: "POST", path: /groups/, status: 0 })).toBe(2);
  });

  it("a request without an answer waits until the client stops", async () => {
    sandbox.faults.add({ kind: "hang" });
    await expect(fetch(`${sandbox.apiUrl}/public/members`, { signal: AbortSignal.timeout(20) })).rejects.toThrow(
      /timeout/,
    );
  });

  it("a token can expire earlier than it says", async () => {
    sandbox.faults.add({ kind: "expireEarly", afterSeconds: 10, path: /token/ });
    const early = await bitwardenCalls(sandbox);
    clock.advance(10);
    expect((await early("GET", "/public/members")).status).toBe(401);
    expect((await bitwardenToken(sandbox)).body.expires_in).toBe(3600);
  });

  it("requests are counted by route", async () => {
    const { id } = sandbox.state.addMember({ email: "a@example.com" });
    await call("POST", `/public/members/${id}/revoke`);
    await call("GET", "/public/members");
    expect(sandbox.requests.byRoute.get("POST /api/public/members/{id}/revoke")).toBe(1);
    expect([sandbox.requests.countWrites(), sandbox.requests.total]).toEqual([1, 3]);
    expect(sandbox.requests.entries.at(-1)).toMatchObject({ method: "GET", path: "/api/public/members", status: 200 });
  });
});

describe("list faults of 1Password", () => {
  let sandbox: OnePasswordSandbox;
  let call: Call;
  beforeEach(async () => {
    sandbox = await startOnePassword();
    call = await onePasswordCalls(sandbox);
    for (let count = 0; count < 60; count += 1) sandbox.state.addUser({ email: `u${count}@example.com` });
  });
  afterEach(() => sandbox.close());

  it("a list can repeat its page token without end", async () => {
    sandbox.faults.add({ kind: "repeatPageToken", path: /\/users/, times: Number.POSITIVE_INFINITY });
    const { next_page_token: token } = (await call("GET", "/users")).body;
    for (let count = 0; count < 3; count += 1) {
      expect((await call("GET", `/users?page_token=${encodeURIComponent(token)}`)).body.next_page_token).toBe(token);
    }
  });

  it("a list can lose a page or end too early", async () => {
    sandbox.faults.add({ kind: "dropPage" });
    expect(Object.keys((await call("GET", "/users")).body)).toEqual(["next_page_token"]);
    sandbox.faults.add({ kind: "truncateList" });
    expect(Object.keys((await call("GET", "/users")).body)).toEqual(["results"]);
  });
});

describe("persistence and the company", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sandbox-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("every answered change is in the file", async () => {
    const persistFile = join(folder, "bitwarden.json");
    const first = await startBitwarden({ persistFile, seats: 1 });
    const call = await bitwardenCalls(first);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        call("POST", "/public/members", { email: `u${index}@example.com`, type: 2 }),
      ),
    );
    const written = JSON.parse(await readFile(persistFile, "utf8"));
    expect(written.members).toHaveLength(20);
    const second = await startBitwarden({ persistFile, seats: 1 });
    expect(second.state.mails("u7@example.com")).toBe(1);
    expect([second.state.occupiedSeats, second.state.settings.seats, second.state.seatsBought]).toEqual([20, 20, 19]);
    await Promise.all([first.close(), second.close()]);
  });

  it("the company has the same twenty people each time", async () => {
    const files = { bitwarden: join(folder, "bw.json"), onePassword: join(folder, "op.json") };
    const bitwarden = await startBitwarden({ persistFile: files.bitwarden });
    const onePassword = await startOnePassword({ persistFile: files.onePassword });
    seedCompany(bitwarden.state, onePassword.state);
    expect([company.people.length, company.groups.length]).toEqual([20, 4]);
    expect(onePassword.state.emailsIn("ACTIVE")).toEqual(company.people.map((person) => person.email).sort());
    expect(bitwarden.state.memberByEmail(company.owner)).toMatchObject({ type: 0, status: 2, externalId: null });
    expect(bitwarden.state.memberByEmail("ada.lovelace@example.com")?.collections).toHaveLength(2);
    const emails = new Set(company.people.map((person) => person.email));
    for (const { members } of company.groups) for (const email of members) expect(emails).toContain(email);
    await Promise.all([bitwarden.close(), onePassword.close()]);
    const again = await startOnePassword({ persistFile: files.onePassword });
    expect([...again.state.users.values()]).toEqual([...onePassword.state.users.values()]);
    await again.close();
  });
});
