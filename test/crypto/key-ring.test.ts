import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createKeyRing, type Sealed } from "../../src/crypto/key-ring.ts";
import { hasCode, RollcallError } from "../../src/domain/model/errors.ts";

const newKey = (): string => randomBytes(32).toString("base64");
const place = { name: "acme", type: "bitwarden" };
const text = JSON.stringify({ clientId: "organization.1", clientSecret: "canary-secret-Ω" });

/** Expects SECRET_UNREADABLE with a message that contains neither the text nor a key. */
function refuses(work: () => unknown, pattern: RegExp, key = ""): void {
  try {
    work();
  } catch (error) {
    if (!hasCode(error, "SECRET_UNREADABLE")) throw error;
    expect(error.message).toMatch(pattern);
    expect(error.message).not.toContain("canary");
    if (key !== "") expect(error.message).not.toContain(key.slice(0, 12));
    return;
  }
  throw new Error("it opened");
}

describe("a key ring", () => {
  it("opens every text that it sealed", () => {
    const ring = createKeyRing([newKey()]);
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (any) => {
        expect(ring.open(ring.seal(any, place), place)).toBe(any);
      }),
    );
  });

  it("gives another result each time that it seals a text, and never shows the text", () => {
    const ring = createKeyRing([newKey()]);
    const sealed = Array.from({ length: 200 }, () => ring.seal(text, place).sealed);
    expect(new Set(sealed).size).toBe(200);
    expect(new Set(sealed.map((each) => Buffer.from(each, "base64").subarray(1, 13).toString("hex"))).size).toBe(200);
    for (const each of sealed) expect(Buffer.from(each, "base64").includes("canary")).toBe(false);
  });

  it("refuses a sealed text in which one bit was changed, and one that is shorter or longer", () => {
    const ring = createKeyRing([newKey()]);
    const sealed = ring.seal(text, place);
    const bytes = Buffer.from(sealed.sealed, "base64");
    const openBytes = (altered: Buffer): string => ring.open({ ...sealed, sealed: altered.toString("base64") }, place);
    expect(openBytes(bytes)).toBe(text);
    for (let at = 0; at < bytes.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const altered = Buffer.from(bytes);
        altered[at] = (altered[at] ?? 0) ^ (1 << bit);
        refuses(
          () => openBytes(altered),
          at === 0 ? /its format is \d+, this release knows 1/ : /does not authenticate/,
        );
      }
    }
    for (let length = 0; length < bytes.length; length += 1)
      refuses(() => openBytes(bytes.subarray(0, length)), /too short|does not authenticate/);
    refuses(() => openBytes(Buffer.concat([bytes, Buffer.of(0)])), /does not authenticate/);
    refuses(() => ring.open({ ...sealed, sealed: `${sealed.sealed}\n` }, place), /not plain base64/);
  });

  it("refuses a text that was sealed for another connection", () => {
    const ring = createKeyRing([newKey()]);
    const [one, other] = [ring.seal("one", place), ring.seal("other", { ...place, name: "other" })];
    refuses(() => ring.open(other, place), /moved here from another name/);
    refuses(() => ring.open(one, { ...place, name: "other" }), /moved here/);
    refuses(() => ring.open(one, { ...place, type: "onepassword" }), /moved here/);
    // A name and a type must not be able to imitate another pair.
    const tricky = ring.seal("x", { type: 'a","b', name: "c" });
    refuses(() => ring.open(tricky, { type: "a", name: 'b","c' }), /moved here/);
  });

  it("names the key that it has and the key that is missing", () => {
    const [key, wrong] = [newKey(), newKey()];
    const sealed = createKeyRing([key]).seal(text, place);
    const ring = createKeyRing([wrong]);
    refuses(
      () => ring.open(sealed, place),
      new RegExp(
        `^masterKey \\(key id ${ring.currentId}\\) does not open it; it was stored under key id ${sealed.keyId}$`,
      ),
      wrong,
    );
    refuses(
      () => createKeyRing([]).open(sealed, place),
      /^no masterKey is configured; it was stored under key id [0-9a-f]{16}$/,
    );
    // A forged key id leads only to the wrong key.
    refuses(() => ring.open({ ...sealed, keyId: ring.currentId ?? "" }, place), /does not authenticate/);
  });

  it("seals with the first key and opens with all", () => {
    const [old, fresh] = [newKey(), newKey()];
    const before = createKeyRing([old]).seal(text, place);
    const ring = createKeyRing([fresh, old]);
    expect(ring.open(before, place)).toBe(text);
    const after: Sealed = ring.seal(text, place);
    expect([after.keyId, ring.ids]).toEqual([createKeyRing([fresh]).currentId, [after.keyId, before.keyId]]);
    refuses(() => createKeyRing([old]).open(after, place), /does not open it/);
  });

  it("cannot seal without a key, and takes only keys of 32 bytes", () => {
    expect(createKeyRing([]).currentId).toBeNull();
    expect(() => createKeyRing([]).seal(text, place)).toThrow(RollcallError);
    for (const key of ["", "short", randomBytes(31).toString("base64"), randomBytes(33).toString("base64")])
      expect(() => createKeyRing([key])).toThrow("masterKey must be 32 bytes in base64");
  });

  it("derives the key id the same way in every release", () => {
    expect(createKeyRing([Buffer.alloc(32, 7).toString("base64")]).currentId).toBe("2b77e1884e09c1e6");
  });

  it("opens a text that an earlier release sealed", () => {
    const ring = createKeyRing([Buffer.alloc(32, 7).toString("base64")]);
    const sealed = {
      keyId: "2b77e1884e09c1e6",
      sealed: "AZJ3a/nFvUDD5UucbG5/jy2C/L5nEIWJCKp3xOBkC2MFHsh2/4H0ZhcYoeo=",
    };
    expect(ring.open(sealed, place)).toBe("sealed by 0.1.0");
  });
});
