/**
 * Takes screenshots of the console with an invented company. `npm run screenshots` renews those of the README.
 * `npm run screenshots -- --all FOLDER` takes every page in light, in dark and at phone width.
 */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { company, memberStatus, seedCompany } from "../../src/sandbox/index.ts";
import { adminToken, targetStatuses } from "../support/rollcall-process.ts";
import { makeStage, newKey, targetsOf } from "../support/stage.ts";
import { untilTrue } from "../support/until.ts";
import { openBrowser, visit } from "./chromium.ts";

const { values } = parseArgs({ options: { all: { type: "string" } } });
const root = fileURLToPath(new URL("../../", import.meta.url));

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

await using stage = await makeStage();
const { bitwarden, onePassword } = stage;
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
const targets = targetsOf(bitwarden, onePassword);
await stage.configure({
  masterKey: newKey(),
  targets: { ...targets, "acme-1password": { ...targets["acme-1password"], protect: [company.owner] } },
});
const { adminUrl, idp, scimUrl } = await stage.serve("--log-level", "error");
const ids: string[] = [];
for (const { first, last, email } of people)
  ids.push(await idp.hire(email, { displayName: `${first} ${last}`, name: { givenName: first, familyName: last } }));
const groups: string[] = [];
for (const [index, displayName] of ["Engineering", "Finance", "Operations", "People", "Sales", "Security"].entries())
  groups.push(
    await idp.group(
      displayName,
      ids.filter((_, each) => each % 6 === index),
    ),
  );
const isSettled = async (isHolding: boolean): Promise<boolean> =>
  (await targetStatuses({ adminUrl, scimUrl })).every(({ pending, held }) => pending === 0 && held > 0 === isHolding);
await untilTrue(() => isSettled(false), "everybody is invited", 120_000);
await idp.setActive(false, ...ids.slice(30, 62));
await untilTrue(() => isSettled(true), "removals are held", 120_000);
fillTheDayBefore(stage.database);

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

const pages: Readonly<Record<string, string>> = {
  "sign-in": "/sign-in",
  overview: "/",
  people: "/people",
  "people-held": "/people?target=acme-bitwarden&state=held",
  person: `/people/${ids[45]}`,
  groups: "/groups",
  group: `/groups/${groups.at(-1)}`,
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
}
