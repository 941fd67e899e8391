import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { scimToken } from "../support/rollcall-process.ts";
import { person, scimClient } from "../support/scim-client.ts";
import { emails, makeStage, type Serving, type Stage, statusOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

/** Everybody in the directory, straight from SCIM. */
async function everybody({ idp }: Serving): Promise<ReadonlyMap<string, string>> {
  const { body } = await idp.call("GET", "/Users?count=1000&attributes=userName");
  return new Map(body.Resources.map(({ id, userName }: { id: string; userName: string }) => [id, userName]));
}

async function expectDelivered(stage: Stage, serve: Serving, names: Iterable<string>): Promise<void> {
  const invited = Object.fromEntries([...names].map((email) => [email, 1]));
  await until(() => expect(Object.fromEntries(stage.bitwarden.state.allMails)).toEqual(invited));
  await until(async () => expect((await statusOf(serve)).bitwarden).toMatchObject({ pending: 0, failed: 0, held: 0 }));
  const plan = await stage.run("plan", "--json", "--detailed-exitcode");
  expect(
    plan.json.targets.map((target: { changes: unknown[]; held: unknown[] }) => [...target.changes, ...target.held]),
  ).toEqual([[], []]);
  expect(plan.code).toBe(0);
}

describe("serve killed with SIGKILL", () => {
  it("during a burst of writes keeps every acknowledged one, and invites nobody twice", async () => {
    await using stage = await makeStage({ sections: { reconcile: { settle: "0s" } } });
    // Bitwarden answers so slowly that some invitations are always under way.
    stage.bitwarden.faults.latencyMs = 15;
    const serve = await stage.serve();
    const waiting = [...emails(400, "burst")];
    const acknowledged = new Map<string, string>();
    const lost = new Set<string>();
    const send = async (): Promise<void> => {
      for (let email = waiting.shift(); email !== undefined && !serve.isOver(); email = waiting.shift()) {
        try {
          acknowledged.set(await serve.idp.hire(email), email);
        } catch {
          lost.add(email);
        }
      }
    };
    const senders = Array.from({ length: 12 }, send);
    await until(() => {
      expect(acknowledged.size).toBeGreaterThanOrEqual(100);
      expect(stage.bitwarden.state.members.size).toBeGreaterThan(0);
    });
    expect((await serve.stop("SIGKILL")).signal).toBe("SIGKILL");
    await Promise.all(senders);
    expect(lost.size).toBeGreaterThan(0);

    const again = await stage.serve();
    const kept = await everybody(again);
    expect([...acknowledged].filter(([id, email]) => kept.get(id) !== email)).toEqual([]);
    // What was not answered is sent again, as identity providers do: it is there already, or made now.
    for (const email of lost)
      expect([201, 409]).toContain((await again.idp.call("POST", "/Users", person(email))).status);
    await expectDelivered(stage, again, [...acknowledged.values(), ...lost]);
  });

  it("during deliveries delivers the rest, and nothing twice", async () => {
    await using stage = await makeStage({ sections: { reconcile: { settle: "0s" } } });
    const first = await stage.serve();
    const names = emails(60);
    const ids = await first.idp.hireAll(names);
    await until(() => expect(stage.bitwarden.state.members.size).toBe(60));
    for (const email of names) stage.onePassword.state.addUser({ email });

    // Each person into a group of their own choice: one slow call each.
    stage.bitwarden.faults.latencyMs = 40;
    const groups = ["Red", "Green", "Blue", "White", "Black", "Grey"];
    const membersOf = (index: number): readonly string[] => ids.filter((_, at) => at % (index + 2) === 0);
    for (const [index, name] of groups.entries()) await first.idp.group(name, membersOf(index));
    const memberships = (): number =>
      groups.reduce(
        (sum, name) =>
          sum +
          (stage.bitwarden.state.groupByName(name) === undefined
            ? 0
            : stage.bitwarden.state.membersOfGroup(name).length),
        0,
      );
    const wanted = groups.reduce((sum, _, index) => sum + membersOf(index).length, 0);
    await until(() => expect(memberships()).toBeGreaterThan(0));
    await first.stop("SIGKILL");
    expect(memberships()).toBeLessThan(wanted);

    stage.bitwarden.faults.clear();
    const second = await stage.serve();
    await until(() => expect(memberships()).toBe(wanted));
    await expectDelivered(stage, second, names);
  });

  it("after an import without an answer sends no second invitation", async () => {
    await using stage = await makeStage({ sections: { targets: {} } });
    const names = emails(120);
    // Hired while there is no target yet: its first fill then goes by one import.
    const before = await stage.serve();
    await before.idp.hireAll(names);
    await before.stop();
    await stage.configure({});
    stage.bitwarden.faults.add({ kind: "hangAfter", method: "POST", path: /import/ });
    const first = await stage.serve();
    await until(() => expect(stage.bitwarden.faults.struck).toBe(1));
    expect(stage.bitwarden.state.members.size).toBe(120);
    await first.stop("SIGKILL");
    await expectDelivered(stage, await stage.serve(), names);
  });

  it("keeps every acknowledged token and row", async () => {
    await using stage = await makeStage();
    const first = await stage.serve();
    const { json } = await stage.run("token", "create", "--source", "okta", "--json");
    const ids: string[] = [];
    for (const email of emails(5)) ids.push(await first.idp.hire(email));
    await first.idp.setActive(false, ids[0] ?? "");
    await first.idp.dismiss(ids[1] ?? "");
    await first.stop("SIGKILL");

    // Looking comes before recovering: what `plan` finds it leaves, the write-ahead log of the dead process included.
    const bytes = () =>
      [stage.database, `${stage.database}-wal`].map((path) =>
        existsSync(path) ? createHash("sha256").update(readFileSync(path)).digest("hex") : null,
      );
    const before = bytes();
    expect((await stage.run("plan", "--json")).json.targets).toHaveLength(2);
    expect(bytes()).toEqual(before);

    const second = await stage.serve();
    const idp = scimClient(second.scimUrl, json.token);
    expect((await idp.call("GET", `/Users/${ids[0]}`)).body.active).toBe(false);
    expect((await idp.call("GET", `/Users/${ids[1]}`)).status).toBe(404);
    expect((await scimClient(second.scimUrl, scimToken).call("GET", "/Users")).body.totalResults).toBe(4);
  });
});
