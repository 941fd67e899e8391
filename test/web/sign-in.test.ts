import express from "express";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSeal } from "../../src/crypto/seal.ts";
import type { AuditEntry } from "../../src/domain/model/audit.ts";
import { createAccess } from "../../src/web/access/access.ts";
import { createOidc, type Oidc, termsOf } from "../../src/web/access/oidc.ts";
import { type RoleToken, requireRole, visitorOf } from "../../src/web/access/role.ts";
import { loadAssets } from "../../src/web/console/assets.ts";
import { signInRoutes } from "../../src/web/console/pages/sign-in.ts";
import { type OidcProvider, startOidcProvider } from "../support/oidc-provider.ts";
import { openTab, serveApp, type Tab } from "./browser.ts";

const hourMs = 3_600_000;
const tokens = [
  { role: "admin", token: "admin-token-0123456789" },
  { role: "operator", token: "operator-token-0123456789" },
  { role: "viewer", token: "viewer-token-0123456789" },
] as const;
const [admin, operator, viewer] = tokens.map(({ token }) => token) as [string, string, string];
const assets = loadAssets();

let clock: number;
let slept: number[];
let audited: AuditEntry[];
let warned: string[];
let server: Awaited<ReturnType<typeof serveApp>>;
let base: string;
let closing: (() => Promise<void>)[];

/** The sign-in and three routes behind it. */
async function start(
  settings: {
    readonly publicUrl?: string;
    readonly tokens?: readonly RoleToken[];
    readonly oidc?: Oidc;
    readonly moreSecrets?: readonly string[];
    readonly record?: (entry: AuditEntry) => Promise<void>;
    readonly trustProxy?: number;
  } = {},
) {
  const access = createAccess({
    tokens: settings.tokens ?? tokens,
    moreSecrets: settings.moreSecrets ?? [],
    isTls: false,
    publicUrl: settings.publicUrl ?? null,
    now: () => clock,
    warn: (message) => void warned.push(message),
  });
  const app = express();
  app.set("trust proxy", settings.trustProxy ?? false);
  app.use(access.identify);
  app.use(
    signInRoutes({
      access,
      oidc: settings.oidc ?? null,
      assets,
      record: settings.record ?? (async (entry) => void audited.push(entry)),
      warn: (message) => void warned.push(message),
      sleep: async (ms) => void slept.push(ms),
    }),
  );
  app.get("/", requireRole("viewer"), (_request, response) => {
    const { role, actor, csrfToken } = visitorOf(response);
    response.send(`${role} ${actor} name="_csrf" value="${csrfToken}"`);
  });
  app.post("/act", requireRole("operator"), (_request, response) => void response.send("acted"));
  app.delete("/api/thing", requireRole("admin"), (_request, response) => void response.send("deleted"));
  server = await serveApp(app);
  closing.push(server.close);
  base = server.url;
  return access;
}

const signIn = async (token: string, tab = openTab(base)): Promise<Tab> => {
  expect(await tab.post("/sign-in", { token, to: "/" })).toMatchObject({ status: 303, location: "/" });
  return tab;
};

/** A second browser with the cookies of the first. */
const copyOf = ({ cookies }: Pick<Tab, "cookies">): Tab => openTab(base, cookies);
const statusWith = async (tab: Tab): Promise<number> => (await tab.get("/")).status;
const bearer = (token: string, path = "", method = "GET", headers = {}): Promise<number> =>
  fetch(base + path, { method, headers: { ...headers, authorization: `Bearer ${token}` } }).then(
    ({ status }) => status,
  );

beforeEach(() => {
  clock = 1_800_000_000_000;
  [slept, audited, warned, closing] = [[], [], [], []];
});
afterEach(async () => {
  for (const close of closing) await close();
});

