import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AccountState, Observed } from "../../src/domain/model/account.ts";
import type { Change } from "../../src/domain/model/plan.ts";
import type { Outcome, Target } from "../../src/domain/ports/target.ts";
import type { Faults, RequestLog } from "../../src/sandbox/index.ts";
import { collect, patient } from "../targets/virtual-time.ts";
import { changesFor, type Wish, type WishedPerson } from "./target-wish.ts";

/** A target on an emulator, and the emulator's world laid open. */
export interface TargetHarness {
  readonly target: Target;
  readonly faults: Faults;
  readonly requests: RequestLog;
  /** Remote ids that were never given out. */
  readonly goneIds: readonly [string, string];
  /** Puts a person there by hand; gives the remote id. */
  addPerson(email: string, state: "active" | "suspended"): string;
  /** Null: not there. */
  stateOf(email: string): AccountState | null;
  /** Only asked of targets with groups. */
  groupMembers(name: string): readonly string[];
  addGroup(name: string, emails: readonly string[]): void;
  /** Makes every access token worthless at once. */
  expireTokens(): void;
  close(): Promise<void>;
}

const ada: WishedPerson = { email: "ada@example.com", externalId: "u-ada", access: "granted" };
const bob: WishedPerson = { email: "bob@example.com", externalId: "u-bob", access: "granted" };
const eve: WishedPerson = { email: "eve@example.com", externalId: "u-eve", access: "granted" };

