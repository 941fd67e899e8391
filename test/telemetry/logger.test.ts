import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/config/index.ts";
import { RollcallError } from "../../src/domain/model/errors.ts";
import { createLogger, type LoggerOptions, redact, redactText } from "../../src/telemetry/index.ts";

const CANARY = "canary7f3a9dcanary";

/** A logger, and the text that it has written. */
function capture(options: LoggerOptions = {}) {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  const logger = createLogger({ nowMs: () => 1_800_000_000_000, stream, ...options });
  return { logger, text: () => chunks.join(""), json: () => chunks.map((chunk) => JSON.parse(chunk)) };
}

describe("a log line", () => {
  it("is one JSON object", () => {
    const { logger, text, json } = capture();
    logger.info("two\nlines", { target: "acme", count: 3, level: "fatal", message: "other", nothing: undefined });
    expect(text().match(/\n/g)).toHaveLength(1);
    expect(json()).toEqual([
      { time: "2027-01-15T08:00:00.000Z", level: "info", message: "two\nlines", target: "acme", count: 3 },
    ]);
  });

  it("contains the fields of every parent logger", () => {
    const { logger, json } = capture();
    logger.child({ a: 1, b: 1 }).child({ b: 2 }).warn("x", { c: 3 });
    expect(json()[0]).toMatchObject({ level: "warn", a: 1, b: 2, c: 3 });
  });

  it.each([
    ["error", ["error"]],
    ["warn", ["warn", "error"]],
    ["debug", ["debug", "info", "warn", "error"]],
  ] as const)("is written at level %s and above", (level, expected) => {
    const { logger, json } = capture({ level });
    for (const at of ["debug", "info", "warn", "error"] as const) logger[at]("x");
    expect(json().map((line) => line.level)).toEqual(expected);
  });

  it("contains the code, the stack and the causes of an error", () => {
    const { logger, json } = capture();
    const root = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
    const cause = new AggregateError([root], "all failed", { cause: root });
    logger.error("x", { error: new RollcallError("TARGET_UNREACHABLE", "acme is down", { cause }) });
    expect(json()[0].error).toMatchObject({
      name: "RollcallError",
      code: "TARGET_UNREACHABLE",
      message: "acme is down",
      stack: expect.stringContaining("logger.test.ts"),
      cause: { message: "all failed", errors: [{ code: "ECONNREFUSED" }], cause: { code: "ECONNREFUSED" } },
    });
  });

  it("is short on a terminal and cannot control it", () => {
    const { logger, text } = capture({ format: "pretty" });
    logger.error("group \u001b[31mred\n12:00:00 INFO  faked", {
      target: "acme",
      name: "a b",
      error: new RollcallError("NOT_FOUND", "gone"),
    });
    const [first, second] = text().split("\n");
    expect(first).toBe(
      '08:00:00 ERROR group \\u001b[31mred\\u000a12:00:00 INFO  faked  target=acme  name="a b"  error="gone" (NOT_FOUND)',
    );
    expect(second).toBe("    RollcallError: gone");
  });
});

