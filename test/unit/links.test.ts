import { describe, expect, it } from "vitest";
import type { GroupAssessment, UserAssessment } from "../../src/domain/decide/observed-user.ts";
import { RollcallError } from "../../src/domain/model/errors.ts";
import { isDirty } from "../../src/domain/model/link.ts";
import {
  backoff,
  failed,
  isSameLink,
  seenGroup,
  seenUser,
  settled,
  waiting,
} from "../../src/reconcile/link-updates.ts";
import { linkOf, member, nowMs, person, team } from "./model.ts";

const link = linkOf("ada");
const refused = (details: ConstructorParameters<typeof RollcallError>[2] = {}) =>
  new RollcallError("TARGET_REFUSED", "no", details);
const waitMs = (attempts: number, details = {}, random = 0.5) =>
  (failed({ ...link, attempts }, 3, refused(details), nowMs, () => random).retryAtMs ?? 0) - nowMs;

describe("backoff", () => {
  it.each([
    [1, 1000],
    [2, 2000],
    [3, 4000],
    [10, 512_000],
    [11, 900_000],
    [100, 900_000],
    [5000, 900_000],
  ])("attempt %i waits %i ms", (attempt, expected) => {
    expect(backoff(attempt, 1000, 900_000)).toBe(expected);
    expect(waitMs(attempt - 1)).toBe(expected);
  });

  it("has a jitter of a quarter to both sides", () => {
    expect(waitMs(0, {}, 0)).toBe(750);
    expect(waitMs(0, {}, 0.999_999)).toBe(1250);
  });

  it("gives a permanent refusal an hour, and the vendor's own wish if it is longer", () => {
    expect(waitMs(0, { isPermanent: true })).toBe(3_600_000);
    expect(waitMs(0, { retryAfterMs: 30_000 })).toBe(30_000);
    expect(waitMs(9, { retryAfterMs: 30_000 })).toBe(512_000);
  });
});

describe("a link", () => {
  it("is dirty until the rev is applied", () => {
    expect(isDirty(1, null)).toBe(true);
    expect(isDirty(2, { ...link, appliedRev: 1 })).toBe(true);
    expect(isDirty(2, { ...link, appliedRev: 2 })).toBe(false);
  });

  it("that failed counts, remembers what was tried and why, and is clean after a success", () => {
    const after = failed(link, 3, new RollcallError("TARGET_REFUSED", "x".repeat(5000)), nowMs, () => 0.5);
    expect(after).toMatchObject({ attempts: 1, attemptedRev: 3, appliedRev: 0, errorCode: "TARGET_REFUSED" });
    expect(after.errorMessage).toHaveLength(1000);
    expect(settled(after, 3, nowMs)).toMatchObject({
      attempts: 0,
      appliedRev: 3,
      attemptedRev: 3,
      retryAtMs: null,
      errorCode: null,
      errorMessage: null,
      lastSuccessAtMs: nowMs,
    });
    expect(waiting(after, 3, nowMs + 5)).toMatchObject({
      appliedRev: 0,
      attemptedRev: 3,
      retryAtMs: nowMs + 5,
      errorCode: null,
    });
  });

  it("is written again when any field but the time of success differs", () => {
    expect(isSameLink(null, link)).toBe(false);
    expect(isSameLink(link, { ...link, lastSuccessAtMs: 5 })).toBe(true);
    for (const change of [
      { remoteId: "r" },
      { ownership: "created" },
      { appliedRev: 1 },
      { hasAccess: true },
      { isSuspendedByUs: true },
      { note: "drift" },
      { attempts: 1 },
      { attemptedRev: 1 },
      { retryAtMs: 1 },
      { errorCode: "x" },
      { errorMessage: "x" },
    ] as const) {
      expect(isSameLink(link, { ...link, ...change })).toBe(false);
    }
  });
});

describe("what was seen of a person", () => {
  const seen = (more: Partial<UserAssessment>) =>
    seenUser("model", {
      person: { user: person("ada"), link: null, groupIds: [], emailOwnerId: "ada" },
      wanted: { state: "active" },
      member: null,
      note: null,
      deferredUntilMs: null,
      hasManagedMemberships: false,
      ...more,
    });
  const linked = (more: Parameters<typeof linkOf>[1]) => ({
    user: person("ada"),
    link: linkOf("ada", more),
    groupIds: [],
    emailOwnerId: "ada",
  });

  it.each([
    ["active", true],
    ["invited", true],
    ["accepted", true],
    ["staged", true],
    ["suspended", false],
    ["unknown", false],
  ] as const)("%s: has access %s", (state, hasAccess) => {
    expect(seen({ member: member("r", { state }) }).hasAccess).toBe(hasAccess);
  });

  it("is created when our key is there at first sight, else adopted, and stays so", () => {
    expect(seen({ member: member("r", { externalId: "x-ada" }) })).toMatchObject({
      remoteId: "r",
      ownership: "created",
    });
    expect(seen({ member: member("r") })).toMatchObject({ remoteId: "r", ownership: "adopted" });
    expect(
      seen({ person: linked({ ownership: "adopted" }), member: member("r", { externalId: "x-ada" }) }).ownership,
    ).toBe("adopted");
  });

  it("is ours to reactivate only as long as it stays suspended", () => {
    const person = linked({ isSuspendedByUs: true });
    expect(seen({ person, member: member("r", { state: "suspended" }) }).isSuspendedByUs).toBe(true);
    expect(seen({ person, member: member("r", { state: "active" }) }).isSuspendedByUs).toBe(false);
  });

  it("forgets a member who is gone, but not one who was not looked for", () => {
    const person = linked({ remoteId: "r", ownership: "created", hasAccess: true });
    expect(seen({ person, member: null })).toMatchObject({ remoteId: null, ownership: null, hasAccess: false });
    expect(
      seen({ person, member: null, wanted: { state: "untouched", note: "conflict" }, note: "conflict" }),
    ).toMatchObject({ remoteId: "r", ownership: "created", hasAccess: true, note: "conflict" });
  });
});

describe("what was seen of a group", () => {
  const item: GroupAssessment["item"] = {
    group: team("eng"),
    link: linkOf("eng", { kind: "group", remoteId: "g", ownership: "adopted" }),
  };
  const none: GroupAssessment = { item, group: null, note: null, isManaged: true };

  it("is gone only when everything was observed", () => {
    expect(seenGroup("model", none, true)).toMatchObject({ remoteId: null, ownership: null });
    expect(seenGroup("model", none, false)).toMatchObject({ remoteId: "g", ownership: "adopted" });
    const fresh = {
      ...none,
      item: { ...item, link: null },
      group: { remoteId: "g", name: "eng", externalId: "x-eng" },
    };
    expect(seenGroup("model", fresh, true)).toMatchObject({
      kind: "group",
      remoteId: "g",
      ownership: "created",
      hasAccess: false,
    });
  });
});
