import { describe, expect, it } from "vitest";
import type { HeldItem } from "../../src/domain/model/held-change.ts";
import type { Change, HeldReason } from "../../src/domain/model/plan.ts";
import type { Visitor } from "../../src/web/access/role.ts";
import { attentionLines } from "../../src/web/console/components/attention-lines.ts";
import { flag, html, raw } from "../../src/web/console/components/html.ts";
import { planBody } from "../../src/web/console/pages/plan.ts";
import { localPath } from "../../src/web/console/pages/sign-in.ts";
import { createPlanDesk } from "../../src/web/console/plan-desk.ts";
import { createStatusMemory } from "../../src/web/console/status-memory.ts";

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

describe("the status that pages share", () => {
  const status = { sources: [], targets: [] };

  it("is read once in two seconds, again after a change, and a failure reaches every page", async () => {
    let [asked, clock, isBroken] = [0, 0, false];
    const memory = createStatusMemory(
      async () => {
        asked += 1;
        if (isBroken) throw new Error("no store");
        return status;
      },
      () => clock,
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

  it("are computed once at a time and forgotten after half an hour", async () => {
    let [clock, begun] = [0, 0];
    const running = Promise.withResolvers<typeof plan>();
    const desk = createPlanDesk({
      now: () => clock,
      plan: () => {
        begun += 1;
        return running.promise;
      },
    });
    expect(desk.find("a")).toBeNull();
    desk.start("a");
    desk.start("a");
    expect([begun, desk.find("a")]).toEqual([1, { status: "working", sinceMs: 0 }]);
    running.resolve(plan);
    await running.promise;
    await Promise.resolve();
    expect(desk.find("a")).toEqual({ status: "done", atMs: 0, plan });
    clock = 30 * 60_000;
    expect(desk.find("a")).toBeNull();
  });

  it("that fail give the reason", async () => {
    const desk = createPlanDesk({ now: () => 0, plan: () => Promise.reject(new Error("502 from the API")) });
    desk.start("a");
    await Promise.resolve();
    await Promise.resolve();
    expect(desk.find("a")).toEqual({ status: "failed", atMs: 0, message: "502 from the API" });
  });
});

describe("what needs a person", () => {
  const target = {
    name: "op",
    type: "onepassword",
    inSync: 0,
    pending: 0,
    failed: 0,
    held: 0,
    dismissed: 0,
    missing: 2,
    oldestPendingSeconds: null,
    lastSuccessAt: null,
    failingSince: null,
    retryAt: null,
    error: null,
    heldDigest: null,
    budget: { allowed: 3, spent: 0 },
  };
  const found = { target: "op", count: 9, sinceMs: null, first: [] };

  it("lists failures first, then held changes, then the rest", () => {
    const lines = attentionLines({
      status: { sources: [], targets: [{ ...target, error: { code: "TARGET_UNREACHABLE", message: "no answer" } }] },
      attention: [
        { ...found, kind: "missing" },
        { ...found, kind: "accepted" },
        { ...found, kind: "held" },
      ],
      tokens: [],
      vendorUrl: () => "https://vendor.example/members",
      nowMs: 0,
    });
    expect(lines.map(({ tone }) => tone)).toEqual(["bad", "held", "warn", "idle"]);
    expect(lines[2]?.action).toEqual({
      label: "Open 1Password",
      href: "https://vendor.example/members",
      isExternal: true,
    });
    // Who has left is in no target, and is missing nowhere: the status counts who should be there.
    expect(lines[3]?.title).toBe("2 people not in op");
  });

  it("says when a failing target is tried again", () => {
    const told = (retryAt: string | null): string =>
      String(
        attentionLines({
          status: {
            sources: [],
            targets: [{ ...target, retryAt, error: { code: "TARGET_UNREACHABLE", message: "no answer" } }],
          },
          attention: [],
          tokens: [],
          vendorUrl: () => null,
          nowMs: 1000,
        })[0]?.detail,
      );
    expect(told(new Date(181_000).toISOString())).toMatch(
      /It is tried again <time [^>]*00:03:01[^>]*>in 3 min<\/time>;/,
    );
    expect(told(new Date(500).toISOString())).toContain("It is tried again now;");
    expect(told(null)).toContain("It is tried again now;");
  });

  it("gives the reason of a held change on the overview and in the plan", () => {
    const visitor: Visitor = {
      role: "viewer",
      name: "v",
      actor: "v",
      via: "token",
      csrfToken: null,
      isStillIn: () => true,
    };
    const told = (reason: HeldReason): string => {
      const change: Change = { op: "suspend", userId: "u", email: "a@example.com", remoteId: "r" };
      const decision = { approvedAtMs: null, dismissedAtMs: null, dismissedBy: null };
      const item: HeldItem = { key: "k", kind: "user", entityId: "u", change, reason, sinceMs: 0, ...decision };
      const held = { items: [item], digest: "d", undecidedDigest: "d", dismissedDigest: null };
      return String(planBody({ plans: [{ target, held, planned: null }], visitor, nowMs: 0 }));
    };
    const reasons = {
      budget: "More people would lose access or a group in op than the removal budget allows",
      scope: "1 person would lose access to op as no group of the directory matches",
      restored: "asked for only by the backup",
      returning: "1 person would get back the access to op",
      "handed-on": "1 person has an address in op that was somebody else",
    };
    for (const reason of Object.keys(reasons) as (keyof typeof reasons)[])
      for (const [other, text] of Object.entries(reasons)) expect(told(reason).includes(text)).toBe(other === reason);
    const [line] = attentionLines({
      status: { sources: [], targets: [] },
      attention: [{ ...found, kind: "scope" }],
      tokens: [],
      vendorUrl: () => null,
      nowMs: 0,
    });
    expect(line?.title).toBe("No group matches users.groups of op: 9 removals are held back");
  });

  it("says how many removals were made before the others were held", () => {
    const told = (spent: number): string =>
      String(
        attentionLines({
          status: { sources: [], targets: [{ ...target, missing: 0, budget: { allowed: 15, spent } }] },
          attention: [{ ...found, kind: "held" }],
          tokens: [],
          vendorUrl: () => null,
          nowMs: 0,
        })[0]?.detail,
      );
    expect(told(15)).toContain("15 people have lost access or a group already.");
    expect(told(0)).not.toContain("already");
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
    const lines = attentionLines({
      status: { sources: [], targets: [] },
      attention: [],
      tokens: [
        { ...token, expiresAtMs: 13 * dayMs },
        { ...token, expiresAtMs: 15 * dayMs },
        { ...token, expiresAtMs: null },
        { ...token, expiresAtMs: 13 * dayMs, revokedAtMs: 1 },
      ],
      vendorUrl: () => null,
      nowMs: 0,
    });
    expect(lines.map(({ title, detail }) => [title, String(detail)])).toEqual([
      ["A token of okta is about to expire", expect.stringContaining("in 13 days")],
    ]);
  });

  it("does not include missing accounts of people who have left", () => {
    const status = { sources: [], targets: [{ ...target, missing: 0 }] };
    expect(
      attentionLines({
        status,
        attention: [{ ...found, kind: "missing" }],
        tokens: [],
        vendorUrl: () => null,
        nowMs: 0,
      }),
    ).toEqual([]);
  });
});
