import { describe, expect, it } from "vitest";
import { scimClient } from "../support/scim-client.ts";
import { emails, makeStage, membersIn } from "../support/stage.ts";
import { until } from "../support/until.ts";

const token = "entra-token-0123456789";

describe("a source that is replaced by another in the configuration", () => {
  it("is reported by every command, and its people follow the new source as soon as it sends them", async () => {
    await using stage = await makeStage();
    const people = emails(6);
    const first = await stage.serve();
    await first.idp.group("eng", await first.idp.hireAll(people));
    await until(() =>
      expect(people.map((email) => stage.bitwarden.state.groupsOfMember(email))).toEqual(people.map(() => ["eng"])),
    );
    await first.stop();

    await stage.configure({ sources: { entra: { type: "scim", token } } });
    const told = "source okta is no longer in the configuration: the access of its 6 active users and 1 group stays";
    expect((await stage.run("status")).stdout).toContain(told);
    expect((await stage.run("check")).stdout).toContain(told);
    const planned = await stage.run("plan", "--json");
    expect(planned.stderr).toContain(told);
    expect(
      planned.json.targets.map(({ changes, held }: { changes: unknown[]; held: unknown[] }) => [changes, held]),
    ).toEqual([
      [[], []],
      [[], []],
    ]);

    const second = await stage.serve();
    expect(second.stderr()).toContain(told);
    const entra = scimClient(second.scimUrl, token);
    const ids = await entra.hireAll(people);
    await entra.group("eng", ids);
    await entra.setActive(false, ids[0] ?? "");
    await until(() => expect(membersIn(stage, "revoked")).toEqual(people.slice(0, 1)));
    await until(() =>
      expect([...stage.bitwarden.state.members.values()].map(({ externalId }) => externalId).sort()).toEqual(
        [...ids].sort(),
      ),
    );
    await until(async () => expect((await stage.run("status", "--json")).json.goneSources).toEqual([]));
    expect([...stage.bitwarden.state.groups.values()].map(({ name }) => name)).toEqual(["eng"]);
    expect(people.map((email) => stage.bitwarden.state.groupsOfMember(email))).toEqual(people.map(() => ["eng"]));
    await second.stop();
  });

  it("can't have another type under the same name: its people would keep their addresses for ever", async () => {
    await using stage = await makeStage();
    const { idp, stop } = await stage.serve();
    await idp.hireAll(emails(2));
    await stop();
    const base = { baseDn: "dc=example,dc=org" };
    const ldap = { type: "ldap", preset: "openldap", url: "ldap://127.0.0.1:1", users: base, groups: base };
    await stage.configure({ sources: { okta: ldap } });
    const told = "source okta was of type scim and is now of type ldap. Give the new source another name";
    for (const command of ["serve", "sync", "plan"])
      expect(await stage.run(command)).toMatchObject({ code: 1, stderr: expect.stringContaining(told) });
    const checked = await stage.run("check");
    expect(checked).toMatchObject({ code: 1, stdout: expect.stringContaining(told) });
    expect(checked.stdout).toContain("ok       acme-bitwarden");
  });
});
