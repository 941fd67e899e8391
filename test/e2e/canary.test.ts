import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { text as bodyOf } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listen } from "../support/listen.ts";
import { type Program, adminToken as stageAdminToken } from "../support/rollcall-process.ts";
import { person, scimClient } from "../support/scim-client.ts";
import { makeStage, type Serving, type Stage, statusOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

/**
 * Unmistakable secrets wherever Rollcall takes one, then success and every failure that could make it talk: what it
 * prints, logs, answers, counts and keeps is searched for each of them, also as a URL or Base64 would carry it.
 */
const canary = (what: string): string => `canary-${what}-${randomBytes(9).toString("hex")}`;
const canaries = {
  scimInline: canary("scim-inline"),
  scimEnv: canary("scim-env"),
  scimFile: canary("scim-file"),
  // Of an earlier test's helpers: known to them, and a canary all the same.
  admin: stageAdminToken,
  operator: canary("operator"),
  viewer: canary("viewer"),
  oidc: canary("oidc"),
  ldap: canary("ldap"),
  wrongBitwarden: canary("wrong-bitwarden"),
  wrongToken: canary("wrong-token"),
  queryToken: canary("query-token"),
  personPassword: canary("person-password"),
  personPassword2: canary("person-password-2"),
  personPassword3: canary("person-password-3"),
  personPassword4: canary("person-password-4"),
  personPassword5: canary("person-password-5"),
  connected: canary("connected"),
  store: canary("store"),
  masterKey: randomBytes(32).toString("base64"),
};
/** All of them, and what only turns up on the way: the vendors' secrets, access tokens, the token that is made. */
const secrets = new Map<string, string>(Object.entries(canaries));

/** Where something was said, and what. */
const said: { readonly where: string; readonly text: string }[] = [];
const hear = (where: string, text: string): void => void said.push({ where, text });

/** As it is, in a URL, and within Base64 at each of the three places where it can begin. */
function formsOf(secret: string): readonly string[] {
  const base64 = [0, 1, 2].map((shift) =>
    Buffer.from("x".repeat(shift) + secret)
      .toString("base64")
      .slice(shift === 0 ? 0 : 4, -4),
  );
  return [secret, encodeURIComponent(secret), ...base64];
}

function leaks(): readonly string[] {
  const found = [...secrets].flatMap(([name, secret]) => {
    const forms = formsOf(secret);
    return said
      .filter(({ text }) => forms.some((form) => text.includes(form)))
      .map(({ where, text }) => {
        const at = text.indexOf(secret);
        return `${name} in ${where}: …${at === -1 ? "(encoded)" : text.slice(Math.max(0, at - 200), at)}`;
      });
  });
  return [...new Set(found)];
}

type Mode = { readonly kind: "pass" } | { readonly kind: "echo"; readonly status: number };

/** Both vendors behind one that can repeat all it was sent, as careless error pages do; access tokens are noted. */
async function careless(stage: Stage) {
  let mode: Mode = { kind: "pass" };
  const seen: string[] = [];
  const targets = {
    "/bw-api": stage.bitwarden.apiUrl,
    "/bw-id": stage.bitwarden.identityUrl,
    "/op": stage.onePassword.apiUrl,
  };
  const answer = async (
    request: IncomingMessage,
    body: string,
  ): Promise<{ status: number; type: string; text: string }> => {
    const { authorization = "", "content-type": type } = request.headers;
    seen.push(`${authorization} ${body}`);
    const [, bearer] = /^Bearer (.+)$/.exec(authorization) ?? [];
    if (bearer !== undefined) secrets.set(`access token ${secrets.size}`, bearer);
    const url = request.url ?? "";
    const [prefix, base] = Object.entries(targets).find(([each]) => url.startsWith(each)) ?? [];
    if (mode.kind === "echo" || prefix === undefined || base === undefined) {
      const text = `<html><h1>Error</h1>${url} ${authorization} ${body} ${canaries.oidc}</html>`;
      return { status: mode.kind === "echo" ? mode.status : 500, type: "text/html", text };
    }
    const response = await fetch(base + url.slice(prefix.length), {
      method: request.method ?? "GET",
      headers: { authorization, ...(type === undefined ? {} : { "content-type": type }) },
      body: body === "" ? null : body,
    });
    return { status: response.status, type: response.headers.get("content-type") ?? "", text: await response.text() };
  };
  const server = createServer((request, response) => {
    bodyOf(request)
      .then((body) => answer(request, body))
      .then(
        ({ status, type, text }) => response.writeHead(status, { "content-type": type }).end(text),
        () => response.destroy(),
      );
  });
  const { url, close } = await listen(server);
  return {
    url,
    seen,
    be: (next: Mode) => {
      mode = next;
    },
    close,
  };
}

/** A directory that refuses every bind, and repeats what it was sent while it does so (RFC 4511 §4.2.2). */
async function carelessDirectory() {
  const seen: string[] = [];
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      seen.push(data.toString("latin1"));
      const message = Buffer.from(`bad password: ${canaries.ldap}`);
      const result = Buffer.concat([Buffer.from([0x0a, 1, 49, 4, 0, 4, message.length]), message]);
      const id = data.subarray(2, 5);
      socket.end(
        Buffer.concat([
          Buffer.from([0x30, id.length + 2 + result.length]),
          id,
          Buffer.from([0x61, result.length]),
          result,
        ]),
      );
    });
  });
  const { port } = await listen(server);
  return { url: `ldap://127.0.0.1:${port}`, seen, close: () => server.close() };
}

