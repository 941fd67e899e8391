import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ConnectionDraft, type Connections, createConnections } from "../../src/app/connections.ts";
import type { Context } from "../../src/app/context.ts";
import { auditFilter } from "../../src/app/queries.ts";
import { parseConfigFile } from "../../src/config/load.ts";
import { createKeyRing, type KeyRing } from "../../src/crypto/key-ring.ts";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import {
  type BitwardenSandbox,
  memberStatus,
  type OnePasswordSandbox,
  startBitwarden,
  startOnePassword,
} from "../../src/sandbox/index.ts";
import { openSqliteStore } from "../../src/store/index.ts";
import { targetDefinitions } from "../../src/targets/registry.ts";
import { createLogger } from "../../src/telemetry/index.ts";

const newKey = (): string => randomBytes(32).toString("base64");
const forever = new AbortController().signal;

let bitwarden: BitwardenSandbox;
let onePassword: OnePasswordSandbox;
let store: DirectoryStore;
let ring: KeyRing;
let nowMs: number;
beforeEach(async () => {
  [bitwarden, onePassword, store] = await Promise.all([
    startBitwarden(),
    startOnePassword(),
    openSqliteStore(":memory:", { now: () => nowMs }),
  ]);
  ring = createKeyRing([newKey()]);
  nowMs = 1000;
});
afterEach(async () => {
  await Promise.all([bitwarden.close(), onePassword.close(), store.close()]);
});

/** The part of the context that connecting needs. */
const context = {
  now: () => nowMs,
  target: ({ name, open }) => open({ name, version: "0" }),
} as Pick<Context, "now" | "target"> as Context;

const connections = (targets = "{}"): Connections =>
  createConnections({
    context,
    file: parseConfigFile(`sources: { idp: { type: scim } }\ntargets: ${targets}`, {
      types: targetDefinitions,
      baseDir: "/",
      env: {},
      fileName: "rollcall.yaml",
    }),
    ring: () => ring,
    store,
    logger: createLogger({ level: "error" }),
    syncNow: (name) => name === "runs",
  });

const draft = (more: Partial<ConnectionDraft> = {}): ConnectionDraft => ({
  name: "acme",
  type: "bitwarden",
  apiUrl: bitwarden.apiUrl,
  identityUrl: bitwarden.identityUrl,
  clientId: bitwarden.clientId,
  clientSecret: bitwarden.clientSecret,
  ...more,
});
const save = (more: Partial<ConnectionDraft> = {}) => connections().saveConnection(draft(more), "admin:ada", forever);

