import { describe, expect, it } from "vitest";
import { createPlans } from "../../src/app/plans.ts";
import { createShortMemory } from "../../src/app/short-memory.ts";
import type { HeldItem } from "../../src/domain/model/held-change.ts";
import type { Change, HeldReason } from "../../src/domain/model/plan.ts";
import type { PersonDetail, SyncStatus } from "../../src/domain/ports/console-store.ts";
import type { Role, Visitor } from "../../src/web/access/role.ts";
import { type AttentionData, attentionLines } from "../../src/web/console/components/attention-lines.ts";
import { flag, html, raw } from "../../src/web/console/components/html.ts";
import { personBody } from "../../src/web/console/pages/person.ts";
import { planBody } from "../../src/web/console/pages/plan.ts";
import { localPath } from "../../src/web/console/pages/sign-in.ts";

const visitorWith = (role: Role): Visitor => ({
  role,
  name: "v",
  actor: "v",
  via: "session",
  csrfToken: "t",
  isStillIn: () => true,
});

describe("html", () => {
  it.each([
    ["<b>", "&lt;b&gt;"],
    [`" onclick='x'`, "&quot; onclick=&#39;x&#39;"],
    ["a & b", "a &amp; b"],
    [0, "0"],
    [null, ""],
    [undefined, ""],
    [false, ""],
    [["<", [">"]], "&lt;&gt;"],
    [html`<i>${"<"}</i>`, "<i>&lt;</i>"],
    [raw("<hr>"), "<hr>"],
    [flag("checked", true), " checked"],
    [flag("checked", false), ""],
  ] as const)("prints %j as %s", (value, text) => {
    expect(html`${value}`.toString()).toBe(text);
  });

  it("escapes everything that a template did not make", () => {
    const forged = { toString: () => "<script>", text: "<script>" } as unknown as string;
    expect(() => html`${forged}`).toThrow(TypeError);
  });
});

describe("where a sign-in leads", () => {
  it.each([
    ["/people?q=a", "/people?q=a"],
    ["//evil.example", "/"],
    ["/\\evil.example", "/"],
    ["https://evil.example", "/"],
    ["/sign-out", "/"],
    [["/people"], "/"],
    [undefined, "/"],
    [`/${"a".repeat(2000)}`, "/"],
  ])("is for %j %s", (asked, path) => {
    expect(localPath(asked)).toBe(path);
  });
});

describe("the status that all pages share", () => {
  const status = { sources: [], targets: [] };

  it("is read once in two seconds and again after an action, and a failure is not kept", async () => {
    let [asked, clock, isBroken] = [0, 0, false];
    const memory = createShortMemory(
      async () => {
        asked += 1;
        if (isBroken) throw new Error("no store");
        return status;
      },
      { now: () => clock },
    );
    await Promise.all([memory.get(), memory.get()]);
    clock = 1999;
    await memory.get();
    expect(asked).toBe(1);
    clock = 2000;
    await memory.get();
    expect(asked).toBe(2);
    memory.forget();
    await memory.get();
    expect(asked).toBe(3);
    memory.forget();
    isBroken = true;
    await expect(memory.get()).rejects.toThrow("no store");
    isBroken = false;
    expect(await memory.get()).toBe(status);
  });
});

