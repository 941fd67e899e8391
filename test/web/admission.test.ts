import { describe, expect, it } from "vitest";
import {
  type AdmissionLimits,
  createAdmission,
  createShedReport,
  type ShedReason,
} from "../../src/web/http/admission.ts";

const mebibyte = 1024 * 1024;

function world() {
  let nowMs = 1_000_000;
  const shed: string[] = [];
  return {
    shed,
    pass: (ms: number) => {
      nowMs += ms;
    },
    parts: {
      monotonic: () => nowMs,
      onShed: ({ source, reason }: { readonly source: string; readonly reason: ShedReason }) =>
        void shed.push(`${source}:${reason}`),
    },
  };
}

function doorOf(limits: Partial<AdmissionLimits>) {
  const { parts, ...rest } = world();
  const admit = createAdmission(
    { requestsInFlight: 5, requestsInFlightPerSource: 3, requestsPerSecond: 10, burst: 100, ...limits },
    parts,
  );
  const enter = (source: string, bodyBytes = 0) => admit({ source, bodyBytes });
  /** Enters and stays. Returns the function to leave. */
  const stay = (source: string, bodyBytes = 0): (() => void) => {
    const answer = enter(source, bodyBytes);
    if (answer.kind === "refused") throw new Error(answer.detail);
    return answer.leave;
  };
  return { ...rest, enter, stay };
}

describe("requests in flight", () => {
  it("are limited for each source, so that another source can still send, and for all of them", () => {
    const { enter, stay, shed } = doorOf({});
    const leave = stay("okta");
    stay("okta");
    stay("okta");
    expect(enter("okta")).toMatchObject({ kind: "refused", status: 503, retryAfterMs: 1000 });
    stay("entra");
    stay("entra");
    expect(enter("entra")).toMatchObject({
      kind: "refused",
      status: 503,
      detail: expect.stringContaining("5 requests"),
    });
    expect(shed).toEqual(["okta:inFlightOfSource", "entra:inFlight"]);
    leave();
    stay("entra");
  });

  it("are counted down once, although leave is called more than once", () => {
    const { enter, stay } = doorOf({ requestsInFlightPerSource: 1 });
    const leave = stay("okta");
    leave();
    leave();
    stay("okta");
    expect(enter("okta").kind).toBe("refused");
  });

  it("have a limited number of bytes together, but a single request may have any size", () => {
    const { enter, stay, shed } = doorOf({ requestsInFlight: 500, requestsInFlightPerSource: 500, burst: 500 });
    const leaves = Array.from({ length: 16 }, () => stay("okta", 4 * mebibyte));
    expect(enter("okta", 1)).toMatchObject({ status: 503, detail: expect.stringContaining("memory") });
    stay("okta", 0);
    for (let index = 0; index < 16; index += 1) stay("entra", 4 * mebibyte);
    expect(enter("entra", 1)).toMatchObject({ status: 503 });
    stay("third", 4 * mebibyte);
    expect(enter("third", 1)).toMatchObject({ status: 503 });
    expect(shed).toEqual(["okta:memory", "entra:memory", "third:memory"]);
    for (const leave of leaves) leave();
    stay("okta", 4 * mebibyte);
  });
});

describe("the rate of a source", () => {
  it("allows a burst, is limited on average, and does not affect other sources", () => {
    const { enter, stay, pass, shed } = doorOf({ burst: 4 });
    for (let index = 0; index < 4; index += 1) stay("okta")();
    expect(enter("okta")).toMatchObject({ kind: "refused", status: 429, retryAfterMs: 1000 });
    stay("entra")();
    pass(250);
    stay("okta")();
    stay("okta")();
    expect(enter("okta").kind).toBe("refused");
    pass(3_600_000);
    for (let index = 0; index < 4; index += 1) stay("okta")();
    expect(enter("okta").kind).toBe("refused");
    expect(shed).toEqual(["okta:rate", "okta:rate", "okta:rate"]);
  });

  it("gives the time to wait if a request is allowed only every few seconds", () => {
    const { enter, stay } = doorOf({ burst: 1, requestsPerSecond: 0.1 });
    stay("okta")();
    expect(enter("okta")).toMatchObject({ status: 429, retryAfterMs: 10_000 });
  });

  it("does not count requests that were refused for another reason", () => {
    const { enter, stay } = doorOf({ requestsInFlightPerSource: 1, burst: 2 });
    const leave = stay("okta");
    for (let index = 0; index < 10; index += 1) expect(enter("okta")).toMatchObject({ status: 503 });
    leave();
    stay("okta");
  });
});

it("the first refusal is logged immediately, further ones every ten seconds with their number", () => {
  const { parts, pass } = world();
  const lines: unknown[] = [];
  const tell = createShedReport((message, fields) => lines.push([message, fields]), parts.monotonic);
  for (let index = 0; index < 1000; index += 1) tell({ source: "okta", reason: "inFlightOfSource" });
  expect(lines).toHaveLength(1);
  pass(10_000);
  tell({ source: "", reason: "connections" });
  expect(lines[1]).toEqual([
    "scim: 1000 requests refused with Retry-After since the last report",
    { refused: { "inFlightOfSource of okta": 999, connections: 1 } },
  ]);
});