describe("verifying a connection", () => {
  it("returns the people of the target and stores nothing", async () => {
    for (const [email, status] of [
      ["a@x.y", "invited"],
      ["b@x.y", "confirmed"],
      ["c@x.y", "confirmed"],
    ] as const)
      bitwarden.state.addMember({ email, status: memberStatus[status] });
    const verified = await connections().verifyConnection(draft(), forever);
    expect(verified).toMatchObject({
      ok: true,
      survey: {
        name: "acme",
        members: 3,
        groups: 0,
        states: { invited: 1, active: 2 },
        accountId: bitwarden.clientId.replace("organization.", ""),
        host: new URL(bitwarden.apiUrl).host,
      },
    });
    expect(JSON.stringify(verified)).toContain("acts as an owner");
    expect(await store.credentials()).toEqual([]);
    expect(await store.newestAuditRows(auditFilter(), 10)).toEqual([]);
  });

  it("reports errors by field, and calls no vendor for errors that are visible without", async () => {
    const errorsOf = async (more: Partial<ConnectionDraft>, targets?: string) => {
      const verified = await connections(targets).verifyConnection(draft(more), forever);
      return verified.ok ? {} : verified.errors;
    };
    expect(await errorsOf({ clientId: "x", identityUrl: "https://identity.bitwarden.eu" })).toEqual({
      clientId: expect.stringContaining("must be organization.<guid>"),
      identityUrl: expect.stringContaining("another Bitwarden cloud"),
    });
    expect(await errorsOf({ name: "../etc" })).toEqual({ name: expect.stringContaining("is not a name") });
    expect(await errorsOf({ clientSecret: "  " })).toEqual({ clientSecret: "is missing" });
    expect(await errorsOf({ apiUrl: "http://vault.example/api", identityUrl: "http://vault.example/id" })).toEqual({
      apiUrl: expect.stringContaining("plain http is for loopback only"),
      identityUrl: expect.stringContaining("plain http is for loopback only"),
    });
    expect(await errorsOf({}, "{ acme: { clientSecret: here } }")).toEqual({
      name: expect.stringContaining("targets.acme.clientSecret is in rollcall.yaml"),
    });
    expect(bitwarden.requests.total).toBe(0);
    expect(await errorsOf({ clientSecret: "wrong" })).toEqual({
      clientSecret: expect.stringContaining("invalid_client"),
    });
  });

  it("warns about the people that it will invite, unless the file limits them", async () => {
    const user = {
      userName: "ada",
      externalId: null,
      email: "ada@x.y",
      emails: [],
      displayName: "Ada",
      isActive: true,
    };
    await store.createUser("idp", { ...user, resource: { userName: "ada" } }, { actor: "t", requestId: null });
    const findings = async (targets?: string) =>
      JSON.stringify(await connections(targets).verifyConnection(draft(), forever)).includes(
        "invites everybody who is missing",
      );
    expect(await findings()).toBe(true);
    expect(await findings("{ acme: { users: { groups: ['vault-*'] } } }")).toBe(false);
    await save();
    expect(await findings()).toBe(false);
  });
});

