import { expect, test } from "vitest";
import type { Link } from "../../src/domain/model/link.ts";
import type { Page, SyncState, SyncStatus } from "../../src/domain/ports/console-store.ts";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import type { UserWrite } from "../../src/domain/ports/scim-store.ts";
import { sqliteHarness } from "../contract/store-sqlite.ts";
import { cause, groupWrite, heldItem, link, skip, useStore } from "../contract/store-world.ts";
import { userWrite } from "../support/entities.ts";
import { peopleQuery } from "../support/queries.ts";
import { Random } from "../support/random.ts";

const members = { ...skip, isNameUnique: false };
const states: readonly SyncState[] = ["inSync", "pending", "failed", "held", "missing"];
const people = peopleQuery(["bw", "op"], { limit: 500 });

const writeOf = (name: string, email: string | null, isActive = true): UserWrite =>
  userWrite(name, { email, isActive, resource: { title: email } });

const world = useStore(sqliteHarness);

/** Sorted names by state, from the status that each entity of a page has. */
const byState = (
  items: readonly { readonly displayName: string; readonly syncStatuses: readonly SyncStatus[] }[],
  target: string,
) =>
  Object.fromEntries(
    states.map((state) => [
      state,
      items
        .filter(({ syncStatuses }) => syncStatuses.some((each) => each.target === target && each.state === state))
        .map(({ displayName }) => displayName),
    ]),
  );

/** Counts, lists and the status of each entity are three queries, which must agree. */
async function expectAgreement(target: string, hint: string): Promise<void> {
  const query = { ...people, targets: [target] };
  const users = byState((await world.store.people(query)).items, target);
  const groups = byState((await world.store.groups(query)).items, target);
  const searched = byState((await world.store.people({ ...query, search: "1" })).items, target);
  for (const state of states) {
    const syncStatus = { by: "state", state } as const;
    const namesIn = (page: Page<{ readonly displayName: string }>) => page.items.map(({ displayName }) => displayName);
    expect(namesIn(await world.store.people({ ...query, syncStatus })), `users ${hint}`).toEqual(users[state]);
    expect(namesIn(await world.store.groups({ ...query, syncStatus })), `groups ${hint}`).toEqual(groups[state]);
    expect(namesIn(await world.store.people({ ...query, syncStatus, search: "1" })), `search ${hint}`).toEqual(
      searched[state],
    );
  }
  const countsOf = (names: Record<string, readonly string[]>) => states.map((state) => names[state]?.length ?? 0);
  const userCounts = await world.store.targetCounts(target, ["user"]);
  const allCounts = await world.store.targetCounts(target);
  expect(
    states.map((state) => userCounts[state]),
    hint,
  ).toEqual(countsOf(users));
  expect(
    states.map((state) => allCounts[state] - userCounts[state]),
    hint,
  ).toEqual(countsOf(groups));
}

/** One commit of any kind that moves somebody from one state to another. */
function change(
  random: Random,
  users: string[],
  groups: string[],
  n: number,
): (by: DirectoryStore) => Promise<unknown> {
  const nowMs = world.clock.nowMs;
  const one = random.pick(users) ?? "none";
  const group = random.pick(groups) ?? "none";
  const target = random.pick(["bw", "op"]) ?? "bw";
  const email = `${random.below(12)}@example.com`;
  const linkTo = (kind: Link["kind"], entityId: string): Link => {
    const isMissing = random.chance(0.2);
    return link(entityId, {
      target,
      kind,
      remoteId: isMissing || random.chance(0.2) ? null : `remote-${entityId}`,
      appliedRev: random.below(12),
      hasAccess: !isMissing,
      note: isMissing ? "not-in-target" : null,
      attempts: random.below(2),
      errorCode: random.chance(0.2) ? "TARGET_REFUSED" : null,
    });
  };
  const held = heldItem(one);
  const changes: readonly ((by: DirectoryStore) => Promise<unknown>)[] = [
    async (by) => users.push((await by.createUser("okta", writeOf(`P${n}`, email), cause)).id),
    (by) => by.updateUser("okta", one, null, () => writeOf(`Q${n}`, email, random.chance(0.5)), cause),
    (by) => by.deleteUser("okta", one, null, cause),
    async (by) =>
      groups.push((await by.createGroup("okta", groupWrite(`G${n}`), random.some(users, 3), members, cause)).record.id),
    (by) =>
      by.updateGroup(
        "okta",
        group,
        null,
        () => ({ write: null, members: [{ op: "replace", userIds: random.some(users, 3) }] }),
        members,
        cause,
      ),
    (by) =>
      by.updateGroup(
        "okta",
        group,
        null,
        () => ({ write: { resource: { n }, displayName: `H${n}`, externalId: null }, members: [] }),
        members,
        cause,
      ),
    (by) => by.deleteGroup("okta", group, null, cause),
    (by) => by.commit(target, { links: random.some(users, 4).map((id) => linkTo("user", id)) }, nowMs),
    (by) => by.commit(target, { links: [linkTo("group", group)] }, nowMs),
    (by) => by.commit(target, { held: { considered: null, items: [held], keep: new Set() } }, nowMs),
    (by) => by.commit(target, { done: [held.key] }, nowMs),
    (by) => by.approveItems(target, [held], cause, nowMs),
    (by) => by.dismissItems(target, [held], cause, nowMs),
    (by) =>
      by.applyDelta(
        "ad",
        {
          users: [
            {
              externalId: `k${n % 5}`,
              entryId: `k${n % 5}`,
              userName: `L${n}`,
              email,
              displayName: `L${n}`,
              isActive: random.chance(0.7),
              activeUntilMs: null,
              locators: [],
              memberOf: [],
            },
          ],
          groups: [],
          goneEntryIds: random.chance(0.3) ? [`k${(n + 1) % 5}`] : [],
        },
        { minKeptPercent: 0, acceptShrink: true, cursor: null, nowMs },
        cause,
      ),
    () => Promise.resolve(),
  ];
  return random.pick(changes) ?? (() => Promise.resolve());
}

test.each([1, 2, 3, 4, 5, 6])("counts, lists and single statuses agree after any change (seed %i)", async (seed) => {
  const random = new Random(seed);
  const [users, groups]: [string[], string[]] = [[], []];
  const other = await world.beside();
  for (const name of ["A1", "B1", "C1", "D2"])
    users.push((await world.store.createUser("okta", writeOf(name, `${name}@example.com`), cause)).id);
  for (let n = 0; n < 60; n += 1) {
    world.clock.nowMs += 2000;
    const by = random.chance(0.1) ? other : world.store;
    // Several at once. A change of an entity that another one has deleted fails, which is no matter here.
    const changes = Array.from({ length: 1 + random.below(3) }, () => change(random, users, groups, n)(by));
    await Promise.allSettled(changes);
    if (n % 3 === 0) for (const target of ["bw", "op"]) await expectAgreement(target, `after change ${n}`);
  }
});