describe("plans", () => {
  const plan = { changes: [], held: [], skipped: [], heldDigest: null, undecidedDigest: null, dismissedDigest: null };

  it("are made once at a time, shared for ten seconds and forgotten after half an hour", async () => {
    let [clock, begun] = [0, 0];
    const running = Promise.withResolvers<typeof plan>();
    const plans = createPlans({
      now: () => clock,
      plan: () => {
        begun += 1;
        return running.promise;
      },
    });
    expect(plans.find("a")).toBeNull();
    const first = plans.start("a");
    expect(plans.start("a")).toBe(first);
    expect(plans.recent("a")).toBe(first);
    expect(plans.find("a")).toEqual({ status: "working", sinceMs: 0 });
    running.resolve(plan);
    expect(await first).toEqual({ atMs: 0, plan });
    expect(begun).toBe(1);
    expect(plans.find("a")).toEqual({ status: "done", atMs: 0, plan });
    clock = 9999;
    await plans.recent("a");
    expect(begun).toBe(1);
    clock = 10_000;
    await plans.recent("a");
    expect(begun).toBe(2);
    clock += 30 * 60_000;
    expect(plans.find("a")).toBeNull();
  });

  it("of several targets are made one after the other, and only ten wait", async () => {
    const running = Promise.withResolvers<typeof plan>();
    const begun: string[] = [];
    const plans = createPlans({
      now: () => 0,
      plan: (target) => {
        begun.push(target);
        return running.promise;
      },
    });
    const coming = Array.from({ length: 11 }, (_, index) => plans.start(`t${index}`));
    expect(coming[10]).toBeNull();
    await Promise.resolve();
    expect(begun).toEqual(["t0"]);
    running.resolve(plan);
    await Promise.all(coming.filter((each) => each !== null));
    expect(begun).toHaveLength(10);
  });

  it("that fail say why, and the next one is made all the same", async () => {
    const answers = [Promise.reject(new Error("502 from the API")), Promise.resolve(plan)];
    const plans = createPlans({ now: () => 0, plan: () => answers.shift() ?? Promise.resolve(plan) });
    const [first, second] = [plans.start("a"), plans.start("b")];
    await expect(first).rejects.toThrow("502 from the API");
    expect(plans.find("a")).toEqual({ status: "failed", atMs: 0, message: "502 from the API" });
    await second;
    expect(plans.find("b")).toEqual({ status: "done", atMs: 0, plan });
  });
});

describe("what needs a person", () => {
  const target = {
    name: "op",
    type: "onepassword" as const,
    missing: 2,
    failingSince: null,
    retryAt: null,
    error: null,
    budget: { allowed: 3, spent: 0 },
  };
  const found = { target: "op", count: 9, sinceMs: null, first: [] };
  const linesOf = (given: Partial<AttentionData>) =>
    attentionLines({
      status: { sources: [], targets: [] },
      attention: [],
      tokens: [],
      vendorUrl: () => null,
      nowMs: 0,
      ...given,
    });
  const firstDetail = (given: Partial<AttentionData>): string => String(linesOf(given)[0]?.detail);

  it("lists failures first, then held changes, then the rest", () => {
    const lines = linesOf({
      status: { sources: [], targets: [{ ...target, error: { code: "TARGET_UNREACHABLE", message: "no answer" } }] },
      attention: (["missing", "accepted", "held"] as const).map((kind) => ({ ...found, kind })),
      vendorUrl: () => "https://vendor.example/members",
    });
    expect(lines.map(({ tone }) => tone)).toEqual(["bad", "held", "warn", "idle"]);
    expect(lines[2]?.action).toEqual({
      label: "Open 1Password",
      href: "https://vendor.example/members",
      isExternal: true,
    });
    // The status counts only people who should have an account.
    expect(lines[3]?.title).toBe("2 people without an account in op");
  });

  it("says when a failing target is tried again", () => {
    const error = { code: "TARGET_UNREACHABLE", message: "no answer" };
    const told = (retryAt: string | null): string =>
      firstDetail({ status: { sources: [], targets: [{ ...target, retryAt, error }] }, nowMs: 1000 });
    expect(told(new Date(181_000).toISOString())).toMatch(/Next try: <time [^>]*00:03:01[^>]*>in 3 min<\/time>\./);
    expect(told(new Date(500).toISOString())).toContain("Next try: now.");
    expect(told(null)).toContain("Next try: now.");
  });

  it("gives the reason of a held change on the overview and in the plan", () => {
    const told = (reason: HeldReason): string => {
      const change: Change = { op: "suspend", userId: "u", email: "a@example.com", remoteId: "r" };
      const decision = { approvedAtMs: null, dismissedAtMs: null, dismissedBy: null };
      const item: HeldItem = { key: "k", kind: "user", entityId: "u", change, reason, sinceMs: 0, ...decision };
      const held = { items: [item], heldDigest: "d", undecidedDigest: "d", dismissedDigest: null };
      return String(planBody({ plans: [{ target, held, planned: null }], visitor: visitorWith("viewer"), nowMs: 0 }));
    };
    const reasons = {
      budget: "More people would lose access or a group in op than the removal limit allows",
      scope: "1 person would lose access to op: no group of the source matches",
      restored: "requested only by the restored backup of the database",
      returning: "1 person would get access to op back",
      "handed-on": "1 person has an e-mail address in op that belonged to a deleted person",
    };
    for (const reason of Object.keys(reasons) as (keyof typeof reasons)[])
      for (const [other, text] of Object.entries(reasons)) expect(told(reason).includes(text)).toBe(other === reason);
    const [line] = linesOf({ attention: [{ ...found, kind: "scope" }] });
    expect(line?.title).toBe("No group matches users.groups: 9 removals are held in op");
  });

  it("says how many removals were made before the others were held", () => {
    const told = (spent: number): string =>
      firstDetail({
        status: { sources: [], targets: [{ ...target, missing: 0, budget: { allowed: 15, spent } }] },
        attention: [{ ...found, kind: "held" }],
      });
    expect(told(15)).toContain("15 people lost access or a group before the limit was reached.");
    expect(told(0)).not.toContain("before the limit");
  });

  it("includes a token that expires within two weeks, and no other", () => {
    const dayMs = 86_400_000;
    const token = {
      id: "t",
      source: "okta",
      hash: "h",
      label: "Okta",
      createdAtMs: 0,
      revokedAtMs: null,
      lastUsedAtMs: null,
    };
    const lines = linesOf({
      tokens: [
        { ...token, expiresAtMs: 13 * dayMs },
        { ...token, expiresAtMs: 15 * dayMs },
        { ...token, expiresAtMs: null },
        { ...token, expiresAtMs: 13 * dayMs, revokedAtMs: 1 },
      ],
    });
    expect(lines.map(({ title, detail }) => [title, String(detail)])).toEqual([
      ["A token of okta expires soon", expect.stringContaining("in 13 days")],
    ]);
  });

  it("does not include missing accounts of people who have left", () => {
    const status = { sources: [], targets: [{ ...target, missing: 0 }] };
    expect(linesOf({ status, attention: [{ ...found, kind: "missing" }] })).toEqual([]);
  });
});