describe("credentials", () => {
  const keys = [
    ..."authorization Authorization proxy-authorization token access_token accessToken refresh_token tokens".split(" "),
    ..."secret clientSecret client_secret CLIENT_SECRET password bindPassword bind_password passwd".split(" "),
    ..."cookie set-cookie x-api-key apiKey masterKey master_key privateKey credentials".split(" "),
  ];
  it.each(keys)("are removed under the key %s", (key) => {
    const { logger, text } = capture();
    const value = { [key]: CANARY };
    logger.child(value).info("x", {
      deep: [{ er: new Map([["in", value]]) }],
      list: { [key]: [CANARY] },
      cause: new Error("e", { cause: value }),
    });
    expect(text()).not.toContain("canary");
    expect(text()).toContain("[redacted]");
  });

  it.each(["tokenId", "tokenType", "secretary", "passwordless", "onepassword", "1Password"])(
    "are not suspected under the key %s",
    (key) => {
      expect(redact({ [key]: "value" })).toEqual({ [key]: "value" });
    },
  );

  it.each([
    `Bearer ${CANARY}`,
    `authorization: bearer ${CANARY}`,
    `Basic ${btoa(`id:${CANARY}`)}`,
    `eyJhbGciOiJSUzI1NiJ9.${CANARY}.${CANARY}`,
    `got ory_at_${CANARY}.x-${CANARY}`,
    `grant_type=client_credentials&client_secret=${CANARY}&scope=x`,
    `{"access_token":"${CANARY}","expires_in":900}`,
    `{\\"client_secret\\": \\"${CANARY}\\"}`,
    `https://user:${CANARY}@example.com/x`,
    `password=${CANARY}`,
  ])("are removed from %s", (text) => {
    const written = capture();
    written.logger.error(text, { text, error: new Error(text), [text]: 1, set: new Set([text]) });
    written.logger.child({ url: text }).info("x");
    expect(written.text()).not.toContain(CANARY);
    expect(written.text()).not.toContain(btoa(`id:${CANARY}`));
  });

  it("do not include texts about 1Password", () => {
    for (const name of ["onepassword", "acme-1password", "1Password"])
      expect(redactText(`target ${name}: works again`)).toBe(`target ${name}: works again`);
    for (const name of ["password", "db1password", "phone-password", "LDAP_PASSWORD"])
      expect(redactText(`${name}: ${CANARY}`)).not.toContain(CANARY);
  });

  it("are removed without changing the rest of a text", () => {
    expect(redactText("grant_type=x&client_secret=abc&scope=y")).toBe("grant_type=x&client_secret=[redacted]&scope=y");
    expect(redactText("Bearer abcdef, then more")).toBe("Bearer [redacted], then more");
    expect(redactText("https://example.com:8080/a@b")).toBe("https://example.com:8080/a@b");
  });

  it("inside a Secret of the configuration are not printed", () => {
    expect(redact({ value: new Secret(CANARY) })).toEqual({ value: "[redacted]" });
  });
});

describe("odd values", () => {
  const circular: Record<string, unknown> = { a: 1 };
  circular["self"] = [circular];
  const error = new Error("e");
  error.cause = error;
  const throwing = {
    get bad() {
      throw new Error("no");
    },
  };
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  it.each<[string, unknown, unknown]>([
    ["a cycle", circular, { a: 1, self: ["[circular]"] }],
    ["an error that causes itself", error, expect.objectContaining({ cause: "[circular]" })],
    ["a bigint", 12n, "12"],
    ["a symbol", Symbol("s"), "Symbol(s)"],
    ["a function", function named() {}, "[function named]"],
    ["not a number", Number.NaN, "NaN"],
    ["bytes", Buffer.from(CANARY), "[18 bytes]"],
    ["a date", new Date(0), "1970-01-01T00:00:00.000Z"],
    ["an invalid date", new Date(Number.NaN), null],
    ["a URL", new URL("https://u:canary@x.example/"), "https://u:[redacted]@x.example/"],
    ["no prototype", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    ["a getter that throws", throwing, "[unreadable]"],
    ["a revoked proxy", revoked.proxy, "[unreadable]"],
    ["nesting without end", JSON.parse("[".repeat(20) + "]".repeat(20)), [[[[[[[["[…]"]]]]]]]]],
  ])("%s", (_, value, expected) => {
    expect(redact(value)).toEqual(expected);
    const { logger, json } = capture();
    logger.info("x", { value });
    expect(json()).toHaveLength(1);
  });

  it("are limited in size", () => {
    const { logger, text } = capture();
    const wide = Array.from({ length: 100_000 }, (_, index) => ({ index }));
    logger.info("m".repeat(1_000_000), {
      long: "x".repeat(10_000_000),
      wide,
      keys: Object.fromEntries(wide.entries()),
    });
    expect(text().length).toBeLessThan(50_000);
    expect(text()).toContain("… (10000000 characters)");
    expect(text()).toContain("… 100000 items");
  });

  it("do not slow down the regular expressions", () => {
    // A slow expression would need minutes for texts of this size.
    for (const part of ["token=", "eyJ", "://a:", "Bearer ", "ory_at_", "a.", '"token"', "://"])
      redactText(part.repeat(1_000_000));
  });
});
