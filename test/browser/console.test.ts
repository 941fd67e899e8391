import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type BitwardenSandbox, memberStatus, startBitwarden } from "../../src/sandbox/index.ts";
import { adminToken } from "../support/rollcall-process.ts";
import { emails, makeStage, membersIn, type Serving, type Stage, stateOf, statusOf } from "../support/stage.ts";
import { until } from "../support/until.ts";
import {
  accessibilityProblems,
  missing,
  openBrowser,
  overflow,
  type Visit,
  type VisitOptions,
  visit,
} from "./chromium.ts";

const viewerToken = "e2e-viewer-token-0123456789";
const operatorToken = "e2e-operator-token-0123456789";
/** Longer than any table cell. */
const longName =
  "wolfeschlegelsteinhausenbergerdorff-featherstonehaugh.the-third.of-nether-wallop@subsidiary.example.com";

describe.skipIf(missing !== null)(`the console in a browser${missing === null ? "" : ` (${missing})`}`, () => {
  let stage: Stage;
  let serve: Serving;
  let browser: Browser;
  let visits: Visit[] = [];
  const ids = new Map<string, string>();

  beforeAll(async () => {
    browser = await openBrowser();
    stage = await makeStage({
      sections: {
        admin: { listen: "127.0.0.1:0", token: adminToken, viewerToken, operatorToken },
        masterKey: randomBytes(32).toString("base64"),
        guard: { percent: 5, atLeast: 2, atMost: 2, window: "24h" },
      },
    });
    serve = await stage.serve();
    const people = [...emails(60), longName];
    const made = await serve.idp.hireAll(people);
    people.forEach((email, index) => void ids.set(email, made[index] ?? ""));
    await serve.idp.call("POST", "/Groups", {
      schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group"],
      displayName: "Engineering",
      members: made.slice(0, 5).map((value) => ({ value })),
    });
    await until(() => expect(membersIn(stage, "invited")).toHaveLength(people.length));
    await serve.idp.setActive(false, ...made.slice(0, 55));
    await until(async () => expect((await statusOf(serve)).bitwarden.held).toBe(53));
  });
  afterAll(async () => {
    await browser?.close();
    await stage?.[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    const wrongs = visits.flatMap((each) => each.wrongs);
    await Promise.all(visits.map((each) => each.close()));
    visits = [];
    expect(wrongs).toEqual([]);
  });

  const come = async (options: VisitOptions = {}): Promise<Visit> => {
    const made = await visit(browser, serve.adminUrl, options);
    visits.push(made);
    return made;
  };
  const signIn = async (options: VisitOptions = {}, token = adminToken): Promise<Visit> => {
    const made = await come(options);
    await made.page.goto("/");
    await made.page.getByLabel("Admin token").fill(token);
    await made.page.getByRole("button", { name: "Sign in" }).click();
    await made.page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    return made;
  };
  const pathsOfAll = async (): Promise<readonly string[]> => {
    const group = (await serve.idp.call("GET", "/Groups")).body.Resources[0].id;
    return [
      "/",
      "/people",
      "/people?q=nobody-is-called-so",
      "/people?target=acme-bitwarden&state=held",
      `/people/${ids.get("person-03@example.com")}`,
      `/people/${ids.get(longName)}`,
      "/groups",
      `/groups/${group}`,
      "/plan",
      "/connections",
      "/connections/new/bitwarden",
      "/connections/new/onepassword",
      "/connections/new/provider",
      "/activity",
      "/activity/lost-access",
    ];
  };

  it("asks for sign-in and then shows the requested page", async () => {
    const { page, forgive } = await come();
    await page.goto("/people?state=held");
    expect(new URL(page.url()).pathname).toBe("/sign-in");
    expect(await accessibilityProblems(page)).toEqual([]);
    // With the keyboard only.
    await page.keyboard.type("wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("Rollcall does not know this token").waitFor();
    forgive(/401/);
    await page.getByLabel("Admin token").fill(adminToken);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "People" }).waitFor();
    expect(new URL(page.url()).search).toBe("?state=held");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { level: 1, name: "Sign in" }).waitFor();
    await page.goto("/people");
    expect(new URL(page.url()).pathname).toBe("/sign-in");
  });

  it.each([
    ["light", 1280],
    ["dark", 375],
  ] as const)(
    "has no accessibility problem and no horizontal overflow in %s at %i px on any page",
    async (scheme, width) => {
      const { page } = await signIn({ scheme, width });
      for (const path of await pathsOfAll()) {
        await page.goto(path);
        expect(await accessibilityProblems(page), path).toEqual([]);
        expect(await overflow(page), path).toBeLessThanOrEqual(0);
        expect(await page.locator("h1").count(), path).toBe(1);
      }
    },
  );

  it("can be used by keyboard: the skip link comes first, and the focus is always visible", async () => {
    const { page } = await signIn();
    await page.goto("/people");
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to content");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement.id")).toBe("main");
    for (let step = 0; step < 12; step += 1) {
      await page.keyboard.press("Tab");
      const outline = await page.evaluate(
        "(({ outlineStyle, outlineWidth, boxShadow }) => `${outlineStyle} ${outlineWidth} ${boxShadow}`)(getComputedStyle(document.activeElement))",
      );
      expect(outline).not.toMatch(/^none .* none$/);
    }
  });

  it("shows what needs a person first, with a link, and updates itself", async () => {
    const { page } = await signIn();
    const attention = page.getByRole("region", { name: /need/ });
    await attention.getByText("53 removals are held in acme-bitwarden").waitFor();
    await attention.getByRole("link", { name: "Review the names" }).click();
    await page.getByRole("heading", { level: 1, name: "Plan" }).waitFor();
    await page.goto("/");
    const source = page.locator("article", { hasText: "okta" });
    const before = Number(await source.locator(".figures strong").first().textContent());
    await serve.idp.hire("newcomer@example.com");
    await until(
      async () => expect(Number(await source.locator(".figures strong").first().textContent())).toBe(before + 1),
      15_000,
    );
  });

  it("finds people while somebody types, and by state and target", async () => {
    const { page } = await signIn();
    await page.goto("/people");
    await page.getByLabel("Search").pressSequentially("nether-wallop");
    await page.getByRole("status").getByText("1 person").waitFor();
    expect(new URL(page.url()).searchParams.get("q")).toBe("nether-wallop");
    await page.getByRole("link", { name: new RegExp(longName.slice(0, 20)) }).click();
    await page.getByRole("heading", { level: 1, name: new RegExp(longName.slice(0, 20)) }).waitFor();
    await page.goto("/people");
    await page.getByLabel("Target").selectOption("acme-bitwarden");
    await page.getByLabel("State").selectOption("held");
    await page.getByRole("status").getByText("53 people").waitFor();
    await page.getByRole("link", { name: "Next page" }).click();
    await page.getByText("3 of 53 people").waitFor();
  });

  it("shows the history of a person, syncs them and invites them again", async () => {
    const { page } = await signIn({}, operatorToken);
    const email = "person-58@example.com";
    const mails = () => stage.bitwarden.state.memberByEmail(email);
    await page.goto(`/people/${ids.get(email)}`);
    const card = page.locator("article", { hasText: "acme-bitwarden" });
    await card.getByText("invited, not accepted yet").waitFor();
    await page.getByText("Added").waitFor();
    await card.getByRole("button", { name: "Sync now" }).click();
    await page.getByRole("status").getByText("is being checked now").waitFor();
    await until(async () => {
      await page.reload();
      expect(await page.locator(".log").textContent()).toContain("Sync requested");
    });
    expect(mails()).not.toBeNull();
    await card.getByRole("button", { name: "Invite again" }).click();
    await page.getByRole("status").getByText("will send the invitation again").waitFor();
    await until(async () => {
      await page.reload();
      const log = (await page.locator(".log").textContent()) ?? "";
      expect(log).toContain("Invite again");
      expect(log).toContain("console:operator (token ");
    });
  });

  it("shows names as text, also if they contain markup", async () => {
    const evil = `"'><img src=/evil onerror="window.ran=1"><script>window.ran=1</script>=1+1`;
    const { body } = await serve.idp.call("POST", "/Users", {
      schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
      userName: evil,
      displayName: evil,
      active: true,
      emails: [{ value: "evil@example.com", primary: true }],
    });
    await until(() => expect(stateOf(stage, "evil@example.com")).toBe("invited"));
    const { page } = await signIn();
    const asked: string[] = [];
    page.on("request", (request) => void asked.push(new URL(request.url()).pathname));
    for (const path of [
      `/people?q=${encodeURIComponent(evil)}`,
      `/people/${body.id}`,
      "/activity",
      `/nothing${encodeURIComponent(evil)}`,
    ]) {
      await page.goto(path);
      if (!path.startsWith("/nothing")) expect(await page.locator("main").textContent()).toContain(evil.slice(0, 30));
      expect(await page.evaluate("window.ran"), path).toBeUndefined();
      expect(await page.locator("main img, main script").count(), path).toBe(0);
    }
    expect(asked).not.toContain("/evil");
    visits.at(-1)?.forgive(/404/);
  });

  it("computes the plan in the background and exports it without spreadsheet formulas", async () => {
    const { page } = await signIn();
    await page.goto("/plan");
    const section = page.getByRole("region", { name: /^acme-bitwarden/ });
    await section.getByRole("button", { name: "Make a plan" }).click();
    await section.getByText("Nothing to do except the held changes").waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      section.getByRole("link", { name: "CSV" }).first().click(),
    ]);
    const csv = await readFile(await download.path(), "utf8");
    expect(csv.split("\n").filter((line) => line.includes("suspend"))).toHaveLength(53);
    expect(csv).toContain("who,change,what would happen,held since");
  });

  it("shows new activity live, and can pause and continue", async () => {
    const { page } = await signIn();
    await page.goto("/activity");
    await page.getByText("Live: new rows appear automatically.").waitFor();
    await serve.idp.hire("seen-live@example.com");
    await page.locator(".log .fresh", { hasText: "seen-live@example.com" }).first().waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await serve.idp.hire("while-paused@example.com");
    await until(() => expect(stateOf(stage, "while-paused@example.com")).toBe("invited"));
    expect(await page.locator(".log").textContent()).not.toContain("while-paused@example.com");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.locator(".log .fresh", { hasText: "while-paused@example.com" }).first().waitFor();
    await page.goto("/activity");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "JSON lines" }).click(),
    ]);
    const rows = (await readFile(await download.path(), "utf8"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(rows.filter((row) => row.name === "seen-live@example.com" && row.action === "user.create")).toHaveLength(1);
  });

  describe("a connection", () => {
    let other: BitwardenSandbox;
    beforeAll(async () => {
      other = await startBitwarden();
    });
    afterAll(() => other?.close());

    it("is verified, stored encrypted, rotated and removed", async () => {
      const { page, forgive } = await signIn();
      await page.goto("/connections");
      await page.getByRole("link", { name: "Connect Bitwarden" }).click();
      await page.getByLabel("Name").fill("beta");
      await page.getByText("Self-hosted", { exact: false }).first().click();
      await page.locator("form details summary").click();
      await page.getByLabel("API URL").fill(other.apiUrl);
      await page.getByLabel("Identity URL").fill(other.identityUrl);
      await page.getByLabel("client_id").fill(other.clientId);
      await page.getByLabel("client_secret").fill("wrong");
      await page.getByRole("button", { name: "Verify" }).click();
      await page.locator(".wrong, [role=alert]:not([hidden])").first().waitFor();
      // The form keeps the input except the secret.
      expect(await page.getByLabel("client_id").inputValue()).toBe(other.clientId);
      expect(await page.getByLabel("client_secret").inputValue()).toBe("");
      forgive(/422/);
      await page.getByLabel("client_secret").fill(other.clientSecret);
      await page.getByRole("button", { name: "Verify" }).click();
      await page.getByRole("heading", { name: "Is this the right one?" }).waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
      expect(await page.content()).not.toContain(other.clientSecret);
      await page.getByRole("button", { name: "Connect beta" }).click();
      await page.getByRole("status").getByText("beta is connected").waitFor();
      await until(() => expect(other.state.members.size).toBeGreaterThan(0));

      const card = page.locator("article#beta");
      await card.getByRole("link", { name: "Rotate the secret" }).click();
      expect(await accessibilityProblems(page)).toEqual([]);
      await page.getByLabel("New client secret").fill(other.clientSecret);
      await page.getByRole("button", { name: "Verify and replace" }).click();
      await page.getByRole("status").getByText("beta uses the new secret").waitFor();

      await card.getByRole("link", { name: "Disconnect" }).click();
      expect(await accessibilityProblems(page)).toEqual([]);
      await page.getByLabel("Type beta").fill("bet");
      await page.getByRole("button", { name: "Disconnect" }).click();
      await page.getByRole("alert").getByText("Nothing is disconnected").waitFor();
      forgive(/422/);
      const withAccess = [...other.state.members.values()].filter(
        ({ status }) => status !== memberStatus.revoked,
      ).length;
      await page.getByLabel("Type beta").fill("beta");
      await page.getByRole("button", { name: "Disconnect" }).click();
      await page.getByRole("status").getByText("beta is disconnected").waitFor();
      expect([...other.state.members.values()].filter(({ status }) => status !== memberStatus.revoked)).toHaveLength(
        withAccess,
      );
    });

    it("to an identity provider is a URL and a token that is shown once and can be revoked", async () => {
      const { page } = await signIn();
      await page.goto("/connections");
      await page.getByRole("link", { name: "Connect an identity provider" }).click();
      await page.getByLabel("What this token is for").fill("Okta <production>");
      await page.getByRole("button", { name: "Make a token" }).click();
      const url = (await page.locator("#scim-url").textContent()) ?? "";
      const token = (await page.locator("#scim-token").textContent()) ?? "";
      expect(await accessibilityProblems(page)).toEqual([]);
      const ask = async () =>
        (await fetch(`${url}/Users?count=0`, { headers: { authorization: `Bearer ${token}` } })).status;
      expect(await ask()).toBe(200);
      await page.getByRole("link", { name: "Done" }).click();
      expect(await page.content()).not.toContain(token);

      const row = page.locator("li", { hasText: "Okta <production>" });
      await row.getByText("Rotate").click();
      await row.getByLabel("The old token stays valid for").selectOption("1 hour");
      await row.getByRole("button", { name: "Make a new token" }).click();
      const second = (await page.locator("#scim-token").textContent()) ?? "";
      await page.getByText("The old token is valid until").waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
      const askWith = async (secret: string) =>
        (await fetch(`${url}/Users?count=0`, { headers: { authorization: `Bearer ${secret}` } })).status;
      expect([await ask(), await askWith(second)]).toEqual([200, 200]);
      await page.getByRole("link", { name: "Done" }).click();
      // The old token expires in an hour. The new one never expires, like the first.
      await row.getByText("Expires soon").waitFor();
      expect(await row.count()).toBe(2);
      expect(await accessibilityProblems(page)).toEqual([]);
      await row.filter({ hasText: "Expires soon" }).getByRole("button", { name: "Revoke" }).click();
      await page.getByRole("status").getByText("The token is revoked").waitFor();
      await until(async () => expect(await ask()).toBe(401));
    });
  });

  it("shows a viewer everything and refuses every change", async () => {
    const { page, context } = await signIn({}, viewerToken);
    for (const path of (await pathsOfAll()).filter((each) => !each.startsWith("/connections/new"))) {
      await page.goto(path);
      const buttons = await page.locator("main button:visible").allTextContents();
      expect(
        buttons.filter((text) => !/^(Apply|Pause)$/.test(text)),
        path,
      ).toEqual([]);
    }
    const csrf = await page.locator("input[name=_csrf]").first().inputValue();
    const send = async (path: string, form: Record<string, string>) =>
      (
        await context.request.post(path, {
          form: { _csrf: csrf, ...form },
          headers: { "sec-fetch-site": "same-origin" },
        })
      ).status();
    const digest = (await statusOf(serve)).bitwarden.heldDigest;
    expect(await send("/plan/acme-bitwarden/approve", { digest, confirm: "53" })).toBe(403);
    expect(await send(`/people/${ids.get(longName)}/sync`, { target: "acme-bitwarden" })).toBe(403);
    expect(await send("/connections/new/provider", { source: "okta" })).toBe(403);
    expect(await context.request.get("/connections/new/bitwarden").then((each) => each.status())).toBe(403);
    expect((await statusOf(serve)).bitwarden.held).toBe(53);
  });

  it("signs in, searches and approves without JavaScript", async () => {
    const { page } = await signIn({ javaScript: false });
    await page.goto("/people");
    await page.getByLabel("Search").fill("person-07");
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByText("1 person").first().waitFor();

    await page.goto("/plan");
    const section = page.getByRole("region", { name: /^acme-bitwarden/ });
    const confirm = section.getByLabel("To let exactly these pass once");
    const approve = section.getByRole("button", { name: "Approve 53 removals" });
    await confirm.fill("52");
    await approve.click();
    await page.getByText("Nothing is approved: type 53 or acme-bitwarden").waitFor();
    await section.getByRole("button", { name: "Dismiss" }).click();
    await page.getByRole("status").getByText("Dismissed in acme-bitwarden").waitFor();
    expect(membersIn(stage, "revoked")).toHaveLength(2);
    // Dismissed changes can still be approved. The overview no longer lists them.
    const dismissed = section.getByText("53 removals dismissed");
    await dismissed.waitFor();
    await page.goto("/");
    await page.getByRole("region", { name: "Targets" }).waitFor();
    expect(await page.getByText("held in acme-bitwarden").count()).toBe(0);

    // One person returns after the page was loaded, so the held changes differ from those on the page.
    await page.goto("/plan");
    await dismissed.click();
    await section.getByText("by console:admin").first().waitFor();
    await serve.idp.setActive(true, ids.get("person-50@example.com") ?? "");
    await until(async () => expect((await statusOf(serve)).bitwarden.held).toBe(52));
    await confirm.fill("53");
    await approve.click();
    await page.getByText("The held changes are different from those on the page that you saw").waitFor();
    expect(membersIn(stage, "revoked")).toHaveLength(2);

    await section.getByText("52 removals dismissed").click();
    await confirm.fill("52");
    await section.getByRole("button", { name: "Approve 52 removals" }).click();
    await page.getByText("52 removals may pass once").waitFor();
    await until(() => expect(membersIn(stage, "revoked")).toHaveLength(54));
    const { json } = await stage.run("audit", "list", "--action", "approve", "--json");
    expect(json.rows.at(-1)).toMatchObject({ actor: expect.stringMatching(/^console:admin \(token [0-9a-f]{8}\)$/) });

    await page.goto("/activity");
    await page.getByRole("link", { name: "Lost access" }).click();
    await page.getByLabel("Who").fill("person-07@example.com");
    await page.getByRole("button", { name: "Apply" }).click();
    const loss = page.getByRole("row", { name: /^person-07@example\.com/ });
    for (const words of ["suspended, can be restored", "Deactivated in the source", "okta", "by console:admin"])
      await loss.getByText(words).first().waitFor();
    const file = await page.request.get((await page.getByRole("link", { name: "CSV" }).getAttribute("href")) ?? "");
    const [, row] = (await file.text()).split("\n");
    expect(row).toMatch(/,acme-bitwarden,suspend,user,[^,]+,person-07@example\.com,.*,console:admin/);
  });

  it("does not delay the end of the process while the log is open", async () => {
    const { page, forgive } = await signIn();
    await page.goto("/activity");
    await page.getByText("Live: new rows appear automatically.").waitFor();
    expect((await serve.stop()).code).toBe(0);
    await page.getByText("Not connected; trying again…").waitFor();
    await until(() => forgive(/ERR_/));
  });
});
