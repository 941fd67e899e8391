import { afterEach, beforeEach, expect, test } from "vitest";
import type { Link } from "../../src/domain/model/link.ts";
import type { Page, PeopleQuery, SyncState, SyncStatus } from "../../src/domain/ports/console-store.ts";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import type { UserWrite } from "../../src/domain/ports/scim-store.ts";
import { sqliteHarness } from "../contract/store-sqlite.ts";
import type { StoreHarness } from "../contract/store-world.ts";
import { Random } from "../support/random.ts";

const cause = { actor: "test", requestId: null };
const members = { isNameUnique: false, unknownMembers: "skip" } as const;
const states: readonly SyncState[] = ["inSync", "pending", "failed", "held", "missing"];
const people: PeopleQuery = {
  targets: ["bw", "op"],
  search: "",
  source: null,
  presence: null,
  syncStatus: null,
  groupId: null,
  cursor: null,
  limit: 500,
};

const writeOf = (name: string, email: string | null, isActive = true): UserWrite => ({
  resource: { userName: name, active: isActive, title: email },
  userName: name,
  externalId: null,
  email,
  emails: email === null ? [] : [email],
  displayName: name,
  isActive,
});

let harness: StoreHarness;
let store: DirectoryStore;
beforeEach(async () => {
  harness = await sqliteHarness();
  store = await harness.open();
});
afterEach(() => harness.close());

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
  const users = byState((await store.people(query)).items, target);
  const groups = byState((await store.groups(query)).items, target);
  const searched = byState((await store.people({ ...query, search: "1" })).items, target);
  for (const state of states) {
    const syncStatus = { by: "state", state } as const;
    const namesIn = (page: Page<{ readonly displayName: string }>) => page.items.map(({ displayName }) => displayName);
    expect(namesIn(await store.people({ ...query, syncStatus })), `users ${hint}`).toEqual(users[state]);
    expect(namesIn(await store.groups({ ...query, syncStatus })), `groups ${hint}`).toEqual(groups[state]);
    expect(namesIn(await store.people({ ...query, syncStatus, search: "1" })), `search ${hint}`).toEqual(
      searched[state],
    );
  }
  const countsOf = (names: Record<string, readonly string[]>) => states.map((state) => names[state]?.length ?? 0);
  const userCounts = await store.targetCounts(target, ["user"]);
  const allCounts = await store.targetCounts(target);
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
  const nowMs = harness.clock.nowMs;
  const one = random.pick(users) ?? "none";
  const group = random.pick(groups) ?? "none";
  const target = random.pick(["bw", "op"]) ?? "bw";
  const email = `${random.below(12)}@example.com`;
  const link = (kind: Link["kind"], entityId: string): Link => {
    const isMissing = random.chance(0.2);
    return {
      target,
      kind,
      entityId,
      remoteId: isMissing || random.chance(0.2) ? null : `remote-${entityId}`,
      ownership: "created",
      appliedRev: random.below(12),
      hasAccess: !isMissing,
      observedState: isMissing ? "absent" : "active",
      observedSinceMs: nowMs,
      isSuspendedByUs: false,
      note: isMissing ? "not-in-target" : null,
      attempts: random.below(2),
      attemptedRev: 1,
      retryAtMs: null,
      errorCode: random.chance(0.2) ? "TARGET_REFUSED" : null,
      errorMessage: null,
      lastSuccessAtMs: null,
    };
  };
  const held = {
    key: `access:${one}`,
    kind: "user",
    entityId: one,
    reason: "budget",
    change: { op: "suspend", userId: one, email, remoteId: "r" },
    sinceMs: nowMs,
    approvedAtMs: null,
    dismissedAtMs: null,
    dismissedBy: null,
  } as const;
  const changes: readonly ((by: DirectoryStore) => Promise<unknown>)[] = [
    async (by) => users.push((await by.createUser("okta", writeOf(`P${n}`, email), cause)).id),
    (by) => by.updateUser("okta", one, null, () => writeOf(`Q${n}`, email, random.chance(0.5)), cause),
    (by) => by.deleteUser("okta", one, null, cause),
    async (by) =>
      groups.push(
        (
          await by.createGroup(
            "okta",
            { resource: {}, displayName: `G${n}`, externalId: null },
            random.some(users, 3),
            members,
            cause,
          )
        ).record.id,
      ),
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
    (by) => by.commit(target, { links: random.some(users, 4).map((id) => link("user", id)) }, nowMs),
    (by) => by.commit(target, { links: [link("group", group)] }, nowMs),
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
  const other = await harness.beside();
  for (const name of ["A1", "B1", "C1", "D2"])
    users.push((await store.createUser("okta", writeOf(name, `${name}@example.com`), cause)).id);
  for (let n = 0; n < 60; n += 1) {
    harness.clock.nowMs += 2000;
    const by = random.chance(0.1) ? other : store;
    // Several at once. A change of an entity that another one has deleted fails, which is no matter here.
    const changes = Array.from({ length: 1 + random.below(3) }, () => change(random, users, groups, n)(by));
    await Promise.allSettled(changes);
    if (n % 3 === 0) for (const target of ["bw", "op"]) await expectAgreement(target, `after change ${n}`);
  }
});