describe("a token", () => {
  it.each(tokens)(
    "signs in with the role $role and is named in the audit trail by its fingerprint",
    async ({ role, token }) => {
      await start();
      const tab = await signIn(token);
      expect((await tab.get("/")).text).toMatch(new RegExp(`^${role} console:${role} \\(token [0-9a-f]{8}\\)`));
      expect(audited).toMatchObject([{ action: "console.sign-in", detail: { role } }]);
      expect(JSON.stringify(audited)).not.toContain(token);
      expect([...tab.cookies.values()].join()).not.toContain(token);
    },
  );

  it("that is wrong does not sign in, and the answer reveals nothing about the right one", async () => {
    await start();
    const tab = openTab(base);
    for (const token of ["", "x", `${admin}x`, admin.slice(0, -1), admin.toUpperCase()]) {
      const answer = await tab.post("/sign-in", { token, to: "/" });
      expect(answer.status).toBe(401);
      expect(answer.text).not.toContain(admin);
    }
    expect(tab.cookies.size).toBe(0);
    expect(await statusWith(tab)).toBe(401);
    expect(audited).toEqual([]);
  });

  it("leads back to the requested page of this console, and never to another site", async () => {
    await start();
    for (const [to, location] of [
      ["/people?state=failed", "/people?state=failed"],
      ["//evil.example", "/"],
      ["/\\evil.example", "/"],
      ["https://evil.example/", "/"],
      ["javascript:alert(1)", "/"],
      ["/sign-out", "/"],
      ["/a\r\nSet-Cookie: x=y", "/"],
    ] as const)
      expect((await openTab(base).post("/sign-in", { token: viewer, to })).location, to).toBe(location);
  });

  it("is also a bearer token with the same role", async () => {
    await start();
    for (const { token, allowed } of [
      { token: viewer, allowed: [200, 403, 403] },
      { token: operator, allowed: [200, 200, 403] },
      { token: admin, allowed: [200, 200, 200] },
      { token: "nothing", allowed: [401, 401, 401] },
    ])
      expect([
        await bearer(token, "/"),
        await bearer(token, "/act", "POST"),
        await bearer(token, "/api/thing", "DELETE"),
      ]).toEqual(allowed);
  });
});

describe("a session", () => {
  it("is an HttpOnly cookie that scripts and forms of other sites do not get, and over https it is bound to the host", async () => {
    await start();
    const plain = (await openTab(base).post("/sign-in", { token: admin, to: "/" })).headers.getSetCookie()[0] ?? "";
    expect(plain).toMatch(/^rollcall=[\w-]+; Max-Age=43200; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/);
    await start({ publicUrl: "https://rollcall.example.com" });
    const secure = (await openTab(base).post("/sign-in", { token: admin, to: "/" })).headers.getSetCookie()[0] ?? "";
    expect(secure).toMatch(
      /^__Host-rollcall=[\w-]+; Max-Age=43200; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Lax$/,
    );
  });

  it("ends after 12 hours without a request of a person, and after seven days in any case", async () => {
    await start();
    const tab = await signIn(admin);
    clock += 11 * hourMs;
    expect(await statusWith(tab)).toBe(200);
    clock += 11 * hourMs;
    // Automatic requests of a page do not count.
    expect((await tab.get("/?live")).status).toBe(200);
    clock += hourMs;
    expect(await statusWith(tab)).toBe(401);

    const busy = await signIn(admin);
    for (let hours = 0; hours < 7 * 24 - 1; hours += 1) {
      clock += hourMs;
      expect(await statusWith(busy), `${hours} h`).toBe(200);
    }
    clock += 2 * hourMs;
    expect(await statusWith(busy)).toBe(401);
  });

  it("survives a restart, and ends when its token or the rules of sign-in change", async () => {
    const oidc = {
      issuer: "https://login.example.com",
      clientId: "rollcall",
      clientSecret: "s",
      scopes: ["openid"],
      rolesClaim: "groups",
      roles: { viewer: ["staff"], operator: [], admin: ["identity", "interns"] },
    };
    const fewer = { ...oidc, roles: { ...oidc.roles, admin: ["identity"] } };
    const changed = (role: string, more: Partial<RoleToken>): readonly RoleToken[] =>
      tokens.map((each) => (each.role === role ? { ...each, ...more } : each));
    await start({ moreSecrets: [termsOf(oidc)] });
    const tab = await signIn(viewer);
    for (const { settings, status } of [
      { settings: { moreSecrets: [termsOf({ ...oidc })] }, status: 200 },
      { settings: { tokens: changed("viewer", { token: "another-viewer-token" }) }, status: 401 },
      { settings: { tokens: changed("viewer", { role: "operator" }) }, status: 401 },
      { settings: { moreSecrets: [termsOf(fewer)] }, status: 401 },
    ]) {
      await start({ moreSecrets: [termsOf(oidc)], ...settings });
      expect(await statusWith(copyOf(tab)), JSON.stringify(settings)).toBe(status);
    }
  });

  it("does not begin if the audit trail cannot be written", async () => {
    await start({ record: () => Promise.reject(new Error("the disk is full")) });
    const tab = openTab(base);
    expect((await tab.post("/sign-in", { token: admin, to: "/" })).status).toBe(500);
    expect(tab.cookies.size).toBe(0);
  });

  it("that was signed out cannot be continued with a copy of its cookie", async () => {
    await start();
    const tab = await signIn(admin);
    const copy = copyOf(tab);
    expect(await tab.post("/sign-out", { _csrf: await tab.csrf() })).toMatchObject({
      status: 303,
      location: "/sign-in",
    });
    expect(tab.cookies.size).toBe(0);
    expect(await statusWith(copy)).toBe(401);
    expect(audited.map(({ action }) => action)).toEqual(["console.sign-in", "console.sign-out"]);
  });

  it("that somebody forged or changed is refused", async () => {
    await start();
    const tab = await signIn(viewer);
    const good = tab.cookies.get("rollcall") ?? "";
    const flipped = Buffer.from(good, "base64url");
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    const session = { role: "admin", name: "x", actor: "x", id: "x", by: "token", beganAtMs: clock, seenAtMs: clock };
    const forged = createSeal(["guess"], "session cookie").seal(session);
    const secrets = tokens.map(({ role, token }) => `${role} ${token}`);
    const otherPurpose = createSeal(secrets, "sign-in flow").seal(session);
    const changed = [good.slice(0, -4), flipped.toString("base64url"), forged, otherPurpose];
    for (const value of ["", "x", ...changed, "A".repeat(9000)]) {
      tab.cookies.set("rollcall", value);
      expect(await statusWith(tab), value.slice(0, 20)).toBe(401);
    }
    tab.cookies.set("rollcall", good);
    expect(await statusWith(tab)).toBe(200);
  });
});

