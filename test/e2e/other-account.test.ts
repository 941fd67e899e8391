import { describe, expect, it } from "vitest";
import { startBitwarden, startOnePassword } from "../../src/sandbox/index.ts";
import { emails, makeStage, membersIn, targetsOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

describe("a target whose credentials lead to another account", () => {
  it("is not changed until it has its own name, and the error says so", async () => {
    await using stage = await makeStage();
    const otherBitwarden = await startBitwarden({ organizationId: "00000000-0000-4000-8000-0000000000ff" });
    const otherOnePassword = await startOnePassword({ accountId: "ZZZZZZZZZZZZZZZZZZZZZZZZZZ" });
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(() => otherBitwarden.close());
    cleanup.defer(() => otherOnePassword.close());
    const people = emails(4);
    for (const email of people) {
      stage.onePassword.state.addUser({ email });
      otherOnePassword.state.addUser({ email });
    }
    const serve = await stage.serve();
    const [first = ""] = await serve.idp.hireAll(people);
    await serve.idp.setActive(false, first);
    await until(() => expect(membersIn(stage, "invited")).toEqual(people.slice(1)));
    await until(() => expect(stage.onePassword.state.emailsIn("SUSPENDED")).toEqual(people.slice(0, 1)));
    await serve.stop();

    // Those of the other customer, copied from the wrong page.
    const others = targetsOf(otherBitwarden, otherOnePassword);
    const swapped = { ...others["acme-bitwarden"], clientSecret: otherBitwarden.clientSecret };
    await stage.configure({ targets: { ...others, "acme-bitwarden": swapped } });
    const told = `leads to 00000000-0000-4000-8000-0000000000ff now, but Rollcall managed ${stage.bitwarden.state.organizationId} under this name. Nothing was changed`;
    const planned = await stage.run("plan");
    expect([planned.code, planned.stderr]).toEqual([1, expect.stringContaining(told)]);
    const checked = await stage.run("check");
    expect([checked.code, checked.stdout]).toEqual([1, expect.stringContaining(told)]);
    const synced = await stage.run("sync", "--timeout", "20s");
    expect([synced.code, synced.stderr]).toEqual([1, expect.stringContaining(told)]);
    expect(otherBitwarden.state.members.size).toBe(0);
    expect(otherOnePassword.state.emailsIn("SUSPENDED")).toEqual([]);

    // It was meant: a name of its own, and the first one is as it was.
    await stage.configure({ targets: { ...targetsOf(stage.bitwarden, stage.onePassword), second: swapped } });
    expect((await stage.run("sync", "--timeout", "20s")).code).toBe(0);
    expect(otherBitwarden.state.members.size).toBe(3);
    expect(membersIn(stage, "invited")).toEqual(people.slice(1));
  });
});
