/**
 * Takes screenshots of the console with an invented company. `npm run screenshots` renews those of the README.
 * `npm run screenshots -- --all FOLDER` takes every page in light, in dark and at phone width.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { company, memberStatus, seedCompany, startBitwarden, startOnePassword } from "../../src/sandbox/index.ts";
import { openBrowser, visit } from "./chromium.ts";

const { values } = parseArgs({ options: { all: { type: "string" } } });
const root = fileURLToPath(new URL("../../", import.meta.url));
const adminToken = randomBytes(24).toString("base64url");
const scimToken = randomBytes(24).toString("base64url");

const given =
  "Amara Anton Beatriz Chen Dalia Emil Farah Goran Hana Ines Jonas Kaya Leif Mina Noor Oskar Priya Quentin Rosa Sven".split(
    " ",
  );
const family = "Abadi Berg Castillo Dahl Eriksen Fontaine Garcia Haddad".split(" ");
const made = given.flatMap((first) =>
  family.map((last) => ({ first, last, email: `${first}.${last}@example.com`.toLowerCase() })),
);
const people = [
  ...company.people.map(({ givenName, familyName, email }) => ({ first: givenName, last: familyName, email })),
  ...made,
];

const folder = await mkdtemp(join(tmpdir(), "rollcall-screenshots-"));
const [bitwarden, onePassword] = await Promise.all([startBitwarden(), startOnePassword()]);
seedCompany(bitwarden.state, onePassword.state);
for (const [index, { first, last, email }] of made.entries()) {
  if (index % 40 !== 7) onePassword.state.addUser({ email, displayName: `${first} ${last}` });
  if (index % 4 !== 0)
    bitwarden.state.addMember({
      email,
      name: `${first} ${last}`,
      ...(index % 50 === 9 && { status: memberStatus.accepted }),
    });
}
const file = join(folder, "rollcall.yaml");
await writeFile(
  file,
  JSON.stringify({
    server: { listen: "127.0.0.1:0" },
    admin: { listen: "127.0.0.1:0", token: adminToken },
    masterKey: randomBytes(32).toString("base64"),
    sources: { okta: { type: "scim", token: scimToken } },
    targets: {
      "acme-bitwarden": {
        type: "bitwarden",
        apiUrl: bitwarden.apiUrl,
        identityUrl: bitwarden.identityUrl,
        clientId: bitwarden.clientId,
        clientSecret: bitwarden.clientSecret,
      },
      "acme-1password": {
        type: "onepassword",
        apiUrl: onePassword.apiUrl,
        accountId: onePassword.accountId,
        clientId: onePassword.clientId,
        clientSecret: onePassword.clientSecret,
        protect: [company.owner],
      },
    },
    reconcile: { settle: "100ms" },
  }),
);
const serve = spawn(
  process.execPath,
  [join(root, "src/main.ts"), "serve", "-c", file, "--json", "--log-level", "error"],
  {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  },
);
// The process must not survive this script, whatever fails below.
process.once("exit", () => serve.kill());
let printed = "";
serve.stdout.on("data", (text: Buffer) => {
  printed += text.toString();
});

async function until<T>(ask: () => T | Promise<T>): Promise<T> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((go) => setTimeout(go, 50));
    }
  }
}
const check = (isSo: boolean, what: string): void => {
  if (!isSo) throw new Error(what);
};

const { scimUrl, adminUrl } = await until(
  () => JSON.parse(printed) as { readonly scimUrl: string; readonly adminUrl: string },
);
const scim = async (method: string, path: string, body: object): Promise<string> => {
  const response = await fetch(scimUrl + path, {
    method,
    headers: { authorization: `Bearer ${scimToken}`, "content-type": "application/scim+json" },
    body: JSON.stringify(body),
  });
  const { id } = (await response.json()) as { readonly id: string };
  return id;
};
const status = async () => {
  const response = await fetch(`${adminUrl}/api/v1/status`, { headers: { authorization: `Bearer ${adminToken}` } });
  const { targets } = (await response.json()) as {
    readonly targets: readonly { readonly pending: number; readonly held: number }[];
  };
  return targets;
};

const ids: string[] = [];
for (const { first, last, email } of people) {
  ids.push(
    await scim("POST", "/Users", {
      schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
      userName: email,
      displayName: `${first} ${last}`,
      name: { givenName: first, familyName: last },
      active: true,
      emails: [{ value: email, primary: true }],
    }),
  );
}
for (const [index, displayName] of ["Engineering", "Finance", "Operations", "People", "Sales", "Security"].entries()) {
  const members = ids.filter((_, each) => each % 6 === index).map((value) => ({ value }));
  await scim("POST", "/Groups", { schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group"], displayName, members });
}
await until(async () =>
  check(
    (await status()).every(({ pending }) => pending === 0),
    "not delivered yet",
  ),
);
const leavers = ids.slice(30, 62);
for (const id of leavers) {
  await scim("PATCH", `/Users/${id}`, {
    schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    Operations: [{ op: "replace", path: "active", value: false }],
  });
}
await until(async () =>
  check(
    (await status()).every(({ pending, held }) => pending === 0 && held > 0),
    "nothing is held yet",
  ),
);
fillTheDayBefore(join(folder, "data/rollcall.db"));

/** Invents the calls of the last 24 hours, so that the charts are not empty. */
function fillTheDayBefore(path: string): void {
  const database = new DatabaseSync(path, { timeout: 30_000 });
  const hourMs = 3_600_000;
  const insert = database.prepare("INSERT OR IGNORE INTO hourly_counts (target, hour_ms, name, n) VALUES (?, ?, ?, ?)");
  for (let back = 1; back < 24; back += 1) {
    const atMs = Math.floor(Date.now() / hourMs) * hourMs - back * hourMs;
    const isDay = new Date(atMs).getUTCHours() > 6 && new Date(atMs).getUTCHours() < 19;
    for (const [index, name] of ["acme-bitwarden", "acme-1password"].entries()) {
      insert.run(name, atMs, "applied", (isDay ? 20 : 2) + ((back * 37 + index * 11) % (isDay ? 60 : 7)));
      if (back === 9 + index * 6) insert.run(name, atMs, "failed", 6);
    }
  }
  database.close();
}