describe("a write with a session's cookie", () => {
  it("must come from a page of this console with its token", async () => {
    await start();
    const tab = await signIn(operator);
    const _csrf = await tab.csrf();
    expect((await tab.post("/act", { _csrf })).text).toBe("acted");
    const other = await (await signIn(operator)).csrf();
    for (const [form, headers] of [
      [{}, {}],
      [{ _csrf: other }, {}],
      [{ _csrf: `${_csrf}x` }, {}],
      [{ _csrf }, { "sec-fetch-site": "cross-site" }],
      [{ _csrf }, { "sec-fetch-site": "same-site" }],
      [{ _csrf }, { "sec-fetch-site": "none" }],
      [{ _csrf }, { "content-type": "text/plain" }],
      [{ _csrf }, { "x-csrf-token": "wrong" }],
    ] as const)
      expect(
        (await tab.post("/act", form as Record<string, string>, headers as Record<string, string>)).status,
        JSON.stringify([form, headers]),
      ).toBe(403);
  });

  it("is accepted by its Origin if the browser sends no Sec-Fetch-Site", async () => {
    await start();
    const tab = await signIn(operator);
    const _csrf = await tab.csrf();
    const write = async (headers: Record<string, string>) => {
      const response = await fetch(`${base}/act`, {
        method: "POST",
        headers: {
          cookie: `rollcall=${tab.cookies.get("rollcall")}`,
          "content-type": "application/x-www-form-urlencoded",
          ...headers,
        },
        body: new URLSearchParams({ _csrf }),
      });
      return response.status;
    };
    expect(await write({ origin: base })).toBe(200);
    expect([await write({ origin: "https://evil.example" }), await write({ origin: "null" }), await write({})]).toEqual(
      [403, 403, 403],
    );
  });

  it("to the API needs the token in a header", async () => {
    await start();
    const tab = await signIn(admin);
    const csrf = await tab.csrf();
    const remove = async (headers: Record<string, string>) =>
      (
        await fetch(`${base}/api/thing`, {
          method: "DELETE",
          headers: { cookie: `rollcall=${tab.cookies.get("rollcall")}`, "sec-fetch-site": "same-origin", ...headers },
        })
      ).status;
    expect([
      await remove({ "x-csrf-token": csrf }),
      await remove({}),
      await remove({ "x-csrf-token": csrf, "sec-fetch-site": "cross-site" }),
    ]).toEqual([200, 403, 403]);
  });

  it("from another site does not sign in", async () => {
    await start();
    expect(
      (await openTab(base).post("/sign-in", { token: admin, to: "/" }, { "sec-fetch-site": "cross-site" })).status,
    ).toBe(403);
  });
});

