import { beforeEach, describe, expect, it } from "vitest";
import { createProviderCallLimit, createWrongTokenLimit, TooManySignIns } from "../../src/web/access/attempts.ts";

const mebibyte = 1024 * 1024;
let clock = 0;
let shed: string[] = [];
const parts = {
  monotonic: () => clock,
  onShed: ({ source, reason }: { readonly source: string; readonly reason: string }) =>
    void shed.push(`${source}:${reason}`),
};
beforeEach(() => {
  clock = 1_000_000;
  shed = [];
});

describe("the limit of wrong SCIM tokens", () => {
  it("counts by address and minute", () => {
    const wrong = createWrongTokenLimit(3, parts);
    expect([1, 2, 3].map(() => wrong("192.0.2.1"))).toEqual([null, null, null]);
    clock += 20_000;
    expect(wrong("192.0.2.1")).toBe(40_000);
    expect(wrong("192.0.2.2")).toBeNull();
    clock += 40_000;
    expect(wrong("192.0.2.1")).toBeNull();
    expect(shed).toEqual([":wrongTokens"]);
  });

  it.each([
    ["2001:db8:1:2::1", "2001:db8:1:2:ffff:1:2:3", true],
    ["2001:db8::1", "2001:db8:0:0:9::", true],
    ["2001:db8:1:2::1", "2001:db8:1:3::1", false],
    ["::1", "::2", true],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.2", false],
  ])("counts %s and %s as the same client: %s", (one, other, isSame) => {
    const wrong = createWrongTokenLimit(1, parts);
    wrong(one);
    expect(wrong(other) !== null).toBe(isSame);
  });

  it("remembers 10,000 addresses in bounded memory and forgets the oldest first", () => {
    const wrong = createWrongTokenLimit(1, parts);
    const address = (index: number): string => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
    for (let index = 0; index <= 10_000; index += 1) wrong(address(index));
    expect(wrong(address(9999))).not.toBeNull();
    expect(wrong(address(0))).toBeNull();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 300_000; index += 1) wrong(address(index));
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(30 * mebibyte);
  });
});

describe("the limit of calls to the identity provider", () => {
  const calls = () => createProviderCallLimit(() => clock);
  const fails = () => Promise.reject(new Error("made up"));
  const addresses = Array.from({ length: 120 }, (_, index) => `192.0.2.${index}`);

  it("counts failures of all addresses together and of each IPv6 network", async () => {
    const within = calls();
    for (const address of addresses) await expect(within(address, fails)).rejects.toThrow("made up");
    await expect(within("198.51.100.1", fails)).rejects.toThrow(TooManySignIns);
    clock += 60_000;
    for (let host = 0; host < 20; host += 1)
      await expect(within(`2001:db8:1:2::${host}`, fails)).rejects.toThrow("made up");
    await expect(within("2001:db8:1:2::ffff", fails)).rejects.toMatchObject({ retryAfterSeconds: 60 });
    expect(await within("2001:db8:1:100::1", async () => "in")).toBe("in");
  });

  it("allows 20 calls at a time and counts a call no longer once it has ended", async () => {
    const within = calls();
    const held = Promise.withResolvers<string>();
    const asking = addresses.slice(0, 20).map((address) => within(address, () => held.promise));
    await expect(within("198.51.100.1", async () => "in")).rejects.toMatchObject({ retryAfterSeconds: 5 });
    held.reject(new Error("broken off"));
    for (const each of asking) await expect(each).rejects.toThrow("broken off");
    expect(await within("198.51.100.1", async () => "in")).toBe("in");
  });
});
