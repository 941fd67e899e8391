import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuditEntry, AuditFilter } from "../../src/domain/model/audit.ts";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import type { SourceUser } from "../../src/domain/ports/import-store.ts";
import type { StoreHarness } from "./store-world.ts";

const cause = { actor: "scim:okta", requestId: "r-1" };
const everything: AuditFilter = { sinceMs: null, untilMs: null, person: null, target: null, action: null };

const person = (at: number): SourceUser => ({
  externalId: `key-${at}`,
  entryId: `key-${at}`,
  locators: [`uid=person-${at}`],
  memberOf: [],
  userName: `person-${at}`,
  email: `person-${at}@example.com`,
  displayName: `Person ${at}`,
  isActive: true,
  activeUntilMs: null,
});

const entry = (more: Partial<AuditEntry> = {}): AuditEntry => ({
  actor: "reconcile",
  requestId: null,
  action: "invite",
  kind: "user",
  entityId: "u1",
  name: "ada@example.com",
  target: "bw",
  rev: 1,
  detail: { outcome: "applied" },
  ...more,
});

/** The trail of every store: chained, whoever writes, and read in parts. */
export function auditContract(name: string, makeHarness: () => Promise<StoreHarness>): void {
  describe(`the audit trail of ${name}`, () => {
    let harness: StoreHarness;
    let store: DirectoryStore;
    beforeEach(async () => {
      harness = await makeHarness();
      store = await harness.open();
    });
    afterEach(() => harness.close());

    const hire = (userName: string, to = store) =>
      to.createUser(
        "okta",
        {
          resource: { userName },
          userName,
          externalId: null,
          email: userName,
          emails: [userName],
          displayName: userName,
          isActive: true,
        },
        cause,
      );
    async function all<T>(pages: AsyncIterable<readonly T[]>): Promise<readonly (readonly T[])[]> {
      const found: (readonly T[])[] = [];
      for await (const page of pages) found.push(page);
      return found;
    }
    const read = async (filter: Partial<AuditFilter> = {}) =>
      (await all(store.auditRows({ ...everything, ...filter }))).flat();
    const actions = async (filter: Partial<AuditFilter>) => (await read(filter)).map((row) => row.action);

    it("is intact when it is empty", async () => {
      expect(await store.verifyAudit(null)).toEqual({
        rows: 0,
        firstAtMs: null,
        lastAtMs: null,
        head: null,
        broken: null,
      });
    });

    it("is chained by each of its writers", async () => {
      const ada = await hire("ada");
      const group = { resource: {}, displayName: "eng", externalId: null };
      const options = { isNameUnique: true, unknownMembers: "skip" } as const;
      const eng = await store.createGroup("okta", group, [ada.id], options, cause);
      const snapshot = await store.beginSnapshot("corp");
      await snapshot.addUsers(Array.from({ length: 333 }, (_, at) => person(at)));
      await snapshot.addGroups([
        {
          externalId: "g",
          entryId: "g",
          displayName: "g",
          locators: ["cn=g"],
          members: ["uid=person-1"],
          memberOf: [],
        },
      ]);
      const commit = { nowMs: harness.clock.nowMs, minKeptPercent: 80, acceptShrink: false, cursor: null };
      await snapshot.commit(commit, { actor: "ldap:corp", requestId: null });
      await store.applyDelta("corp", { users: [], groups: [], goneEntryIds: ["key-2"] }, commit, cause);
      await store.commit("bw", { audit: Array.from({ length: 120 }, () => entry()) }, harness.clock.nowMs);
      await store.addToken(
        {
          id: "t",
          source: "okta",
          hash: "ab",
          label: "x",
          createdAtMs: harness.clock.nowMs,
          revokedAtMs: null,
          expiresAtMs: null,
          lastUsedAtMs: null,
        },
        cause,
      );
      await store.deleteGroup("okta", eng.record.id, null, cause);
      const verdict = await store.verifyAudit(null);
      expect(verdict).toMatchObject({ broken: null, firstAtMs: harness.clock.nowMs, lastAtMs: harness.clock.nowMs });
      expect(verdict.rows).toBeGreaterThan(460);
      expect(verdict.head?.seq).toBe(verdict.rows);
      expect(verdict.head?.hash).toMatch(/^[0-9a-f]{64}$/);
      store = await harness.reopen();
      expect(await store.verifyAudit(verdict.head)).toEqual(verdict);
    });

    it("is one chain, though two write at once, and whatever is rolled back between", async () => {
      const other = await harness.beside();
      await Promise.allSettled(
        Array.from({ length: 120 }, (_, at) => [
          hire(`ours-${at}`),
          hire(`theirs-${at}`, other),
          hire(`OURS-${at}`),
        ]).flat(),
      );
      const verdict = await store.verifyAudit(null);
      expect(verdict).toMatchObject({ rows: 240, broken: null, head: { seq: 240 } });
      expect(await other.verifyAudit(verdict.head)).toEqual(verdict);
    });

    it("takes any text, and half a character too", async () => {
      for (const text of ["\ud800", "a\0b", 'Zoë 🦉\n"', "", "\u2028"])
        await store.commit(
          "bw",
          { audit: [entry({ name: text, actor: text, requestId: text, detail: { [text]: text } })] },
          2,
        );
      expect(await store.verifyAudit(null)).toMatchObject({ rows: 5, broken: null });
    });

    it("still has the head that was kept, however it has grown, and no other", async () => {
      await hire("ada");
      const { head } = await store.verifyAudit(null);
      if (head === null) throw new Error("no head");
      await hire("bob");
      expect((await store.verifyAudit(head)).broken).toBeNull();
      expect((await store.verifyAudit({ ...head, hash: "0".repeat(64) })).broken).toMatchObject({ seq: 1 });
      expect((await store.verifyAudit({ ...head, seq: 2 })).broken).toMatchObject({ seq: 2 });
      expect((await store.verifyAudit({ ...head, seq: 7 })).broken).toMatchObject({
        seq: 3,
        reason: "rows 3 to 7 are missing: the trail ends at row 2",
      });
    });

    it("is read by time, person, target and action, in order", async () => {
      harness.clock.nowMs = 1000;
      const ada = await hire("ada@example.com");
      harness.clock.nowMs = 2000;
      await hire("bob@example.com");
      await store.commit(
        "bw",
        {
          audit: [
            entry({ entityId: ada.id, name: "ada@old.example.com" }),
            entry({ entityId: "x", name: "x", action: "held.suspend" }),
          ],
        },
        3000,
      );
      await store.commit("op", { audit: [entry({ target: "op", entityId: ada.id, action: "suspend" })] }, 4000);
      expect(await actions({})).toEqual(["user.create", "user.create", "invite", "held.suspend", "suspend"]);
      expect(await actions({ sinceMs: 2000, untilMs: 4000 })).toEqual(["user.create", "invite", "held.suspend"]);
      expect(await actions({ target: "bw" })).toEqual(["invite", "held.suspend"]);
      expect(await actions({ action: "held" })).toEqual(["held.suspend"]);
      expect(await actions({ action: "suspend" })).toEqual(["suspend"]);
      for (const who of [" ADA@example.com", ada.id])
        expect(await actions({ person: who })).toEqual(["user.create", "invite", "suspend"]);
      expect(await actions({ person: "ada@old.example.com" })).toEqual(["invite"]);
      expect(await actions({ person: "nobody" })).toEqual([]);
      expect((await store.newestAuditRows({ ...everything, target: "bw" }, 1)).map((row) => row.action)).toEqual([
        "held.suspend",
      ]);
    });

    it("tells who lost a group that was deleted, and on whose word", async () => {
      const ada = await hire("ada@example.com");
      const options = { isNameUnique: true, unknownMembers: "skip" } as const;
      const eng = await store.createGroup(
        "okta",
        { resource: {}, displayName: "eng", externalId: null },
        [ada.id],
        options,
        cause,
      );
      await store.deleteGroup("okta", eng.record.id, null, { actor: "scim:okta", requestId: "r-9" });
      const about = { entityId: ada.id, rev: 3 };
      await store.commit(
        "bw",
        { audit: [entry({ ...about, action: "removeFromGroup", detail: { outcome: "applied", group: "eng" } })] },
        9,
      );
      const [loss, ...more] = (await all(store.lostAccess(everything))).flat();
      expect(more).toEqual([]);
      expect(loss).toMatchObject({ what: "removeFromGroup", group: "eng", name: "ada@example.com", approval: null });
      expect(loss?.cause).toMatchObject({ action: "group.leave", requestId: "r-9" });
      expect((await store.verifyAudit(null)).broken).toBeNull();
    });

    it("tells the newest losses page by page, whoever they are about and however much lies between", async () => {
      const loss = (at: number, more = {}) =>
        entry({
          entityId: `u${at}`,
          name: `u${at}@example.com`,
          action: "suspend",
          detail: { outcome: "applied" },
          ...more,
        });
      for (let at = 0; at < 1200; at += 1) {
        const noise = Array.from({ length: 3 }, () => entry());
        await store.commit(
          at % 2 === 0 ? "bw" : "op",
          { audit: [...noise, loss(at, { target: at % 2 === 0 ? "bw" : "op" })] },
          at,
        );
      }
      await store.commit(
        "bw",
        { audit: [loss(9000, { detail: { outcome: "failed" } }), loss(9001, { action: "held.suspend" })] },
        1300,
      );
      const names = async (filter: Partial<AuditFilter>, before: number | null, limit: number) => {
        const { losses, nextBeforeSeq } = await store.newestLosses({ ...everything, ...filter }, before, limit);
        return { names: losses.map(({ name }) => name?.split("@")[0]), next: nextBeforeSeq };
      };
      const first = await names({}, null, 2);
      expect(first.names).toEqual(["u1199", "u1198"]);
      expect((await names({}, first.next, 2)).names).toEqual(["u1197", "u1196"]);
      expect(await names({ target: "op", untilMs: 4 }, null, 10)).toEqual({ names: ["u3", "u1"], next: null });
      expect(await names({ sinceMs: 1197 }, null, 10)).toEqual({ names: ["u1199", "u1198", "u1197"], next: null });
      expect((await names({ person: "u7@example.com" }, null, 10)).names).toEqual(["u7"]);
      expect(await names({ person: "nobody" }, null, 10)).toEqual({ names: [], next: null });
      expect((await names({ action: "remove" }, null, 10)).names).toEqual([]);

      const seen: (string | undefined)[] = [];
      for (let before: number | null = null, more = true; more; more = before !== null) {
        const page: Awaited<ReturnType<typeof names>> = await names({}, before, 200);
        seen.push(...page.names);
        before = page.next;
      }
      expect(seen).toEqual(Array.from({ length: 1200 }, (_, at) => `u${1199 - at}`));
      const streamed = (await all(store.lostAccess(everything))).flat().map(({ name }) => name?.split("@")[0]);
      expect(streamed).toEqual([...seen].reverse());
    });

    it("is read in pages of bounded size, the newest first found", async () => {
      await store.commit("bw", { audit: Array.from({ length: 5000 }, (_, at) => entry({ rev: at })) }, 1);
      const pages = await all(store.auditRows(everything));
      expect(Math.max(...pages.map((page) => page.length))).toBeLessThanOrEqual(2000);
      expect(pages.flat().map((row) => row.rev)).toEqual(Array.from({ length: 5000 }, (_, at) => at));
      expect((await store.newestAuditRows(everything, 3)).map((row) => row.rev)).toEqual([4997, 4998, 4999]);
      expect(await store.newestAuditRows({ ...everything, target: "op" }, 3)).toEqual([]);
    });
  });
}
