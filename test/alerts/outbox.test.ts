import { describe, expect, it } from "vitest";
import type { Notice } from "../../src/alerts/incidents.ts";
import {
  delivered,
  emptyOutbox,
  enqueue,
  type Outbox,
  postponed,
  take,
  type Waiting,
} from "../../src/alerts/outbox.ts";
import { parseState, printState } from "../../src/alerts/state.ts";

const hour = 3_600_000;
let ids = 0;
const newId = (): string => `id-${++ids}`;
const notice = (key: string, event: Notice["event"] = "alert", more: Partial<Notice> = {}): Notice => ({
  channel: "ops",
  event,
  key,
  kind: "target-failing",
  severity: "critical",
  subject: "acme",
  title: `about ${key}`,
  text: "",
  sinceMs: 0,
  facts: {},
  ...more,
});
const add = (outbox: Outbox, nowMs: number, ...notices: readonly Notice[]): Outbox =>
  enqueue(outbox, notices, nowMs, newId).outbox;
const titles = ({ waiting }: Outbox): readonly string[] => waiting.map(({ message }) => message.title);
/** Delivers everything that is due and returns the titles. */
function sendAll(outbox: Outbox, nowMs: number, perHour = 20): readonly [Outbox, readonly string[]] {
  const sent: string[] = [];
  let rest = outbox;
  for (let taken = take(rest, "ops", perHour, nowMs); taken !== null; taken = take(rest, "ops", perHour, nowMs)) {
    sent.push(taken.sending.message.title);
    rest = delivered(taken.outbox, taken.sending, nowMs);
  }
  return [rest, sent];
}
const taken = (outbox: Outbox, nowMs: number): { readonly outbox: Outbox; readonly sending: Waiting } => {
  const found = take(outbox, "ops", 20, nowMs);
  if (found === null) throw new Error("nothing is due");
  return found;
};

describe("the outbox", () => {
  it("sends messages in order, each once", () => {
    const [rest, sent] = sendAll(
      add(emptyOutbox, 0, notice("a"), notice("b", "alert", { channel: "mail" }), notice("c")),
      0,
    );
    expect(sent).toEqual(["about a", "about c"]);
    expect(titles(rest)).toEqual(["about b"]);
    expect(rest.sentAtMs).toEqual({ ops: [0, 0] });
  });

  it("sends the latest message of an incident in place of older ones that still wait", () => {
    const outbox = add(add(emptyOutbox, 0, notice("a")), 5, notice("a", "recovery", { title: "a is over" }));
    expect(titles(outbox)).toEqual(["a is over"]);
  });

  it("sends at most its number per hour, and the rest in order when the hour is over", () => {
    const flood = Array.from({ length: 5 }, (_, index) => notice(`n${index}`));
    const [full, sent] = sendAll(add(emptyOutbox, 0, ...flood), 0, 3);
    expect(sent).toEqual(["about n0", "about n1", "about n2"]);
    expect(take(full, "ops", 3, hour - 1)).toBeNull();
    expect(sendAll(full, hour, 3)[1]).toEqual(["about n3", "about n4"]);
  });

  it("limits each channel for itself", () => {
    const [full] = sendAll(add(emptyOutbox, 0, notice("a"), notice("b")), 0, 1);
    const more = add(full, 0, notice("c", "alert", { channel: "mail" }));
    expect(take(more, "ops", 1, 1)).toBeNull();
    expect(take(more, "mail", 1, 1)).not.toBeNull();
  });

  it("keeps at most 100 messages per channel and returns those that it dropped", () => {
    const flood = Array.from({ length: 130 }, (_, index) => notice(`n${index}`));
    const { outbox, dropped } = enqueue(emptyOutbox, [...flood, notice("m", "alert", { channel: "mail" })], 0, newId);
    expect(dropped.map(({ key }) => key)).toEqual(Array.from({ length: 30 }, (_, index) => `n${index}`));
    expect(outbox.waiting).toHaveLength(101);
  });

  it("retries with pauses from 10 s to 15 min under the same id, and gives up after a day", () => {
    let outbox = add(emptyOutbox, 0, notice("a"));
    const triedAtS: number[] = [];
    const used = new Set<string>();
    for (let nowMs = 0; outbox.waiting.length > 0; nowMs += 1000) {
      const found = take(outbox, "ops", 20, nowMs);
      if (found === null) continue;
      triedAtS.push(nowMs / 1000);
      used.add(found.sending.message.id);
      ({ outbox } = postponed(found.outbox, found.sending, null, nowMs));
    }
    expect(triedAtS.slice(0, 9)).toEqual([0, 10, 30, 70, 150, 310, 630, 1270, 2170]);
    expect(triedAtS.at(-1)).toBeGreaterThanOrEqual(86_400);
    expect(triedAtS.at(-1)).toBeLessThan(86_400 + 900);
    expect(used.size).toBe(1);
  });

  it("obeys Retry-After of a receiver up to one hour", () => {
    const { outbox, sending } = taken(add(emptyOutbox, 0, notice("a")), 0);
    const wished = (ms: number): number | undefined => postponed(outbox, sending, ms, 0).outbox.waiting[0]?.nextAtMs;
    expect([wished(120_000), wished(9 * hour), wished(1)]).toEqual([120_000, hour, 10_000]);
  });

  it("counts an attempt before it is made, so that a crash while sending does not send forever", () => {
    const { outbox } = taken(add(emptyOutbox, 0, notice("a")), 0);
    const restarted = parseState(printState({ incidents: [], outbox }))?.outbox ?? emptyOutbox;
    expect(restarted.waiting).toMatchObject([{ attempts: 1, nextAtMs: 10_000 }]);
    expect(take(restarted, "ops", 20, 9_999)).toBeNull();
    expect(take(restarted, "ops", 20, 10_000)).not.toBeNull();
  });

  it("sends a message whose time lies far in the future because the clock was set back", () => {
    const outbox = add(emptyOutbox, 999 * hour, notice("a"));
    expect(take(outbox, "ops", 20, 0)).not.toBeNull();
  });

  it.each([
    "",
    "{",
    "[]",
    '{"version":1,"incidents":[],"outbox":{"waiting":[],"sentAtMs":{}}}',
    '{"version":2,"incidents":[{}],"outbox":{}}',
  ])("ignores a stored state of another form: %s", (text) => expect(parseState(text)).toBeNull());
});