let stage: Stage;
let vendor: Awaited<ReturnType<typeof careless>>;
let directory: Awaited<ReturnType<typeof carelessDirectory>>;
let serve: Serving;
const sections = (more: object = {}) => ({
  server: { listen: "127.0.0.1:0" },
  admin: {
    listen: "127.0.0.1:0",
    publicUrl: "http://127.0.0.1:1",
    token: canaries.admin,
    operatorToken: "${OPERATOR}",
    viewerToken: "file:viewer",
    oidc: { issuer: `${vendor.url}/oidc`, clientId: "rollcall", clientSecret: canaries.oidc, roles: { viewer: ["x"] } },
  },
  masterKey: "${MASTER}",
  sources: {
    okta: { type: "scim", token: [canaries.scimInline, "${SCIM}", "file:scim"] },
    corp: {
      type: "ldap",
      preset: "openldap",
      url: directory.url,
      bindDn: "cn=sync,dc=example,dc=com",
      bindPassword: "file:ldap",
      every: "1s",
      users: { baseDn: "ou=people,dc=example,dc=com" },
    },
  },
  targets: {
    "acme-bitwarden": {
      type: "bitwarden",
      apiUrl: `${vendor.url}/bw-api`,
      identityUrl: `${vendor.url}/bw-id`,
      clientId: stage.bitwarden.clientId,
      clientSecret: "${BW_SECRET}",
    },
    "acme-1password": {
      type: "onepassword",
      apiUrl: `${vendor.url}/op`,
      accountId: stage.onePassword.accountId,
      clientId: stage.onePassword.clientId,
      clientSecret: stage.onePassword.clientSecret,
    },
  },
  reconcile: { every: "500ms", settle: "100ms" },
  ...more,
});

/** Runs a command at its most talkative, and hears what it says; what `without` removes may be said here. */
async function run(...args: readonly string[]) {
  const result = await stage.run(...args, "--log-level", "debug");
  const { stdout, stderr, code } = result;
  hear(`stdout of ${args.join(" ")}`, stdout);
  hear(`stderr of ${args.join(" ")}`, stderr);
  return { stdout, stderr, code };
}

/** What the kernel shows to every user of the machine. */
function hearCommandLine({ child }: Pick<Program, "child">): void {
  if (process.platform === "linux") hear("process list", readFileSync(`/proc/${child.pid}/cmdline`, "utf8"));
}

async function ask(url: string, init: RequestInit = {}): Promise<number> {
  const response = await fetch(url, { redirect: "manual", ...init });
  hear(
    `${init.method ?? "GET"} ${new URL(url).pathname}`,
    `${JSON.stringify([...response.headers])}\n${await response.text()}`,
  );
  return response.status;
}
const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } });

/** Everything that tells of the state, from inside and outside. */
async function lookAround(): Promise<void> {
  for (const path of ["/metrics", "/api/v1/status", "/api/v1/nothing", "/", "/sign-in"]) {
    for (const token of [canaries.admin, canaries.operator, canaries.viewer, canaries.wrongToken])
      await ask(serve.adminUrl + path, bearer(token));
    await ask(serve.adminUrl + path);
  }
  await ask(`${serve.adminUrl}/sign-in/oidc`);
  await ask(`${serve.adminUrl}/sign-in`, { method: "POST", body: new URLSearchParams({ token: canaries.wrongToken }) });
  await ask(`${serve.baseUrl}/readyz`);
  for (const args of [
    ["status"],
    ["plan"],
    ["check"],
    ["user", "ada@example.com"],
    ["token", "list"],
    ["connections"],
    ["audit", "list"],
    ["audit", "export"],
  ]) {
    await run(...args);
  }
}

beforeAll(async () => {
  stage = await makeStage({
    env: { SCIM: canaries.scimEnv, OPERATOR: canaries.operator, MASTER: canaries.masterKey },
  });
  [vendor, directory] = await Promise.all([careless(stage), carelessDirectory()]);
  secrets.set("bitwarden", stage.bitwarden.clientSecret);
  secrets.set("onePassword", stage.onePassword.clientSecret);
  for (const [name, secret] of [
    ["viewer", canaries.viewer],
    ["scim", canaries.scimFile],
    ["ldap", canaries.ldap],
  ] as const)
    writeFileSync(join(stage.folder, name), `${secret}\n`);
  await stage.configure(sections());
  serve = await stage.serve("--log-level", "debug");
  hearCommandLine(serve);
});
afterAll(async () => {
  await stage[Symbol.asyncDispose]();
  await vendor.close();
  directory.close();
});

/** What has been said up to now is free of secrets, and `serve` goes on. */
function expectSilence(): void {
  hear("log of serve", serve.stderr());
  hear("output of serve", serve.stdout());
  const found = leaks();
  // What the next test says is that test's.
  said.length = 0;
  expect(found).toEqual([]);
}

const scim = () => scimClient(serve.scimUrl, canaries.scimInline);
const json = (token: string, method: string, body: string): RequestInit => ({
  method,
  body,
  headers: { authorization: `Bearer ${token}`, "content-type": "application/scim+json" },
});

