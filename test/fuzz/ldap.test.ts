import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RollcallError } from "../../src/domain/model/errors.ts";
import { ldapPresets } from "../../src/domain/model/ldap-source.ts";
import { readPageCookie, readSyncDone, readSyncInfo, readSyncState } from "../../src/sources/ldap/protocol/controls.ts";
import { LdapEntry } from "../../src/sources/ldap/protocol/entry.ts";
import { decode, Framer } from "../../src/sources/ldap/protocol/wire.ts";
import { toGroup, toUser } from "../../src/sources/ldap/read/convert.ts";
import { ldapFuzz } from "../support/fuzz/ldap-run.ts";
import { noOpenldap } from "../support/ldap/openldap.ts";
import { element } from "../support/ldap/proxy.ts";
import { ldapSettings } from "../support/ldap/settings.ts";

/** Each error must be ours and say that the directory was not read. */
function orRefused(run: () => void): void {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(RollcallError);
    expect((error as RollcallError).code).toBe("SOURCE_INCOMPLETE");
  }
}

const bytes = fc.uint8Array({ maxLength: 200 }).map((each) => Buffer.from(each));
/** BER with a valid outer shape and random contents. */
const ber: fc.Arbitrary<Buffer> = fc.letrec<{ value: Buffer }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    bytes,
    fc
      .tuple(
        fc.constantFrom(0x02, 0x04, 0x0a, 0x30, 0x31, 0x61, 0x64, 0x65, 0x73, 0x78, 0x79, 0x80, 0xa0, 0xa3),
        fc.array(tie("value"), { maxLength: 4 }),
      )
      .map(([tag, parts]) => element(tag, ...parts)),
  ),
})).value;

const octet = (text: string): Buffer => element(0x04, Buffer.from(text));
/** Valid answers of each kind, with controls. */
const sound: readonly Buffer[] = [
  element(
    0x64,
    octet("uid=a,dc=b"),
    element(
      0x30,
      ...["mail", "uid"].map((name) => element(0x30, octet(name), element(0x31, octet("a@b.c"), octet("x")))),
    ),
  ),
  element(0x65, element(0x0a, Buffer.from([0])), octet(""), octet("fine"), element(0xa3, octet("ldap://x"))),
  element(0x73, octet("ldap://x"), octet("ldap://y")),
  element(
    0x79,
    element(0x80, Buffer.from("1.3.6.1.4.1.4203.1.9.1.4")),
    element(
      0x81,
      element(0xa3, octet("c"), element(0x01, Buffer.from([255])), element(0x31, octet("0123456789abcdef"))),
    ),
  ),
].map((operation) =>
  element(
    0x30,
    element(0x02, Buffer.from([1])),
    operation,
    element(0xa0, element(0x30, octet("1.2.840.113556.1.4.319"), octet("value"))),
  ),
);
/** Answers with replaced bytes, or truncated inside. */
const damaged = fc
  .tuple(fc.constantFrom(...sound), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(6))
  .map(([given, noise, short]) => {
    const changed = Buffer.from(given);
    for (const [at, byte] of noise) changed[at % changed.length] = byte;
    // The outer length is corrected, so that the end is missing inside.
    const cut = Buffer.from(changed.subarray(0, changed.length - short));
    if ((cut[1] ?? 0) < 0x80) cut[1] = cut.length - 2;
    return cut;
  });

describe("bytes that are not LDAP", () => {
  it("are refused", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          damaged,
          bytes,
          ber,
          fc
            .tuple(ber, bytes)
            .map(([one, more]) => Buffer.concat([element(0x30, element(0x02, Buffer.from([1])), one), more])),
        ),
        (given) => {
          orRefused(() => {
            for (const message of new Framer().push(given)) decode(message);
          });
          // The same in chunks.
          orRefused(() => {
            const framer = new Framer();
            for (let at = 0; at < given.length; at += 3)
              for (const message of framer.push(given.subarray(at, at + 3))) decode(message);
          });
        },
      ),
      { numRuns: 8000, seed: 20261122 },
    );
  });
});

it("an element can't reach past the end of the enclosing element", () => {
  const number = element(0x02, Buffer.from([1]));
  const result = (code: Buffer) => element(0x30, number, element(0x65, code, octet(""), octet("told")));
  expect(decode(result(element(0x0a, Buffer.from([0]))))).toMatchObject({ result: { code: 0, diagnostic: "told" } });
  // The last element claims one byte more than the operation has. The message has that byte.
  const greedy = Buffer.from(element(0x65, element(0x0a, Buffer.from([0])), octet(""), octet("told")));
  greedy[greedy.length - 5] = 5;
  expect(() => decode(element(0x30, number, greedy, Buffer.from([0xa0, 0x00])))).toThrow("an element of 5 bytes");
});

