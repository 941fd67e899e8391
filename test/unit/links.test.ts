import { describe, expect, it } from "vitest";
import type { ComparedGroup, ComparedUser } from "../../src/domain/decide/comparison.ts";
import { RollcallError } from "../../src/domain/model/errors.ts";
import { isDirty } from "../../src/domain/model/link.ts";
import {
  backoff,
  failed,
  inSync,
  isSameLink,
  linkOfGroup,
  linkOfUser,
  waiting,
} from "../../src/reconcile/link-updates.ts";
import { account, linkOf, nowMs, person, team } from "./model.ts";

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
    expect(inSync(after, 3, nowMs)).toMatchObject({
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

describe("a user's link after an observation", () => {
  const linkAfter = (before: Parameters<typeof linkOf>[1] | null, more: Partial<ComparedUser>) =>
    linkOfUser(
      {
        ...{ user: person("ada"), groupIds: [], emailOwnerId: "ada" },
        link: before === null ? null : linkOf("ada", before),
        desired: { state: "active" },
        account: null,
        note: null,
        deferredUntilMs: null,
        hasManagedMemberships: false,
        ...more,
      },
      { target: "model", matched: new Set(), ownSuspensions: new Set(), nowMs },
    );

  it.each([
    { state: "active", hasAccess: true },
    { state: "invited", hasAccess: true },
    { state: "accepted", hasAccess: true },
    { state: "staged", hasAccess: true },
    { state: "suspended", hasAccess: false },
    { state: "unknown", hasAccess: false },
  ] as const)("an account that is $state: has access $hasAccess", ({ state, hasAccess }) => {
    expect(linkAfter(null, { account: account("r", { state }) })).toMatchObject({ hasAccess, observedState: state });
  });

  it("is created if the account carries our key at first sight, else adopted, and stays so", () => {
    const ours = account("r", { externalId: "x-ada" });
    expect(linkAfter(null, { account: ours })).toMatchObject({ remoteId: "r", ownership: "created" });
    expect(linkAfter(null, { account: account("r") })).toMatchObject({ remoteId: "r", ownership: "adopted" });
    expect(linkAfter({ ownership: "adopted" }, { account: ours }).ownership).toBe("adopted");
  });

  it("keeps Rollcall's own suspension only as long as the account stays suspended", () => {
    const stateOf = (state: "suspended" | "active") =>
      linkAfter({ isSuspendedByUs: true }, { account: account("r", { state }) }).isSuspendedByUs;
    expect(stateOf("suspended")).toBe(true);
    expect(stateOf("active")).toBe(false);
  });

  it("drops an account that is gone, but not one that nobody asked for", () => {
    const before = { remoteId: "r", ownership: "created", hasAccess: true } as const;
    expect(linkAfter(before, {})).toMatchObject({ remoteId: null, ownership: null, hasAccess: false });
    const untouched = { desired: { state: "untouched", note: "conflict" }, note: "conflict" } as const;
    expect(linkAfter(before, untouched)).toMatchObject({ ...before, note: "conflict" });
  });
});

describe("a group's link after an observation", () => {
  const none: ComparedGroup = {
    group: team("eng"),
    link: linkOf("eng", { kind: "group", remoteId: "g", ownership: "adopted" }),
    observed: null,
    note: null,
    isManaged: true,
  };

  it("is dropped only if everything was observed", () => {
    expect(linkOfGroup("model", none, true)).toMatchObject({ remoteId: null, ownership: null });
    expect(linkOfGroup("model", none, false)).toMatchObject({ remoteId: "g", ownership: "adopted" });
  });

  it("is created if the group carries our key at first sight", () => {
    const found = { ...none, link: null, observed: { remoteId: "g", name: "eng", externalId: "x-eng" } };
    expect(linkOfGroup("model", found, true)).toMatchObject({
      kind: "group",
      remoteId: "g",
      ownership: "created",
      hasAccess: false,
    });
  });
});