describe("secrets", () => {
  it("are found by this test in every form", () => {
    const [base64 = ""] = formsOf(canaries.ldap).slice(2);
    for (const text of [
      canaries.ldap,
      encodeURIComponent(canaries.masterKey),
      `a ${btoa(`id:${canaries.viewer}`)}`,
      base64,
    ]) {
      hear("a slip", text);
      expect(leaks()).toHaveLength(1);
      said.pop();
    }
  });

  it("stay secret when everything works", async () => {
    for (const token of [canaries.scimInline, canaries.scimEnv, canaries.scimFile])
      expect(await ask(`${serve.scimUrl}/Users`, bearer(token))).toBe(200);
    await scim().hire("ada@example.com");
    await until(() => expect(stage.bitwarden.state.members.size).toBe(1));
    // The canaries are alive: these went to the vendors.
    expect(vendor.seen.join()).toContain(stage.bitwarden.clientSecret);
    expect([...secrets.keys()].filter((name) => name.startsWith("access token"))).not.toEqual([]);
    await until(() => expect(directory.seen.join()).toContain(canaries.ldap));
    await lookAround();
    expectSilence();
  });

  it("that arrive as SCIM passwords are neither stored nor returned", async () => {
    const users = `${serve.scimUrl}/Users`;
    const of = (email: string, password: string): string => JSON.stringify(person(email, { password }));
    const patch = (...Operations: object[]): string =>
      JSON.stringify({ schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], Operations });
    const send = (method: string, url: string, body: string) => ask(url, json(canaries.scimInline, method, body));
    const id = await scim().hire("alan@example.com", { password: canaries.personPassword });
    expect(await send("PUT", `${users}/${id}`, of("alan@example.com", canaries.personPassword2))).toBe(200);
    await send("PATCH", `${users}/${id}`, patch({ op: "replace", path: "password", value: canaries.personPassword3 }));
    await send(
      "PATCH",
      `${users}/${id}`,
      patch({ op: "add", value: { password: canaries.personPassword3, displayName: "Al" } }),
    );
    const core = "urn:ietf:params:scim:schemas:core:2.0:User";
    await send(
      "PATCH",
      `${users}/${id}`,
      patch({ op: "replace", path: `${core}:password`, value: canaries.personPassword3 }),
    );
    await send(
      "PATCH",
      `${users}/${id}`,
      patch({ op: "replace", value: { [`${core}:password`]: canaries.personPassword3 } }),
    );
    await send("POST", users, of("alan@example.com", canaries.personPassword4)); // a conflict
    await send("POST", users, `{"userName": "x", "PassWord": "${canaries.personPassword4}"}`); // its name in other letters
    await send("POST", users, `{"userName": "grace@example.com", "password": "${canaries.personPassword4}"`); // broken
    await send("POST", users, JSON.stringify({ userName: 7, password: canaries.personPassword4 }));
    await send(
      "POST",
      users,
      JSON.stringify(person("barbara@example.com", { password: { value: canaries.personPassword4 } })),
    );
    const operations = [
      {
        method: "POST",
        bulkId: "1",
        path: "/Users",
        data: person("edith@example.com", { password: canaries.personPassword5 }),
      },
    ];
    await send(
      "POST",
      `${serve.scimUrl}/Bulk`,
      JSON.stringify({ schemas: ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], Operations: operations }),
    );
    for (const path of [
      "/Users",
      `/Users/${id}`,
      `/Users/${id}?attributes=password`,
      "/Users?attributes=password,userName",
    ])
      await ask(serve.scimUrl + path, bearer(canaries.scimInline));
    // Nor can it be found out by asking.
    for (const filter of ["password pr", `password eq "${canaries.personPassword}"`, 'password sw "canary"']) {
      const response = await fetch(`${users}?filter=${encodeURIComponent(filter)}`, bearer(canaries.scimInline));
      const { totalResults = 0 } = (await response.json()) as { readonly totalResults?: number };
      expect(totalResults).toBe(0);
    }
    await ask(`${serve.adminUrl}/`, bearer(canaries.admin));
    await run("user", "alan@example.com", "--json");
    await run("audit", "export");
    expectSilence();
  });

  it("stay secret when requests are refused", async () => {
    for (const authorization of [
      `Bearer ${canaries.wrongToken}`,
      `Basic ${btoa(`x:${canaries.wrongToken}`)}`,
      canaries.wrongToken,
      `Bearer ${canaries.scimInline} ${canaries.wrongToken}`,
    ])
      for (const url of [`${serve.scimUrl}/Users`, `${serve.adminUrl}/metrics`])
        expect(await ask(url, { headers: { authorization } })).toBeGreaterThanOrEqual(400);
    for (const path of [
      `/Users?access_token=${canaries.queryToken}`,
      `/${canaries.queryToken}`,
      `/Users/${canaries.queryToken}`,
    ])
      await (await fetch(serve.scimUrl + path, bearer(canaries.wrongToken))).text();
    expectSilence();
  });

  it.each([401, 500, 403, 200, 302])(
    "stay secret when vendors answer %i with all that they received",
    async (status) => {
      const before = vendor.seen.length;
      vendor.be({ kind: "echo", status });
      // A process that serves waits longer after each failure: it is asked about the first two, a command about each.
      const isServed = status === 401 || status === 500;
      if (isServed) {
        await scim().hire(`person-${status}@example.com`);
        await until(async () => {
          expect(vendor.seen.length).toBeGreaterThan(before);
          expect((await statusOf(serve)).bitwarden).toMatchObject({ error: expect.anything() });
        });
        await ask(`${serve.adminUrl}/`, bearer(canaries.admin));
        await ask(`${serve.adminUrl}/api/v1/status`, bearer(canaries.admin));
        await Promise.all([run("status"), run("plan"), run("user", `person-${status}@example.com`)]);
      }
      expect((await run("check")).stdout).toContain("ERROR");
      expect(vendor.seen.length).toBeGreaterThan(before);
      vendor.be({ kind: "pass" });
      expectSilence();
    },
  );

  it("stay secret when a connection is made with a wrong and a right secret, and when a token is made", async () => {
    const place = [
      "--api-url",
      stage.bitwarden.apiUrl,
      "--identity-url",
      stage.bitwarden.identityUrl,
      "--client-id",
      stage.bitwarden.clientId,
    ];
    const connect = async (input: string, ...args: string[]) => {
      const result = await stage.runWith(input, "connect", "bitwarden", ...args, ...place, "--log-level", "debug");
      hear("connect", result.stdout + result.stderr);
      return result;
    };
    expect((await connect(canaries.wrongBitwarden, "--name", "other")).code).toBe(1);
    expect((await connect(stage.bitwarden.clientSecret, "--name", "stored")).code).toBe(0);
    const made = await stage.run("token", "create", "--source", "okta", "--json", "--log-level", "debug");
    secrets.set("made token", made.json.token);
    hear("log of token create", made.stderr);
    expect(await ask(`${serve.scimUrl}/Users`, bearer(made.json.token))).toBe(200);
    await lookAround();
    expectSilence();
  });

  it("stay secret when the configuration is wrong", async () => {
    const c = canaries;
    const target = sections().targets["acme-bitwarden"];
    const broken: readonly (readonly [string, object | string])[] = [
      ["YAML", `admin: { token: "${c.admin} \n  sources: [${c.scimInline}`],
      ["YAML twice", `admin: { token: ${c.admin} }\nadmin: { token: ${c.admin} }`],
      ["a tab", `masterKey: ${c.masterKey}\n\tadmin: ${c.admin}`],
      ["types", sections({ masterKey: { x: c.masterKey }, admin: [c.admin] })],
      ["unknown keys", sections({ x: c.admin, admin: { token: c.admin, password: c.oidc } })],
      ["a key without the space after it", `admin: {token:${c.admin}}\nmasterKey:${c.masterKey}\n`],
      ["a token with a space", sections({ sources: { okta: { type: "scim", token: `${c.scimInline} x` } } })],
      ["a short master key", sections({ masterKey: c.masterKey.slice(0, 40) })],
      [
        "one token twice",
        sections({ sources: { a: { type: "scim", token: c.scimInline }, b: { type: "scim", token: c.scimInline } } }),
      ],
      ["one admin token twice", sections({ admin: { token: c.admin, operatorToken: c.admin } })],
      [
        "URLs with passwords",
        sections({
          server: { publicUrl: `https://u:${c.oidc}@example.com` },
          targets: { a: { ...target, apiUrl: `https://u:${c.oidc}@example.com` } },
        }),
      ],
      [
        "a secret in another's place",
        sections({ targets: { a: { ...target, clientId: c.oidc, region: c.oidc, onDelete: c.oidc } } }),
      ],
      ["a store that is not there", sections({ store: `postgres://u:${c.store}@127.0.0.1:1/x` })],
      ["a store without a database", sections({ store: `postgres://u:${c.store}@127.0.0.1:1` })],
      ["a store whose password is not escaped", sections({ store: `postgres://u:${c.store}/@127.0.0.1:1/x` })],
      [
        "an LDAP URL with a password",
        sections({ sources: { a: { ...sections().sources.corp, url: `ldap://u:${c.ldap}@127.0.0.1` } } }),
      ],
      ["a reference that is none", sections({ admin: { token: `\${${c.admin}}` } })],
    ];
    for (const [name, content] of broken) {
      if (typeof content === "string") writeFileSync(join(stage.folder, "rollcall.yaml"), content);
      else await stage.configure(content);
      expect((await run(name.length % 2 === 0 ? "check" : "status", "--json")).code, name).toBe(1);
    }
    await stage.configure(sections());
    expectSilence();
  });

  it("are not in the database in plain text, however the process ends", async () => {
    hearCommandLine(serve);
    expect((await serve.stop()).code).toBe(0);
    expectSilence();
    const data = join(stage.folder, "data");
    const keepSilent = (): void => {
      for (const name of readdirSync(data)) hear(`data/${name}`, readFileSync(join(data, name), "latin1"));
      expect(leaks()).toEqual([]);
    };
    keepSilent();
    // SIGKILL in the middle of work, a port that is taken, a database that is none.
    serve = await stage.serve("--log-level", "debug");
    await scim().hire("last@example.com", { password: canaries.personPassword });
    await serve.stop("SIGKILL");
    expectSilence();
    keepSilent();
    await stage.configure(sections({ server: { listen: new URL(vendor.url).host } }));
    expect((await run("serve")).code).toBe(1);
    writeFileSync(join(data, "rollcall.db"), `no database ${"x".repeat(5000)}`);
    await stage.configure(sections());
    for (const args of [["serve"], ["check"], ["status"]]) expect((await run(...args)).code).toBe(1);
    expect(leaks()).toEqual([]);
  });
});
