import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memberStatus } from "../../src/sandbox/index.ts";
import { cause, makeWorld, settle, type World } from "../support/world.ts";

describe("a target for the members of groups", () => {
  let world: World;
  let ids: string[];
  let vault: string;
  beforeEach(async () => {
    world = await makeWorld();
    ids = [];
    for (let n = 1; n <= 6; n += 1) ids.push(await world.hire(`p${n}@example.com`));
    vault = await world.group("vault-all", ids);
    await settle(world, reconciler("vault-*"), "bw", "all");
  });
  afterEach(() => world.close());

  const reconciler = (pattern: string) => world.reconciler("bitwarden", { userGroups: [pattern] });
  const revoked = (): readonly string[] =>
    [...world.bitwarden.state.members.values()].flatMap(({ email, status }) =>
      status === memberStatus.revoked ? [email] : [],
    );
  const held = async () => (await world.store.held("bw")).map(({ reason, change }) => [reason, change.op]);

  it("takes access only from leavers if no group has the name", async () => {
    await world.fire(ids[0] ?? "");
    await world.update(ids[1] ?? "", { isActive: false });
    await settle(world, reconciler("valut-*"), "bw", "all");
    world.clock.nowMs += 3 * 86_400_000;
    await settle(world, reconciler("valut-*"), "bw", "all");
    expect(revoked()).toEqual(["p1@example.com", "p2@example.com"]);
    expect(await held()).toEqual(Array.from({ length: 4 }, () => ["scope", "suspend"]));
    await settle(world, reconciler("vault-*"), "bw", "all");
    expect(await held()).toEqual([]);
  });

  it("takes access from all after an approval: the last such group was deleted", async () => {
    await world.store.deleteGroup("okta", vault, null, cause);
    const report = await settle(world, reconciler("vault-*"), "bw");
    expect(revoked()).toEqual([]);
    const digest = report.at(-1)?.plan.heldDigest ?? "";
    expect(await world.store.approve("bw", digest, cause, world.clock.nowMs)).toBe(6);
    await settle(world, reconciler("vault-*"), "bw", "all");
    expect(revoked()).toHaveLength(6);
  });

  it("takes access at once from users who leave the group, within the limit", async () => {
    await world.leave(vault, ...ids);
    await settle(world, reconciler("vault-*"), "bw");
    expect(revoked()).toHaveLength(6);
  });
});