/** What every target has to keep. Cases state a wish; each ends with a second run that has nothing to do. */
export function targetContract(name: string, start: () => Promise<TargetHarness>, supports: Target["supports"]): void {
  describe(`target contract: ${name}`, () => {
    let harness: TargetHarness;
    beforeEach(async () => {
      harness = await start();
    });
    afterEach(() => harness.close());

    const observe = (): Promise<Observed> => harness.target.observe({ kind: "all" }, patient);
    const apply = async (changes: readonly Change[], observed?: Observed): Promise<readonly Outcome[]> =>
      collect(harness.target.apply(changes, observed ?? (await observe()), patient));
    const statuses = (outcomes: readonly Outcome[]): readonly string[] => outcomes.map(({ status }) => status);

    /** Runs until there is nothing to do, at most three times; then once more, which must not write. */
    async function converge(wish: Wish): Promise<void> {
      for (let run = 0; run < 3; run += 1) {
        const observed = await observe();
        const changes = await changesFor(wish, harness.target, observed);
        if (changes.length === 0) break;
        expect(await apply(changes, observed)).toHaveLength(changes.length);
      }
      const writes = harness.requests.countWrites();
      const observed = await observe();
      expect(await apply(await changesFor(wish, harness.target, observed), observed)).toEqual([]);
      expect(harness.requests.countWrites()).toBe(writes);
    }

    it("a target says what it supports", () => {
      expect(harness.target.supports).toEqual(supports);
    });

    it("all accounts are observed, and named ones with the missing ones", async () => {
      const remoteId = harness.addPerson(ada.email, "active");
      harness.addPerson(bob.email, "suspended");
      const all = await observe();
      expect(all.isComplete).toBe(true);
      expect(Object.fromEntries(all.accounts.map(({ email, state }) => [email, state]))).toEqual({
        [ada.email]: "active",
        [bob.email]: "suspended",
      });
      const [gone] = harness.goneIds;
      const named = await harness.target.observe(
        { kind: "named", accountIds: [remoteId, gone], groupIds: [] },
        patient,
      );
      expect(named).toMatchObject({
        isComplete: false,
        accounts: [{ remoteId, email: ada.email }],
        missingRemoteIds: [gone],
      });
    });

    it("accounts are suspended and restored", async () => {
      harness.addPerson(ada.email, "active");
      harness.addPerson(bob.email, "suspended");
      await converge({ people: [{ ...ada, access: "suspended" }, bob] });
      expect([harness.stateOf(ada.email), harness.stateOf(bob.email)]).toEqual(["suspended", "active"]);
    });

    it("a change that was done before counts as applied", async () => {
      const [suspendedId, activeId] = [
        harness.addPerson(ada.email, "suspended"),
        harness.addPerson(bob.email, "active"),
      ];
      const changes: readonly Change[] = [
        { op: "suspend", userId: ada.externalId, email: ada.email, remoteId: suspendedId },
        { op: "restore", userId: bob.externalId, email: bob.email, remoteId: activeId },
      ];
      expect(statuses(await apply(changes))).toEqual(["applied", "applied"]);
      await converge({ people: [{ ...ada, access: "suspended" }, bob] });
    });

    it("suspending a deleted account is applied, and restoring it is unconfirmed", async () => {
      const changes: readonly Change[] = [
        { op: "suspend", userId: "u-1", email: "gone@example.com", remoteId: harness.goneIds[0] },
        { op: "restore", userId: "u-2", email: "gone-too@example.com", remoteId: harness.goneIds[1] },
      ];
      expect(statuses(await apply(changes))).toEqual(["applied", "unconfirmed"]);
    });

    it("access is taken away before any other change", async () => {
      harness.addPerson(ada.email, "suspended");
      harness.addPerson(bob.email, "active");
      const wish: Wish = { people: [ada, { ...bob, access: "suspended" }] };
      const outcomes = await apply(await changesFor(wish, harness.target, await observe()));
      expect(outcomes[0]?.change).toMatchObject({ op: "suspend", email: bob.email });
      await converge(wish);
    });

    it("a suspension without an answer is finished by the next run", async () => {
      harness.addPerson(ada.email, "active");
      harness.faults.add({ kind: "resetAfter", method: "POST", path: /suspend|revoke/, times: 10 });
      const observed = await observe();
      const wish: Wish = { people: [{ ...ada, access: "suspended" }] };
      const [outcome] = await apply(await changesFor(wish, harness.target, observed), observed);
      expect(outcome?.status).toBe("unconfirmed");
      harness.faults.clear();
      await converge(wish);
      expect(harness.stateOf(ada.email)).toBe("suspended");
    });

    it("an expired token is renewed and no change is lost", async () => {
      harness.addPerson(ada.email, "active");
      await observe();
      harness.expireTokens();
      await converge({ people: [{ ...ada, access: "suspended" }] });
      expect(harness.stateOf(ada.email)).toBe("suspended");
    });

    it("an apply stops with TARGET_UNREACHABLE when nothing answers", async () => {
      for (const email of ["a@example.com", "b@example.com", "c@example.com", "d@example.com"])
        harness.addPerson(email, "active");
      const observed = await observe();
      const suspend = observed.accounts.map(
        ({ remoteId, email }): Change => ({ op: "suspend", userId: email, email, remoteId }),
      );
      harness.faults.add({ kind: "resetBefore", times: Number.POSITIVE_INFINITY });
      await expect(apply(suspend, observed)).rejects.toMatchObject({ code: "TARGET_UNREACHABLE" });
      await expect(observe()).rejects.toMatchObject({ code: "TARGET_UNREACHABLE" });
    });

    it("an HTML page instead of an answer is UNEXPECTED_RESPONSE with its status", async () => {
      await observe();
      harness.faults.add({ kind: "html", status: 200 });
      await expect(observe()).rejects.toMatchObject({
        code: "UNEXPECTED_RESPONSE",
        message: expect.stringMatching(/200 with .*text\/html/),
      });
    });

    it("an aborted observation ends with ABORTED", async () => {
      const aborted = AbortSignal.abort(new Error("shutting down"));
      await expect(harness.target.observe({ kind: "all" }, aborted)).rejects.toMatchObject({ code: "ABORTED" });
    });

    it("check says that a target works, or what is wrong", async () => {
      expect((await harness.target.check(patient)).map(({ level }) => level)).toEqual(["ok", "warning"]);
      harness.faults.add({ kind: "html", status: 502, times: Number.POSITIVE_INFINITY });
      expect((await harness.target.check(patient))[0]).toMatchObject({
        level: "error",
        message: expect.stringContaining("502"),
      });
    });

    it.runIf(supports.invite)("one run invites, adopts and restores", async () => {
      harness.addPerson(bob.email, "active");
      harness.addPerson(eve.email, "suspended");
      await converge({ people: [ada, bob, eve] });
      expect([ada, bob, eve].map(({ email }) => harness.stateOf(email))).toEqual(["invited", "active", "active"]);
      expect((await observe()).accounts.map(({ externalId }) => externalId).sort()).toEqual([
        "u-ada",
        "u-bob",
        "u-eve",
      ]);
    });

    it.runIf(supports.remove)("an account is removed, and a deleted one counts as removed", async () => {
      harness.addPerson(ada.email, "active");
      await converge({ people: [{ ...ada, access: "none" }] });
      expect(harness.stateOf(ada.email)).toBeNull();
      const gone: Change = { op: "remove", userId: "u-1", email: "gone@example.com", remoteId: harness.goneIds[0] };
      expect(statuses(await apply([gone]))).toEqual(["applied"]);
    });

    it.runIf(supports.groups)("a new group gets members who are invited in the same run", async () => {
      await converge({
        people: [ada, bob],
        groups: [{ name: "eng", externalId: "g-1", members: [ada.email, bob.email] }],
      });
      expect(harness.groupMembers("eng")).toEqual([ada.email, bob.email]);
    });

    it.runIf(supports.groups)("an adopted group gets and loses managed members only", async () => {
      for (const email of [ada.email, bob.email, "stranger@example.com"]) harness.addPerson(email, "active");
      harness.addGroup("eng", [bob.email, "stranger@example.com"]);
      await converge({ people: [ada, bob], groups: [{ name: "eng", externalId: "g-1", members: [ada.email] }] });
      expect(harness.groupMembers("eng")).toEqual([ada.email, "stranger@example.com"]);
      await converge({
        people: [ada, bob],
        groups: [{ name: "engineering", externalId: "g-1", members: [ada.email] }],
      });
      expect(harness.groupMembers("engineering")).toEqual([ada.email, "stranger@example.com"]);
    });

    it.skipIf(supports.invite)("an unsupported change is a permanent refusal", async () => {
      const invite: Change = { op: "invite", userId: "u-1", email: ada.email, externalId: "u-1" };
      expect(await apply([invite])).toMatchObject([
        { status: "failed", error: { code: "TARGET_REFUSED", isPermanent: true } },
      ]);
      expect(harness.stateOf(ada.email)).toBeNull();
    });

    it.skipIf(supports.groups)("a target without groups shows no memberships", async () => {
      const query = { by: "group", groupIds: ["g"] } as const;
      await expect(harness.target.observeMemberships(query, patient)).rejects.toMatchObject({
        code: "UNEXPECTED_RESPONSE",
      });
    });
  });
}
