import { execFile } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { company } from "../../src/sandbox/index.ts";
import { killStarted, type Program, rollcall, start } from "../support/rollcall-process.ts";
import { scimClient } from "../support/scim-client.ts";
import { makeFolder, removeFolder } from "../support/stage.ts";
import { until } from "../support/until.ts";

const newcomer = "joan.clarke@example.com";
const stranger = "new.person@example.com";

interface Banner {
  readonly text: string;
  readonly scimUrl: string;
  readonly scimToken: string;
  readonly adminUrl: string;
  readonly adminToken: string;
  readonly curl: string;
}

/** What is printed is all that a person has; so it is all that the test goes by. */
async function bannerOf(running: Program): Promise<Banner> {
  const text = await until(() => {
    expect(running.stdout()).toContain("Then open the console, or run:");
    return running.stdout();
  });
  const field = (name: string): string => new RegExp(`^ {2}${name} +(\\S+)`, "m").exec(text)?.[1] ?? "";
  return {
    text,
    scimUrl: field("SCIM base URL"),
    scimToken: field("SCIM token"),
    adminUrl: field("Admin URL"),
    adminToken: field("Admin token"),
    curl: /^ {2}(curl .+)$/m.exec(text)?.[1] ?? "",
  };
}

describe("serve without a configuration, in an empty folder", () => {
  let folder: string;
  let running: Program;
  let banner: Banner;
  let id: string;
  beforeAll(async () => {
    folder = await makeFolder();
    running = start(["serve"], { cwd: folder });
    banner = await bannerOf(running);
  });
  afterAll(async () => {
    await killStarted();
    await removeFolder(folder);
  });

  const command = (...args: string[]) => rollcall(args, { cwd: folder });
  const vendorState = async (name: string) => JSON.parse(await readFile(join(folder, "data/sandbox", name), "utf8"));
  const memberOf = async (email: string) =>
    (await vendorState("bitwarden.json")).members.find((member: { email: string }) => member.email === email);

  it("prints that it is a sandbox, and all addresses and tokens", async () => {
    expect(banner.text).toMatch(/SANDBOX/);
    expect(banner.text).toMatch(/[Nn]othing here is real/);
    expect(banner).toMatchObject({
      scimUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/scim\/v2$/),
      scimToken: expect.stringMatching(/^\S{40,}$/),
      adminUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      adminToken: expect.stringMatching(/^\S{20,}$/),
      curl: expect.stringContaining(`${banner.scimUrl}/Users`),
    });
    const lines = banner.text.split("\n").filter((line) => !line.includes("curl"));
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
    const admin = await fetch(`${banner.adminUrl}/api/v1/status`, {
      headers: { authorization: `Bearer ${banner.adminToken}` },
    });
    expect(admin.status).toBe(200);
  });

  it("adds a person with the printed curl line", async () => {
    // A shell, as a person would: quoting is part of what is promised.
    const { stdout } = await promisify(execFile)("sh", ["-c", banner.curl]);
    id = JSON.parse(stdout).id;
    await until(async () => expect(await memberOf(newcomer)).toMatchObject({ status: 0 }));
    const { code, json } = await command("user", newcomer, "--json");
    expect(code).toBe(0);
    expect(json.users).toMatchObject([{ id, active: true }]);
    const [bitwarden, onePassword] = json.users[0].targets;
    expect(bitwarden).toMatchObject({ name: "bitwarden", hasAccess: true, inSync: true });
    expect(onePassword).toMatchObject({ name: "onepassword", hasAccess: true, inSync: true, note: null });
  });

  it("never shows a person without a 1Password account as provisioned", async () => {
    const idp = scimClient(banner.scimUrl, banner.scimToken);
    const id = await idp.hire(stranger);
    const { json } = await until(async () => {
      const found = await command("user", stranger, "--json");
      expect(found.json.users[0].targets).toHaveLength(2);
      return found;
    });
    const onePassword = json.users[0].targets.at(-1);
    expect(onePassword).toMatchObject({ name: "onepassword", hasAccess: false, inSync: false, note: "not-in-target" });
    expect((await command("user", id)).stdout).toMatch(/onepassword {2}no access; not in 1Password/);
    expect((await command("user", id)).stdout).toContain("its API cannot invite: invite this person there");
    expect((await command("status")).stdout).toMatch(/onepassword .*1 not in 1Password/);
  });

  it("asks nobody to invite an inactive person", async () => {
    const idp = scimClient(banner.scimUrl, banner.scimToken);
    await until(async () => expect(await memberOf(stranger)).toMatchObject({ status: 0 }));
    const leaver = (await command("user", stranger, "--json")).json.users[0].id;
    await idp.setActive(false, leaver);
    await until(async () => expect(await memberOf(stranger)).toMatchObject({ status: -1 }));
    const { stdout } = await command("user", stranger);
    expect(stdout).toContain("not in 1Password: there is no access to remove");
    expect(stdout).not.toContain("invite this person there");
    const page = await fetch(`${banner.adminUrl}/people/${leaver}`, {
      headers: { authorization: `Bearer ${banner.adminToken}` },
    });
    expect(await page.text()).toContain("Not in 1Password: there is no access to remove.");
  });

  it("never changes the owner, whatever the source requests", async () => {
    const idp = scimClient(banner.scimUrl, banner.scimToken);
    const owner = await idp.hire(company.owner);
    const [someone] = await idp.hireAll(["ada.lovelace@example.com"]);
    await idp.setActive(false, owner, someone ?? "");
    await until(async () => expect(await memberOf("ada.lovelace@example.com")).toMatchObject({ status: -1 }));
    await idp.dismiss(owner);
    await until(async () =>
      expect(
        (await command("plan", "--json")).json.targets.flatMap((target: { changes: unknown[] }) => target.changes),
      ).toEqual([]),
    );
    expect(await memberOf(company.owner)).toMatchObject({ status: 2, type: 0, externalId: null });
    const { users } = await vendorState("1password.json");
    expect(
      users.filter((user: { state: string }) => user.state !== "ACTIVE").map((user: { email: string }) => user.email),
    ).toEqual(["ada.lovelace@example.com"]);
  });

  it("has its own master key, which only this user can read and the next start keeps", async () => {
    const path = join(folder, "data/sandbox/master.key");
    const key = await readFile(path, "utf8");
    expect([Buffer.from(key, "base64").length, (await stat(path)).mode & 0o777]).toEqual([32, 0o600]);
    await running.stop();
    running = start(["serve"], { cwd: folder });
    banner = await bannerOf(running);
    expect(await readFile(path, "utf8")).toBe(key);
    const { targets } = parse(await readFile(join(folder, "data/sandbox/rollcall.yaml"), "utf8"));
    const { apiUrl, identityUrl, clientId, clientSecret } = targets.bitwarden;
    const place = ["--api-url", apiUrl, "--identity-url", identityUrl, "--client-id", clientId];
    const connected = await rollcall(["connect", "bitwarden", "--name", "again", ...place], {
      cwd: folder,
      input: clientSecret,
    });
    expect([connected.code, connected.stdout]).toEqual([0, expect.stringContaining("again: connected")]);
    expect((await rollcall(["disconnect", "again", "--yes"], { cwd: folder })).code).toBe(0);
  });

  it("keeps its state and its token for the next start", async () => {
    expect((await running.stop()).code).toBe(0);
    running = start(["serve", "--json"], { cwd: folder });
    const told = await until(() => JSON.parse(running.stdout()));
    expect(told).toMatchObject({
      scimUrl: expect.stringMatching(/\/scim\/v2$/),
      sandbox: { scimToken: banner.scimToken, adminToken: banner.adminToken },
    });
    const idp = scimClient(told.scimUrl, banner.scimToken);
    expect((await idp.call("GET", `/Users/${id}`)).body.userName).toBe(newcomer);
    await until(async () => expect((await command("plan", "--detailed-exitcode")).code).toBe(0));
    expect(Object.fromEntries((await vendorState("bitwarden.json")).mails)).toEqual({ [newcomer]: 1, [stranger]: 1 });
    expect((await running.stop()).code).toBe(0);
  });

  it("starts even if its usual port is in use", async () => {
    const other = createServer();
    // Taken by somebody else on this machine already: just as good.
    await new Promise<void>((resolve) => other.once("error", () => resolve()).listen(8080, "127.0.0.1", resolve));
    running = start(["serve"], { cwd: folder });
    const { scimUrl, scimToken } = await bannerOf(running);
    expect(scimUrl).not.toContain(":8080/");
    expect((await command("health", "--json")).json).toMatchObject({
      ok: true,
      url: scimUrl.replace("/scim/v2", "/healthz"),
    });
    expect((await scimClient(scimUrl, scimToken).call("GET", `/Users/${id}`)).status).toBe(200);
    await running.stop();
    await new Promise((resolve) => other.close(resolve));
  });
});