describe("a stored connection", () => {
  it("is encrypted, audited, and listed without its secret", async () => {
    expect((await save({ clientSecret: ` ${bitwarden.clientSecret}\n` })).ok).toBe(true);
    const [row] = await store.credentials();
    if (row === undefined) throw new Error("nothing stored");
    expect(row).toMatchObject({ name: "acme", type: "bitwarden", verifiedAtMs: 1000 });
    expect(JSON.parse(ring.open(row, row))).toEqual({
      type: "bitwarden",
      apiUrl: bitwarden.apiUrl,
      identityUrl: bitwarden.identityUrl,
      clientId: bitwarden.clientId,
      clientSecret: bitwarden.clientSecret,
    });
    expect(await store.newestAuditRows(auditFilter(), 10)).toMatchObject([
      { actor: "admin:ada", action: "connection.connect" },
    ]);
    const listed = await connections().listConnections();
    expect(listed).toEqual([
      {
        name: "acme",
        type: "bitwarden",
        from: "stored",
        state: "new",
        error: null,
        lastSuccessAtMs: null,
        verifiedAtMs: 1000,
        changedAtMs: 1000,
        host: new URL(bitwarden.apiUrl).host,
        clientId: bitwarden.clientId,
      },
    ]);
    expect(JSON.stringify([row, listed, await store.newestAuditRows(auditFilter(), 10)])).not.toContain(
      bitwarden.clientSecret,
    );
  });

  it("is listed with its health and together with those of the file", async () => {
    await save();
    const state = { name: "acme", role: "target" as const, type: "bitwarden" };
    await store.putConnection({
      ...state,
      lastSuccessAtMs: 5,
      failingSinceMs: 6,
      retryAtMs: 7,
      errorCode: "TARGET_UNREACHABLE",
      errorMessage: "acme: no connection",
    });
    const file = `{ acme: { maxSeats: 5 }, mine: { type: onepassword, region: eu, accountId: A, clientId: c, clientSecret: s }, half: { type: bitwarden, region: us } }`;
    expect(await connections(file).listConnections()).toMatchObject([
      { name: "acme", from: "stored and file", state: "failing", error: "no connection", lastSuccessAtMs: 5 },
      { name: "mine", type: "onepassword", from: "file", state: "new", host: "api.1password.eu", verifiedAtMs: null },
      { name: "half", from: "file", state: "failing", error: "clientSecret is missing" },
    ]);
    ring = createKeyRing([newKey()]);
    expect(await connections().listConnections()).toMatchObject([{ name: "acme", state: "unreadable", host: null }]);
  });

  it("gets a new secret only if the vendor accepts it", async () => {
    await save();
    const [before] = await store.credentials();
    nowMs = 2000;
    const refused = await connections().rotateSecret("acme", "wrong", "admin:ada", forever);
    expect([refused.ok, await store.credentials()]).toEqual([false, [before]]);
    expect((await connections().rotateSecret("acme", bitwarden.clientSecret, "admin:ada", forever)).ok).toBe(true);
    const [after] = await store.credentials();
    expect(after).toMatchObject({ createdAtMs: 1000, changedAtMs: 2000, verifiedAtMs: 2000 });
    expect(after?.sealed).not.toBe(before?.sealed);
    expect(await connections("{ mine: { type: bitwarden } }").rotateSecret("mine", "x", "admin:ada", forever)).toEqual({
      ok: false,
      errors: { name: "the credentials of mine are not stored here: they are in rollcall.yaml, under targets.mine" },
    });
  });

  it("cannot be changed to another organization under the same name", async () => {
    await save();
    const other = await startBitwarden({ organizationId: "5a1db0c5-0000-4000-8000-00000000000f" });
    const moved = { apiUrl: other.apiUrl, identityUrl: other.identityUrl, clientId: other.clientId };
    expect(await save(moved)).toMatchObject({
      ok: false,
      errors: { name: expect.stringContaining("another organization") },
    });
    expect(other.requests.total).toBe(0);
    expect(await connections().removeConnection("acme", "admin:ada")).toBe(true);
    expect((await save(moved)).ok).toBe(true);
    await other.close();
  });

  it("is removed after its consequences were shown", async () => {
    await save();
    const said = (await connections("{ acme: {} }").removalConsequences("acme")).join("\n");
    expect(said).toContain("Nobody's access is taken away");
    expect(said).toContain("rollcall.yaml still has targets.acme");
    expect(said).toContain("Rotate API key");
    expect(await connections().removeConnection("acme", "admin:ada")).toBe(true);
    expect(await connections().removeConnection("acme", "admin:ada")).toBe(false);
    expect(await connections().listConnections()).toEqual([]);
  });

  it("of 1Password revokes its access token after verification, also after a failure", async () => {
    const one = { ...draft({ type: "onepassword", apiUrl: onePassword.apiUrl, accountId: onePassword.accountId }) };
    const { identityUrl: _, ...plain } = one;
    const keys = { ...plain, name: "op", clientId: onePassword.clientId, clientSecret: onePassword.clientSecret };
    expect((await connections().saveConnection(keys, "admin:ada", forever)).ok).toBe(true);
    expect(onePassword.requests.count({ path: /revoke/ })).toBe(1);
    const wrongAccount = await connections().verifyConnection(
      { ...keys, name: "other", accountId: "X".repeat(26) },
      forever,
    );
    expect(wrongAccount).toMatchObject({ ok: false, errors: { clientSecret: expect.stringContaining("403") } });
    expect(onePassword.requests.count({ path: /revoke/ })).toBe(2);
  });
});

describe("without a master key", () => {
  it("nothing can be stored, which is said before anybody types a secret", async () => {
    ring = createKeyRing([]);
    expect(connections().cannotStore()).toContain("no masterKey is configured");
    expect(await save()).toMatchObject({
      ok: false,
      errors: { "": expect.stringContaining("openssl rand -base64 32") },
    });
    expect(bitwarden.requests.total).toBe(0);
  });

  it("a sync of a target can still be requested", () => {
    expect([connections().syncNow("runs"), connections().syncNow("acme")]).toEqual([true, false]);
  });
});