describe("guessing tokens", () => {
  it("is blocked for an address for a minute after ten wrong tokens", async () => {
    await start();
    const tab = openTab(base);
    for (let guess = 0; guess < 10; guess += 1)
      expect((await tab.post("/sign-in", { token: `guess-${guess}`, to: "/" })).status).toBe(401);
    const refused = await tab.post("/sign-in", { token: admin, to: "/" });
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "60"]);
    // A guess as a bearer token counts as well.
    expect(await bearer(admin)).toBe(429);
    clock += 60_000;
    await signIn(admin, tab);
  });

  it.each([
    // Azure Application Gateway adds a port, another one for each connection.
    ["an address and a port", (guess: number) => `198.51.100.7:${50_000 + guess}`],
    ["an IPv6 address and a port", (guess: number) => `[2001:db8::${guess}]:${50_000 + guess}`],
    ["no address", (guess: number) => `unknown-${guess}`],
  ])("counts one client behind a proxy that sends %s", async (_what, forwarded) => {
    await start({ trustProxy: 1 });
    const tab = openTab(base);
    const statuses: number[] = [];
    for (let guess = 0; guess < 6; guess += 1) {
      const headers = { "x-forwarded-for": forwarded(guess) };
      statuses.push((await tab.post("/sign-in", { token: `guess-${guess}`, to: "/" }, headers)).status);
      statuses.push(await bearer(`guess-${guess}`, "", "GET", headers));
    }
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429]);
    // Other addresses are not blocked.
    const elsewhere = { "x-forwarded-for": "198.51.100.8:1" };
    expect((await tab.post("/sign-in", { token: "guess", to: "/" }, elsewhere)).status).toBe(401);
  });

  it("does not lock out the owner of a token that cannot be guessed", async () => {
    const long = "f".repeat(32);
    const { attempts } = await start({ tokens: [{ role: "admin", token: long }] });
    const tab = openTab(base);
    for (let guess = 0; guess < 12; guess += 1) await tab.post("/sign-in", { token: `guess-${guess}`, to: "/" });
    for (let guess = 0; guess < 1000; guess += 1) attempts.failed(`10.0.${guess >> 8}.${guess & 255}`);
    expect((await tab.post("/sign-in", { token: "guess", to: "/" })).status).toBe(429);
    expect([await bearer("f".repeat(33)), await bearer(long)]).toEqual([429, 200]);
    await signIn(long, tab);
    expect(slept).toEqual([]);
  });

  it("is logged until the address is blocked", async () => {
    await start();
    for (let guess = 0; guess < 15; guess += 1) await bearer(`guess-${guess}`);
    expect(warned).toEqual(Array<string>(10).fill("api: a wrong token from 127.0.0.1"));
  });

  it("does not affect sessions", async () => {
    await start();
    const tab = await signIn(admin);
    for (let guess = 0; guess < 12; guess += 1) await openTab(base).post("/sign-in", { token: "guess", to: "/" });
    expect(await statusWith(tab)).toBe(200);
  });

  it("from many addresses slows down the next sign-in by two seconds at most", async () => {
    const { attempts } = await start();
    for (let guess = 0; guess < 10_000; guess += 1)
      attempts.failed(`10.${guess >> 16}.${(guess >> 8) & 255}.${guess & 255}`);
    await signIn(admin);
    expect(slept).toEqual([2000]);
    clock += 60_000;
    await signIn(admin);
    expect(slept).toEqual([2000]);
  });
});