describe("the page of a person", () => {
  const syncStatus: SyncStatus = {
    target: "bw",
    state: "inSync",
    note: null,
    remoteId: "m-1",
    ownership: "created",
    hasAccess: true,
    seenState: "invited",
    seenSinceMs: 0,
    reinviteAskedAtMs: null,
    attempts: 0,
    retryAtMs: null,
    errorCode: null,
    errorMessage: null,
    lastSuccessAtMs: 0,
  };
  const ada: PersonDetail = {
    id: "id-1",
    source: "okta",
    externalId: "id-1",
    displayName: "Ada",
    userName: "ada",
    email: "ada@example.com",
    isActive: true,
    absentSinceMs: null,
    syncStatuses: [syncStatus],
    rev: 1,
    createdAtMs: 0,
    modifiedAtMs: 0,
    groups: [],
    held: [],
  };
  const page = (person: PersonDetail): string =>
    personBody({
      person,
      history: { rows: [], nextBeforeSeq: null },
      status: { targets: [] },
      visitor: visitorWith("operator"),
      nowMs: 0,
    }).toString();

  it("an invited person can be invited again while the source still gives them access", () => {
    expect(page(ada)).toContain("Invite again");
    expect(page({ ...ada, isActive: false })).not.toContain("Invite again");
    expect(page({ ...ada, absentSinceMs: 0 })).not.toContain("Invite again");
    expect(page({ ...ada, syncStatuses: [{ ...syncStatus, note: "out-of-scope" }] })).not.toContain("Invite again");
  });

  it("a source ID that equals the Rollcall ID is shown once", () => {
    expect(page(ada)).not.toContain("Source ID");
    expect(page({ ...ada, externalId: "guid-7" })).toContain("guid-7");
  });
});