const group = await fetch(`${scimUrl}/Groups?filter=${encodeURIComponent('displayName eq "Security"')}`, {
  headers: { authorization: `Bearer ${scimToken}` },
}).then(
  async (response) =>
    ((await response.json()) as { readonly Resources: readonly { readonly id: string }[] }).Resources[0]?.id,
);

const pages: Readonly<Record<string, string>> = {
  "sign-in": "/sign-in",
  overview: "/",
  people: "/people",
  "people-held": "/people?target=acme-bitwarden&state=held",
  person: `/people/${ids[45]}`,
  groups: "/groups",
  group: `/groups/${group}`,
  plan: "/plan",
  connections: "/connections",
  "connect-bitwarden": "/connections/new/bitwarden",
  "connect-1password": "/connections/new/onepassword",
  "connect-provider": "/connections/new/provider",
  activity: "/activity",
  "lost-access": "/activity/lost-access",
  "not-found": "/nowhere",
};
/** The screenshots of the README: the visible part of the window. */
const chosen = [
  { name: "overview", scheme: "light", width: 1280, height: 860 },
  { name: "overview", scheme: "dark", width: 1280, height: 860 },
  { name: "overview", scheme: "light", width: 390, height: 844 },
  { name: "plan", scheme: "light", width: 1280, height: 860 },
  { name: "person", scheme: "light", width: 1280, height: 860 },
] as const;
const every = Object.keys(pages).flatMap((name) =>
  (
    [
      ["light", 1280],
      ["dark", 1280],
      ["light", 390],
    ] as const
  ).map(([scheme, width]) => ({ name, scheme, width, height: 900 })),
);

const out = values.all === undefined ? join(root, "docs/screenshots") : resolve(values.all);
await mkdir(out, { recursive: true });
const browser = await openBrowser();
try {
  const first = await visit(browser, adminUrl);
  await first.page.goto("/sign-in");
  await first.page.getByLabel("Admin token").fill(adminToken);
  await first.page.getByRole("button", { name: "Sign in" }).click();
  const cookies = await first.context.cookies();
  await first.close();
  for (const { name, scheme, width, height } of values.all === undefined ? chosen : every) {
    const { page, context, close, wrongs } = await visit(browser, adminUrl, { scheme, width, height });
    if (name !== "sign-in") await context.addCookies(cookies);
    await page.goto(pages[name] ?? "/");
    const suffix = width < 500 ? "phone" : scheme;
    await page.screenshot({ path: join(out, `${name}-${suffix}.png`), fullPage: values.all !== undefined });
    for (const wrong of wrongs) console.error(`${name}: ${wrong}`);
    await close();
  }
} finally {
  await browser.close();
  serve.kill();
  await new Promise((ended) => serve.once("close", ended));
  await Promise.all([bitwarden.close(), onePassword.close()]);
  await rm(folder, { recursive: true, force: true });
}
