import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeStage, type Serving, type Stage, stateOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

const ada = "ada.lovelace@example.com";
/** "Within seconds", for a machine that is busy. */
const soon = 5000;

describe("one person's life across both targets", () => {
  let stage: Stage;
  let serve: Serving;
  let id: string;
  let engineering: string;
  let onCall: string;
  beforeAll(async () => {
    stage = await makeStage();
    // 1Password's API cannot invite: she is there already.
    stage.onePassword.state.addUser({ email: "Ada.Lovelace@example.com" });
    stage.bitwarden.state.addMember({ email: "owner@example.com", type: 0 });
    serve = await stage.serve();
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  const groups = () => stage.bitwarden.state.groupsOfMember(ada);
  const inOnePassword = () => stage.onePassword.state.stateOf(ada);

  it("hired: invited once", async () => {
    id = await serve.idp.hire(ada, { name: { givenName: "Ada", familyName: "Lovelace" } });
    await until(() => expect(stateOf(stage, ada)).toBe("invited"), soon);
    await until(
      async () => expect((await stage.run("user", ada)).stdout).toContain("invited, not accepted yet;"),
      soon,
    );
    stage.bitwarden.state.accept(ada, "Ada Lovelace");
    stage.bitwarden.state.confirm(ada);
    expect(inOnePassword()).toBe("ACTIVE");
  });

  it("joins two groups", async () => {
    engineering = await serve.idp.group("Engineering", [id]);
    onCall = await serve.idp.group("On call");
    await serve.idp.join(onCall, id);
    await until(() => expect(groups()).toEqual(["Engineering", "On call"]), soon);
  });

  it("leaves one of them", async () => {
    await serve.idp.leave(onCall, id);
    await until(() => expect(groups()).toEqual(["Engineering"]), soon);
    expect(stage.bitwarden.state.groupByName("On call")).toBeDefined();
  });

  it("is deactivated: loses access in both", async () => {
    await serve.idp.setActive(false, id);
    await until(() => expect([stateOf(stage, ada), inOnePassword()]).toEqual(["revoked", "SUSPENDED"]), soon);
  });

  it("is hired again: gets access and groups back without another invitation", async () => {
    await serve.idp.setActive(true, id);
    await until(() => expect([stateOf(stage, ada), inOnePassword()]).toEqual(["confirmed", "ACTIVE"]), soon);
    await until(() => expect(groups()).toEqual(["Engineering"]), soon);
    expect(stage.bitwarden.state.mails(ada)).toBe(1);
    expect(stage.bitwarden.state.reinvites(ada)).toBe(0);
  });

  it("is deleted: loses access in both, and no account is removed", async () => {
    await serve.idp.dismiss(id);
    await until(() => expect([stateOf(stage, ada), inOnePassword()]).toEqual(["revoked", "SUSPENDED"]), soon);
    expect((await serve.idp.call("GET", `/Users/${id}`)).status).toBe(404);
    expect((await serve.idp.call("GET", `/Groups/${engineering}`)).body.members ?? []).toEqual([]);
  });

  it("is shown by `rollcall user`", async () => {
    const told = await stage.run("user", ada.toUpperCase(), "--json");
    expect(told.code).toBe(0);
    const [user] = told.json.users;
    expect(user).toMatchObject({
      id,
      source: "okta",
      userName: ada,
      email: ada,
      absentSince: expect.any(String),
      groups: [],
    });
    expect(user.targets).toMatchObject([
      {
        name: "acme-1password",
        remoteId: stage.onePassword.state.userByEmail(ada)?.id,
        hasAccess: false,
        inSync: true,
        error: null,
      },
      {
        name: "acme-bitwarden",
        remoteId: stage.bitwarden.state.memberByEmail(ada)?.id,
        hasAccess: false,
        inSync: true,
        error: null,
      },
    ]);
    const calls = (name: string) =>
      user.history.flatMap((row: { target: string; action: string; detail: { outcome?: string; group?: string } }) =>
        row.target === name ? [[row.action, row.detail.group, row.detail.outcome].filter(Boolean).join(" ")] : [],
      );
    expect(calls("acme-bitwarden")).toEqual([
      "invite applied",
      "addToGroup Engineering applied",
      "addToGroup On call applied",
      "removeFromGroup On call applied",
      "suspend applied",
      "restore applied",
      "suspend applied",
    ]);
    expect(calls("acme-1password")).toEqual(["suspend applied", "restore applied", "suspend applied"]);
    const asked = user.history.filter((row: { target: string | null }) => row.target === null);
    expect(asked.map((row: { action: string }) => row.action)).toEqual([
      "user.create",
      expect.anything(),
      expect.anything(),
      expect.anything(),
      "user.update",
      "user.update",
      "user.delete",
    ]);
    expect(new Set(asked.map((row: { actor: string }) => row.actor.split(" ")[0]))).toEqual(new Set(["scim:okta"]));

    const text = await stage.run("user", id);
    expect(text.stdout).toMatch(/^ada\.lovelace <ada\.lovelace@example\.com>\n {2}source {4}okta\n/);
    expect(text.stdout).toMatch(/state {5}deleted 20/);
    expect(text.stdout).toMatch(/acme-bitwarden {2}no access; in sync/);
  });

  it("leaves no changes in the plan, and the owner unchanged", async () => {
    const plan = await stage.run("plan", "--detailed-exitcode");
    expect([plan.code, plan.stdout]).toEqual([0, "acme-bitwarden: nothing to do\nacme-1password: nothing to do\n"]);
    expect(stateOf(stage, "owner@example.com")).toBe("confirmed");
    expect((await stage.run("user", "nobody@example.com")).code).toBe(1);
  });
});