describe("OpenID Connect", () => {
  let provider: OidcProvider;
  const settings = (more: object = {}) => ({
    issuer: provider.issuer,
    clientId: provider.clientId,
    clientSecret: provider.clientSecret,
    scopes: ["openid", "profile", "email"],
    rolesClaim: "groups",
    roles: { viewer: ["staff"], operator: ["helpdesk"], admin: ["identity"] },
    ...more,
  });

  async function startWith(more: object = {}): Promise<void> {
    provider = await startOidcProvider(() => `${base}/sign-in/oidc/callback`);
    closing.push(provider.close);
    // The address is known only after the start, so the flow reads it late.
    let oidc: Oidc | null = null;
    const late: Oidc = {
      start: (returnTo) => (oidc as Oidc).start(returnTo),
      finish: (...given) => (oidc as Oidc).finish(...given),
    };
    await start({ oidc: late });
    oidc = createOidc({
      settings: settings(more),
      publicUrl: base,
      seal: createSeal(["s"], "sign-in flow"),
      now: () => clock,
    });
  }

  /** Goes to the provider and back like a browser. Returns the address of the callback. */
  async function goThere(tab: Tab, to = "/"): Promise<URL> {
    const { status, location } = await tab.get(`/sign-in/oidc?to=${encodeURIComponent(to)}`);
    expect(status).toBe(303);
    const back = await fetch(location ?? "", { redirect: "manual" });
    return new URL(back.headers.get("location") ?? "");
  }
  const comeBack = (tab: Tab, url: URL) => tab.get(url.pathname + url.search, { "sec-fetch-site": "cross-site" });

  /** Signs in at the provider as this person. Returns the tab and the page after it. */
  async function signInAs(person: OidcProvider["person"] = provider.person) {
    provider.person = person;
    const tab = openTab(base);
    const answer = await comeBack(tab, await goThere(tab));
    return { tab, answer, page: (await tab.get("/")).text };
  }

  it("signs in with the highest role that the groups give", async () => {
    await startWith();
    for (const [groups, role] of [
      [["staff"], "viewer"],
      [["staff", "helpdesk"], "operator"],
      [["identity", "staff"], "admin"],
      ["identity", "admin"],
    ] as const) {
      provider.person = { sub: "u1", email: "ada@example.com", groups };
      const tab = openTab(base);
      expect(await comeBack(tab, await goThere(tab, "/people?x=1"))).toMatchObject({
        status: 303,
        location: "/people?x=1",
      });
      expect((await tab.get("/")).text).toContain(`${role} console:ada@example.com (oidc)`);
    }
    expect(audited.at(-1)).toMatchObject({ action: "console.sign-in", actor: "console:ada@example.com (oidc)" });
  });

  it("refuses a person without a role", async () => {
    await startWith();
    const { tab, answer } = await signInAs({ sub: "u2", email: "eve@example.com", groups: ["guests"] });
    expect([answer.status, answer.text]).toEqual([403, expect.stringContaining("eve@example.com")]);
    expect(await statusWith(tab)).toBe(401);
  });

  const unverified = { sub: "u4", email: "ada@example.com", email_verified: false, groups: ["staff"] };
  const noAddress = { email: undefined, email_verified: undefined };
  it.each([
    { name: "u4", what: "an address that is also the user name", more: { preferred_username: "Ada@example.com" } },
    // OpenID Connect Core defines a boolean. Some providers send text.
    { name: "u4", what: "an address that is unverified as a text", more: { email_verified: "false" } },
    { name: "u4", what: "an address that is also the name", more: { name: "ada@example.com" } },
    { name: "u4", what: "a name that looks like an address", more: { ...noAddress, name: "ada@example.com" } },
    { name: "eve", what: "an address beside another user name", more: { preferred_username: "eve" } },
    {
      name: "eve[31mada",
      what: "invisible characters",
      more: { ...noAddress, email: "\u202e\u200b", preferred_username: "eve\n\u001b[31m\u202eada" },
    },
  ])("calls a person $name if the provider sends $what", async ({ name, more }) => {
    await startWith();
    expect((await signInAs({ ...unverified, ...more })).page).toContain(`viewer console:${name} (oidc)`);
  });

  it("finds roles in a nested claim and in userinfo", async () => {
    await startWith({ rolesClaim: "realm_access.roles" });
    const person = { sub: "u1", preferred_username: "ada" };
    const nested = await signInAs({ ...person, realm_access: { roles: ["helpdesk"] } });
    expect(nested.page).toContain("operator console:ada");
    await startWith();
    provider.userinfo = { groups: ["identity"] };
    expect((await signInAs(person)).page).toContain("admin console:ada");
  });

  it.each([
    ["another nonce", { claims: { nonce: "another" } }],
    ["no nonce", { claims: { nonce: undefined } }],
    ["another audience", { claims: { aud: "somebody-else" } }],
    ["another issuer", { claims: { iss: "https://evil.example" } }],
    ["an expired token", { claims: { exp: 1_000_000_000, iat: 999_999_000 } }],
    ["a signature of somebody else", { foreignKey: true }],
  ] as const)("refuses %s", async (_what, flaws) => {
    await startWith();
    provider.flaws = flaws;
    const { tab, answer } = await signInAs();
    expect([answer.status, await statusWith(tab)]).toEqual([403, 401]);
    expect(warned.at(-1)).toMatch(/a sign-in over the identity provider was refused: ./);
    expect(audited).toEqual([]);
    // The same person can sign in with a valid flow.
    provider.flaws = {};
    expect((await comeBack(tab, await goThere(tab))).status).toBe(303);
  });

  it("refuses another state, another browser, an old flow, and a used code", async () => {
    await startWith();
    const tab = openTab(base);
    const forged = await goThere(tab);
    forged.searchParams.set("state", "x".repeat(43));
    expect((await comeBack(tab, forged)).status).toBe(403);
    // A victim follows the callback of an attacker.
    expect((await comeBack(openTab(base), await goThere(openTab(base)))).status).toBe(403);
    const late = await goThere(tab);
    clock += 11 * 60_000;
    expect((await comeBack(tab, late)).status).toBe(403);
    const good = await goThere(tab);
    const flow = new Map(tab.cookies);
    expect((await comeBack(tab, good)).status).toBe(303);
    const replay = copyOf({ cookies: flow });
    expect((await comeBack(replay, good)).status).toBe(403);
    expect(await statusWith(replay)).toBe(401);
  });

  it("ends the session after a day, so that the provider decides again", async () => {
    await startWith();
    const { tab } = await signInAs();
    for (let hours = 0; hours < 23; hours += 1) {
      clock += hourMs;
      expect(await statusWith(tab)).toBe(200);
    }
    clock += 2 * hourMs;
    expect(await statusWith(tab)).toBe(401);
  });

  const madeUp = async (tab: Tab, index: number) => {
    const url = await goThere(tab);
    url.searchParams.set("code", `made-up-${index}`);
    return await comeBack(tab, url);
  };
  const exchanges = (): number => provider.asked.get("/token") ?? 0;

  it("calls the provider at most twenty times a minute for invented codes of one address", async () => {
    await startWith();
    const tab = openTab(base);
    for (let index = 0; index < 20; index += 1) expect((await madeUp(tab, index)).status).toBe(403);
    expect(exchanges()).toBe(20);
    clock += 20_000;
    const url = await goThere(tab);
    const refused = await comeBack(tab, url);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "40"]);
    expect(refused.text).toContain("Wait <strong>40 seconds</strong>, then try again");
    expect(exchanges()).toBe(20);
    // Sign-in with a token still works.
    await signIn(admin);
    // After that time, the same page signs in.
    clock += 40_000;
    expect((await comeBack(tab, url)).status).toBe(303);
    expect(exchanges()).toBe(21);
  });

  it("does not call the provider for a sign-in that began elsewhere, and counts neither that nor a success", async () => {
    await startWith();
    const [url, tab] = [await goThere(openTab(base)), openTab(base)];
    for (let index = 0; index < 25; index += 1) {
      expect((await comeBack(openTab(base), url)).status).toBe(403);
      const other = await goThere(tab);
      other.searchParams.set("state", "x".repeat(43));
      expect((await comeBack(tab, other)).status).toBe(403);
      const refused = await goThere(tab);
      refused.searchParams.delete("code");
      refused.searchParams.set("error", "access_denied");
      expect((await comeBack(tab, refused)).status).toBe(403);
    }
    expect(exchanges()).toBe(0);
    for (let index = 0; index < 25; index += 1) expect((await signInAs()).answer.status).toBe(303);
  });

  it("repeats discovery of a provider that is down every five seconds, and works when it is back", async () => {
    await startWith();
    provider.isDown = true;
    const discoveries = (): number => provider.asked.get("/.well-known/openid-configuration") ?? 0;
    const tab = openTab(base);
    for (let index = 0; index < 10; index += 1) expect((await tab.get("/sign-in/oidc")).status).toBe(502);
    expect(discoveries()).toBe(1);
    clock += 5000;
    expect((await tab.get("/sign-in/oidc")).status).toBe(502);
    expect(discoveries()).toBe(2);
    provider.isDown = false;
    clock += 5000;
    expect((await comeBack(tab, await goThere(tab))).status).toBe(303);
  });

  it("leaves sign-in by token if the provider does not answer", async () => {
    await startWith();
    await provider.close();
    closing.pop();
    const tab = openTab(base);
    expect((await tab.get("/sign-in/oidc")).status).toBe(502);
    await signIn(admin, tab);
  });
});