describe("values of controls", () => {
  const value = fc.oneof(bytes, ber, damaged);
  it.each([
    ["pages", readPageCookie],
    ["states", readSyncState],
    ["ends", readSyncDone],
    ["infos", readSyncInfo],
  ] as const)("%s are read or refused in finite time", (_name, read) => {
    fc.assert(
      fc.property(value, (given) => orRefused(() => void read(given))),
      { numRuns: 3000, seed: 20261122 },
    );
  });

  it("a truncated cookie does not count as the last page", () => {
    const whole = element(0x30, element(0x02, Buffer.from([0])), octet("more"));
    expect(readPageCookie(whole).toString()).toBe("more");
    for (let length = 0; length < whole.length; length += 1) {
      expect(() => readPageCookie(whole.subarray(0, length))).toThrow("not LDAP");
    }
  });
});

const longDn = (part: string): string => `a=${part.repeat(20_000)}\\`;

describe("entries with random contents", () => {
  const attribute = fc.constantFrom(
    "objectClass",
    "entryUUID",
    "objectGUID",
    "nsUniqueId",
    "ipaUniqueID",
    "mail",
    "proxyAddresses",
    "uid",
    "cn",
    "memberOf",
    "member",
    "memberUid",
    "userAccountControl",
    "accountExpires",
    "nsAccountLock",
    "primaryGroupID",
    "primaryGroupToken",
    "__proto__",
    "member;range=0-*",
    "member;range=0-x",
    "pwdAccountLockedTime",
  );
  const value = fc.oneof(
    fc.string({ unit: "binary", maxLength: 30 }).map((each) => Buffer.from(each)),
    fc.uint8Array({ maxLength: 40 }).map((each) => Buffer.from(each)),
    fc
      .constantFrom(
        "",
        "-1",
        "9223372036854775807",
        "0x2",
        "512",
        "514",
        "1e400",
        "TRUE",
        "contact",
        "SMTP:a@b.c",
        "uid=a,dc=b",
        "\\,=",
        "=",
        "x".repeat(100_000),
      )
      .map((each) => Buffer.from(each)),
  );
  const given = fc
    .tuple(
      fc.oneof(
        fc.string({ unit: "binary", maxLength: 40 }),
        // The long ones took seconds with a pattern that can match in two ways.
        fc.constantFrom("", "uid=a,dc=b", "=", ",", "a=\\", "a=#zz", 'a="', ...[" ", '"', "\\x", "b="].map(longDn)),
      ),
      fc.array(fc.tuple(attribute, fc.array(value, { maxLength: 3 })), { maxLength: 8 }),
    )
    .map(([dn, values]) => new LdapEntry(dn, new Map(values.map(([name, list]) => [name.toLowerCase(), list]))));

  it.each(ldapPresets)(
    "become users and groups with an id and a possible address, or none, with preset %s",
    (preset) => {
      const settings = ldapSettings({
        preset,
        url: ["ldap://x"],
        users: { baseDn: "dc=b" },
        groups: { baseDn: "dc=b" },
      });
      fc.assert(
        fc.property(
          given,
          fc.array(fc.string({ unit: "binary" }), { maxLength: 3 }),
          fc.boolean(),
          (entry, members, isMarked) => {
            orRefused(() => {
              const converted = toUser(entry, settings, isMarked);
              if (converted.kind !== "converted") return;
              const { externalId, entryId, userName, email, displayName, activeUntilMs } = converted.entity;
              for (const text of [externalId, entryId, userName, displayName]) expect(text).not.toBe("");
              expect(email === null || /^\S+@\S+$/.test(email)).toBe(true);
              expect(activeUntilMs === null || Number.isFinite(activeUntilMs)).toBe(true);
            });
            orRefused(() => {
              const converted = toGroup({ entry, members }, settings);
              if (converted.kind === "converted") expect(converted.entity.externalId).not.toBe("");
            });
          },
        ),
        { numRuns: 3000, seed: 20261122 },
      );
    },
  );
});

describe.skipIf(noOpenldap !== null)(noOpenldap ?? "a directory with damaged answers", () => {
  it("removes nobody, and is read again once its answers are valid", async () => {
    const report = await ldapFuzz({ polls: 60, seed: 20261122 });
    console.log(
      `${report.polls} polls, ${report.meddled} invalid answers, ${report.committed} committed, ${report.seconds} s`,
    );
    expect(report.violations).toEqual([]);
    // Some damage fails the poll, some does not.
    expect(report.committed).toBeGreaterThan(0);
    expect(report.committed).toBeLessThan(report.polls);
  });
});
