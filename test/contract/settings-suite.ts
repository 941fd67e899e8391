import { describe, expect, it } from "vitest";
import type { StoredCredential } from "../../src/domain/ports/credential-store.ts";
import { cause, type StoreWorld, storedToken } from "./store-world.ts";

/** `CredentialStore` and `TokenStore`. */
export function settings(world: StoreWorld): void {
  describe("credentials", () => {
    const row = (name: string, more: Partial<StoredCredential> = {}): StoredCredential => ({
      name,
      type: "bitwarden",
      keyId: "k1",
      sealed: `sealed-${name}`,
      createdAtMs: 5,
      changedAtMs: 5,
      verifiedAtMs: 5,
      ...more,
    });

    it("credentials are read back as written, sorted by name", async () => {
      expect(await world.store.credentials()).toEqual([]);
      await world.store.putCredential(row("b"), cause);
      await world.store.putCredential(row("a", { type: "onepassword" }), cause);
      await world.reopen();
      expect(await world.store.credentials()).toEqual([row("a", { type: "onepassword" }), row("b")]);
    });

    it("a replaced credential keeps its time of creation", async () => {
      await world.store.putCredential(row("a"), cause);
      const newer = { sealed: "other", keyId: "k2", type: "onepassword", changedAtMs: 9, verifiedAtMs: 9 };
      await world.store.putCredential(row("a", { ...newer, createdAtMs: 9 }), cause);
      expect(await world.store.credentials()).toEqual([row("a", newer)]);
    });

    it("a credential is removed once", async () => {
      await world.store.putCredential(row("a"), cause);
      await world.store.putCredential(row("b"), cause);
      world.clock.nowMs = 77;
      expect([await world.store.removeCredential("a", cause), await world.store.removeCredential("a", cause)]).toEqual([
        true,
        false,
      ]);
      expect(await world.store.credentials()).toEqual([row("b")]);
    });

    it("all credentials are resealed in one transaction, and a failure changes none", async () => {
      for (const name of ["a", "b", "c"])
        await world.store.putCredential(row(name, name === "b" ? { keyId: "k2" } : {}), cause);
      const before = await world.store.credentials();
      const reseal = ({ sealed }: StoredCredential) => ({ keyId: "k2", sealed: `${sealed}-anew` });
      const failing = (each: StoredCredential) => {
        if (each.name === "c") throw new Error("can't be opened");
        return reseal(each);
      };
      await expect(world.store.resealCredentials(failing, 9, cause)).rejects.toThrow("can't be opened");
      expect(await world.store.credentials()).toEqual(before);
      expect(await world.store.resealCredentials(reseal, 9, cause)).toBe(2);
      expect(await world.store.credentials()).toEqual([
        row("a", { keyId: "k2", sealed: "sealed-a-anew" }),
        row("b", { keyId: "k2" }),
        row("c", { keyId: "k2", sealed: "sealed-c-anew" }),
      ]);
      expect(await world.store.resealCredentials(reseal, 10, cause)).toBe(0);
    });

    it("another process sees a change of credentials at once", async () => {
      const other = await world.beside();
      await other.putCredential(row("a"), cause);
      expect(await world.store.credentials()).toEqual([row("a")]);
      await other.removeCredential("a", cause);
      expect(await world.store.credentials()).toEqual([]);
    });

    it("audit rows of credentials name the actor and no sealed text", async () => {
      await world.store.putCredential(row("a"), cause);
      await world.store.putCredential(row("a", { changedAtMs: 6 }), cause);
      await world.store.resealCredentials(() => ({ keyId: "k2", sealed: "anew" }), 7, cause);
      await world.store.removeCredential("a", cause);
      const rows = await world.auditRows();
      expect(rows.map(({ action, name, target, actor }) => [action, name, target, actor])).toEqual(
        ["connect", "change", "rekey", "disconnect"].map((what) => [`connection.${what}`, "a", "a", "scim:okta"]),
      );
      expect(JSON.stringify(rows)).not.toMatch(/sealed|anew/);
      expect(rows[2]).toMatchObject({ atMs: 7, detail: { from: "k1", to: "k2" } });
    });
  });

  describe("SCIM tokens", () => {
    const { auditCount } = world;
    it("a token is kept as a hash and revoked once", async () => {
      const token = storedToken("t1");
      await world.store.addToken(token, cause);
      await world.reopen();
      expect(await world.store.tokens()).toEqual([token]);
      expect(await world.store.revokeToken("t1", 9, cause)).toBe(true);
      expect(await world.store.revokeToken("t1", 10, cause)).toBe(false);
      expect(await world.store.revokeToken("nobody", 10, cause)).toBe(false);
      expect(await world.store.tokens()).toEqual([{ ...token, revokedAtMs: 9 }]);
      expect((await world.auditRows()).map((row) => row.action)).toEqual(["token.create", "token.revoke"]);
      expect(JSON.stringify(await world.auditRows())).not.toContain('"ab"');
    });

    it("a rotated token stays good for a while, but never longer than before", async () => {
      const token = storedToken("t1");
      const next = { ...token, id: "t2", hash: "cd", createdAtMs: 10 };
      await world.store.addToken(token, cause);
      expect(await world.store.rotateToken("nobody", next, 20, cause)).toBe(false);
      expect(await world.store.rotateToken("t1", next, 20, cause)).toBe(true);
      expect(await world.store.tokens()).toEqual([{ ...token, expiresAtMs: 20 }, next]);
      expect(await world.store.rotateToken("t1", { ...next, id: "t3", createdAtMs: 12 }, 99, cause)).toBe(true);
      expect((await world.store.tokens())[0]?.expiresAtMs).toBe(20);
      // Over: nothing is made in its place.
      expect(await world.store.rotateToken("t1", { ...next, id: "t4", createdAtMs: 20 }, 99, cause)).toBe(false);
      expect((await world.store.tokens()).map(({ id }) => id)).toEqual(["t1", "t2", "t3"]);
      expect((await world.auditRows()).at(-1)).toMatchObject({
        action: "token.rotate",
        detail: { id: "t1", by: "t3", goodUntil: "1970-01-01T00:00:00.020Z" },
      });
    });

    it("the last use of a token is the later of two times, without an audit row", async () => {
      await world.store.addToken(storedToken("t1", { expiresAtMs: 9 }), cause);
      for (const atMs of [100, 50, 120])
        await world.store.noteTokenUse(
          new Map([
            ["t1", atMs],
            ["nobody", atMs],
          ]),
        );
      await world.reopen();
      expect(await world.store.tokens()).toMatchObject([{ expiresAtMs: 9, lastUsedAtMs: 120 }]);
      expect(await auditCount()).toBe(1);
    });
  });
}