describe("the sandbox command", () => {
  it("prints a configuration that works against it", async () => {
    const folder = await makeFolder();
    const port = 20_000 + 2 * Math.floor(Math.random() * 5000);
    const sandbox = start(["sandbox", "--port", String(port)], { cwd: folder });
    try {
      const config = await until(() => {
        const parsed = parse(sandbox.stdout());
        expect(parsed).toMatchObject({
          targets: { bitwarden: { type: "bitwarden" }, onepassword: { type: "onepassword" } },
        });
        return sandbox.stdout();
      });
      await writeFile(join(folder, "rollcall.yaml"), config);
      const command = (...args: string[]) => rollcall([...args, "-c", "rollcall.yaml"], { cwd: folder });
      expect((await command("token", "create", "--source", "idp")).code).toBe(0);
      const check = await command("check");
      expect([check.code, check.stdout]).toEqual([
        0,
        expect.stringMatching(/^ok {7}bitwarden {6}signed in, 6 people$/m),
      ]);
      expect((await command("plan", "--detailed-exitcode")).code).toBe(0);
      const second = await rollcall(["sandbox", "--port", String(port)], { cwd: folder });
      expect([second.code, second.stderr]).toEqual([1, expect.stringContaining("--port takes another")]);
      expect((await sandbox.stop("SIGINT")).code).toBe(0);
    } finally {
      await killStarted();
      await removeFolder(folder);
    }
  });
});
