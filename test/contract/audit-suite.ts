import { describe, expect, it } from "vitest";
import { auditFilter } from "../../src/app/queries.ts";
import type { AuditFilter } from "../../src/domain/model/audit.ts";
import { sourceGroup, sourceUser, userWrite } from "../support/entities.ts";
import { call, cause, type StoreHarness, storedToken, useStore } from "./store-world.ts";

const everything = auditFilter();

/** What the audit trail of every store must do: see `AuditTrail`. */
export function auditContract(name: string, makeHarness: () => Promise<StoreHarness>): void {
  describe(`the audit trail of ${name}`, () => {
    const world = useStore(makeHarness);

    const hire = (userName: string, to = world.store) =>
      to.createUser("okta", userWrite(userName, { email: userName, emails: [userName] }), cause);
    async function all<T>(pages: AsyncIterable<readonly T[]>): Promise<readonly (readonly T[])[]> {
      const found: (readonly T[])[] = [];
      for await (const page of pages) found.push(page);
      return found;
    }
    const read = async (filter: Partial<AuditFilter> = {}) =>
      (await all(world.store.auditRows({ ...everything, ...filter }))).flat();
    const actions = async (filter: Partial<AuditFilter>) => (await read(filter)).map((row) => row.action);

    it("an empty trail is intact", async () => {
      expect(await world.store.verifyAudit(null)).toEqual({
        rows: 0,
        firstAtMs: null,
        lastAtMs: null,
        head: null,
        broken: null,
      });
    });

    it("rows of every kind of write are one chain", async () => {
      const ada = await hire("ada");
      const eng = await world.found("eng", [ada.id]);
      const snapshot = await world.store.beginSnapshot("corp");
      await snapshot.addUsers(Array.from({ length: 333 }, (_, at) => sourceUser(`person-${at}`)));
      await snapshot.addGroups([sourceGroup("g", ["dn:uid=person-1"])]);
      const commit = { nowMs: world.clock.nowMs, minKeptPercent: 80, acceptShrink: false, cursor: null };
      await snapshot.commit(commit, { actor: "ldap:corp", requestId: null });
      await world.store.applyDelta("corp", { users: [], groups: [], goneEntryIds: ["person-2"] }, commit, cause);
      await world.store.commit("bw", { audit: Array.from({ length: 120 }, () => call("u1")) }, world.clock.nowMs);
      await world.store.addToken(storedToken("t"), cause);
      await world.store.deleteGroup("okta", eng, null, cause);
      const verdict = await world.store.verifyAudit(null);
      expect(verdict).toMatchObject({ broken: null, firstAtMs: world.clock.nowMs, lastAtMs: world.clock.nowMs });
      expect(verdict.rows).toBeGreaterThan(460);
      expect(verdict.head?.seq).toBe(verdict.rows);
      expect(verdict.head?.hash).toMatch(/^[0-9a-f]{64}$/);
      await world.reopen();
      expect(await world.store.verifyAudit(verdict.head)).toEqual(verdict);
    });

    it("two processes that write at the same time make one chain, whatever is rolled back", async () => {
      const other = await world.beside();
      await Promise.allSettled(
        Array.from({ length: 120 }, (_, at) => [
          hire(`ours-${at}`),
          hire(`theirs-${at}`, other),
          hire(`OURS-${at}`),
        ]).flat(),
      );
      const verdict = await world.store.verifyAudit(null);
      expect(verdict).toMatchObject({ rows: 240, broken: null, head: { seq: 240 } });
      expect(await other.verifyAudit(verdict.head)).toEqual(verdict);
    });

    it("a row can have any text, half of a character included", async () => {
      for (const text of ["\ud800", "a\0b", 'Zoë 🦉\n"', "", "\u2028"])
        await world.store.commit(
          "bw",
          { audit: [call("u1", { name: text, actor: text, requestId: text, detail: { [text]: text } })] },
          2,
        );
      expect(await world.store.verifyAudit(null)).toMatchObject({ rows: 5, broken: null });
    });

    it("a kept head is found in a trail that has grown, and a wrong head is not", async () => {
      await hire("ada");
      const { head } = await world.store.verifyAudit(null);
      if (head === null) throw new Error("no head");
      await hire("bob");
      expect((await world.store.verifyAudit(head)).broken).toBeNull();
      expect((await world.store.verifyAudit({ ...head, hash: "0".repeat(64) })).broken).toMatchObject({ seq: 1 });
      expect((await world.store.verifyAudit({ ...head, seq: 2 })).broken).toMatchObject({ seq: 2 });
      expect((await world.store.verifyAudit({ ...head, seq: 7 })).broken).toMatchObject({
        seq: 3,
        reason: "rows 3 to 7 are missing: the trail ends at row 2",
      });
    });

    it("rows are read by time, person, target and action, in order", async () => {
      world.clock.nowMs = 1000;
      const ada = await hire("ada@example.com");
      world.clock.nowMs = 2000;
      await hire("bob@example.com");
      await world.store.commit(
        "bw",
        {
          audit: [call(ada.id, { name: "ada@old.example.com" }), call("x", { name: "x", action: "held.suspend" })],
        },
        3000,
      );
      await world.store.commit("op", { audit: [call(ada.id, { target: "op", action: "suspend" })] }, 4000);
      expect(await actions({})).toEqual(["user.create", "user.create", "invite", "held.suspend", "suspend"]);
      expect(await actions({ sinceMs: 2000, untilMs: 4000 })).toEqual(["user.create", "invite", "held.suspend"]);
      expect(await actions({ target: "bw" })).toEqual(["invite", "held.suspend"]);
      expect(await actions({ action: "held" })).toEqual(["held.suspend"]);
      expect(await actions({ action: "suspend" })).toEqual(["suspend"]);
      for (const who of [" ADA@example.com", ada.id])
        expect(await actions({ person: who })).toEqual(["user.create", "invite", "suspend"]);
      expect(await actions({ person: "ada@old.example.com" })).toEqual(["invite"]);
      expect(await actions({ person: "nobody" })).toEqual([]);
      expect((await world.store.newestAuditRows({ ...everything, target: "bw" }, 1)).map((row) => row.action)).toEqual([
        "held.suspend",
      ]);
    });

    it("a member who lost a deleted group is listed with the request that deleted it", async () => {
      const ada = await hire("ada@example.com");
      const eng = await world.found("eng", [ada.id]);
      await world.store.deleteGroup("okta", eng, null, { actor: "scim:okta", requestId: "r-9" });
      await world.store.commit(
        "bw",
        { audit: [call(ada.id, { rev: 3, action: "removeFromGroup", detail: { outcome: "applied", group: "eng" } })] },
        9,
      );
      const [loss, ...more] = (await all(world.store.lostAccess(everything))).flat();
      expect(more).toEqual([]);
      expect(loss).toMatchObject({ what: "removeFromGroup", group: "eng", name: "ada@example.com", approval: null });
      expect(loss?.cause).toMatchObject({ action: "group.leave", requestId: "r-9" });
      expect((await world.store.verifyAudit(null)).broken).toBeNull();
    });

    it("the newest losses are read page by page, with any filter and any number of rows between them", async () => {
      const loss = (at: number, more = {}) =>
        call(`u${at}`, { name: `u${at}@example.com`, action: "suspend", ...more });
      // Several pages of rows, in few commits.
      for (let at = 0; at < 400; at += 1) {
        const noise = Array.from({ length: 11 }, () => call("u1"));
        await world.store.commit(
          at % 2 === 0 ? "bw" : "op",
          { audit: [...noise, loss(at, { target: at % 2 === 0 ? "bw" : "op" })] },
          at,
        );
      }
      await world.store.commit(
        "bw",
        { audit: [loss(9000, { detail: { outcome: "failed" } }), loss(9001, { action: "held.suspend" })] },
        500,
      );
      const names = async (filter: Partial<AuditFilter>, before: number | null, limit: number) => {
        const { losses, nextBeforeSeq } = await world.store.newestLosses({ ...everything, ...filter }, before, limit);
        return { names: losses.map(({ name }) => name?.split("@")[0]), next: nextBeforeSeq };
      };
      const first = await names({}, null, 2);
      expect(first.names).toEqual(["u399", "u398"]);
      expect((await names({}, first.next, 2)).names).toEqual(["u397", "u396"]);
      expect(await names({ target: "op", untilMs: 4 }, null, 10)).toEqual({ names: ["u3", "u1"], next: null });
      expect(await names({ sinceMs: 397 }, null, 10)).toEqual({ names: ["u399", "u398", "u397"], next: null });
      expect((await names({ person: "u7@example.com" }, null, 10)).names).toEqual(["u7"]);
      expect(await names({ person: "nobody" }, null, 10)).toEqual({ names: [], next: null });
      expect((await names({ action: "remove" }, null, 10)).names).toEqual([]);

      const seen: (string | undefined)[] = [];
      for (let before: number | null = null, more = true; more; more = before !== null) {
        const page: Awaited<ReturnType<typeof names>> = await names({}, before, 200);
        seen.push(...page.names);
        before = page.next;
      }
      expect(seen).toEqual(Array.from({ length: 400 }, (_, at) => `u${399 - at}`));
      const streamed = (await all(world.store.lostAccess(everything))).flat().map(({ name }) => name?.split("@")[0]);
      expect(streamed).toEqual([...seen].reverse());
    });

    it("pages have a maximum size, and the newest rows are found first", async () => {
      await world.store.commit("bw", { audit: Array.from({ length: 5000 }, (_, at) => call("u1", { rev: at })) }, 1);
      const pages = await all(world.store.auditRows(everything));
      expect(Math.max(...pages.map((page) => page.length))).toBeLessThanOrEqual(2000);
      expect(pages.flat().map((row) => row.rev)).toEqual(Array.from({ length: 5000 }, (_, at) => at));
      expect((await world.store.newestAuditRows(everything, 3)).map((row) => row.rev)).toEqual([4997, 4998, 4999]);
      expect(await world.store.newestAuditRows({ ...everything, target: "op" }, 3)).toEqual([]);
    });
  });
}
