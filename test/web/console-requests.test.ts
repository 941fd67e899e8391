import { afterEach, beforeEach, expect, it } from "vitest";
import { createPlans } from "../../src/app/plans.ts";
import { adminApp, tokenOf } from "./admin-app.ts";
import { openTab, serveApp, type Tab } from "./browser.ts";

const targets = ["acme", "acme.prod"].map((name) => ({
  name,
  type: "bitwarden",
  held: 0,
  budget: { allowed: 3, spent: 0 },
}));
let asked: unknown[];
let logged: string[];
let server: Awaited<ReturnType<typeof serveApp>>;
let tab: Tab;

/** The console with two targets and a store that accepts everything. */
beforeEach(async () => {
  [asked, logged] = [[], []];
  const { app } = adminApp({
    status: async () => ({ sources: [], targets }),
    targets: () => ["acme"],
    log: (_level: string, message: string) => void logged.push(message),
    reader: { askSync: async (...input: readonly unknown[]) => asked.push(input) > 0 },
    decisions: { held: async () => ({ items: [], heldDigest: null, undecidedDigest: null, dismissedDigest: null }) },
    plans: createPlans({ plan: () => new Promise(() => undefined), now: Date.now }),
    connections: { syncNow: () => true },
  });
  server = await serveApp(app);
  tab = openTab(server.url);
  await tab.post("/sign-in", { token: tokenOf.operator, to: "/" });
});
afterEach(() => server.close());

it("a sync can be requested only for an existing target", async () => {
  const _csrf = await tab.csrf("/nothing-here");
  for (const target of ["", "other", "acme\n", "x".repeat(30_000)])
    expect((await tab.post("/people/u1/sync", { _csrf, target })).status).toBe(404);
  expect(asked).toEqual([]);
  expect((await tab.post("/people/u1/sync", { _csrf, target: "acme" })).status).toBe(303);
  expect(asked).toHaveLength(1);
});

it("an address that cannot be decoded is a client error", async () => {
  expect((await tab.get("/people/%zz")).status).toBe(400);
  expect(logged).toEqual([]);
});

it("a plan in progress is found by a name that contains dots", async () => {
  const _csrf = await tab.csrf("/nothing-here");
  expect((await tab.post("/plan/acme.prod/work-out", { _csrf })).status).toBe(303);
  expect((await tab.get("/plan")).text).toMatch(/id="plan-acme\.prod" [^>]*hx-select="\[id='plan-acme\.prod'\]"/);
});
