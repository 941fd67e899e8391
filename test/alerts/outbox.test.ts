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
/** Sends with success as long as something is due; gives the titles. */
function sendAll(outbox: Outbox, nowMs: number, perHour = 20): readonly [Outbox, readonly string[]] {
  const sent: string[] = [];
  let rest = outbox;
  for (
    let taken = take(rest, "ops", perHour, nowMs, newId);
    taken !== null;
    taken = take(rest, "ops", perHour, nowMs, newId)
  ) {
    sent.push(taken.sending.message.title);
    rest = delivered(taken.outbox, taken.sending, nowMs);
  }
  return [rest, sent];
}
const taken = (outbox: Outbox, nowMs: number): { readonly outbox: Outbox; readonly sending: Waiting } => {
  const found = take(outbox, "ops", 20, nowMs, newId);
  if (found === null) throw new Error("nothing is due");
  return found;
};

describe("the outbox", () => {
  it("sends in order, each once", () => {
    const [rest, sent] = sendAll(
      add(emptyOutbox, 0, notice("a"), notice("b", "alert", { channel: "mail" }), notice("c")),
      0,
    );
    expect(sent).toEqual(["about a", "about c"]);
    expect(titles(rest)).toEqual(["about b"]);
    expect(rest.sentAtMs).toEqual({ ops: [0, 0] });
  });

  it("says that it is over instead of what it has not said yet", () => {
    const outbox = add(add(emptyOutbox, 0, notice("a")), 5, notice("a", "recovery", { title: "a is over" }));
    expect(titles(outbox)).toEqual(["a is over"]);
  });

  it("keeps to its number an hour: the rest comes as one, when there is room again", () => {
    const first = Array.from({ length: 3 }, (_, index) => notice(`first ${index}`));
    const [full, sent] = sendAll(add(emptyOutbox, 0, ...first), 0, 3);
    expect(sent).toEqual(["about first 0", "about first 1", "about first 2"]);
    const more = add(full, 10, notice("x"), notice("y", "recovery"), notice("z", "reminder", { severity: "warning" }));
    expect(take(more, "ops", 3, hour - 1, newId)).toBeNull();
    const room = { ...more, sentAtMs: { ops: [0, hour, hour] } };
    const summary = take(room, "ops", 3, hour + 1, newId);
    expect(summary?.summarised).toBe(3);
    expect(summary?.sending.message).toMatchObject({
      event: "summary",
      kind: null,
      severity: "critical",
      title: "3 alerts in one, because this channel has reached its limit for the hour",
      text: "ALERT: about x\nOVER: about y\nSTILL: about z",
      facts: { count: 3 },
    });
    expect(summary?.outbox.waiting).toHaveLength(1);
  });

  it("never has two messages sent for a flood", () => {
    const flood = Array.from({ length: 99 }, (_, index) => notice(`n${index}`));
    const [rest, sent] = sendAll(add(emptyOutbox, 0, ...flood), 0, 20);
    expect([sent, rest.waiting]).toEqual([
      ["99 alerts in one, because this channel has reached its limit for the hour"],
      [],
    ]);
  });

  it("keeps at most a hundred, and says which it dropped", () => {
    const flood = Array.from({ length: 130 }, (_, index) => notice(`n${index}`));
    const { outbox, dropped } = enqueue(emptyOutbox, [...flood, notice("m", "alert", { channel: "mail" })], 0, newId);
    expect(dropped.map(({ key }) => key)).toEqual(Array.from({ length: 30 }, (_, index) => `n${index}`));
    expect(outbox.waiting).toHaveLength(101);
  });

  it("tries again with pauses from 10 s to 15 min, under the same id, and gives up after a day", () => {
    let outbox = add(emptyOutbox, 0, notice("a"));
    const triedAtS: number[] = [];
    const used = new Set<string>();
    for (let nowMs = 0; outbox.waiting.length > 0; nowMs += 1000) {
      const found = take(outbox, "ops", 20, nowMs, newId);
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

  it("leaves a receiver alone for as long as it wishes, but not for ever", () => {
    const { outbox, sending } = taken(add(emptyOutbox, 0, notice("a")), 0);
    const wished = (ms: number): number | undefined => postponed(outbox, sending, ms, 0).outbox.waiting[0]?.nextAtMs;
    expect([wished(120_000), wished(9 * hour), wished(1)]).toEqual([120_000, hour, 10_000]);
  });

  it("counts a try before it is made: a process that dies of it does not send without end", () => {
    const { outbox } = taken(add(emptyOutbox, 0, notice("a")), 0);
    const restarted = parseState(printState({ incidents: [], outbox }))?.outbox ?? emptyOutbox;
    expect(restarted.waiting).toMatchObject([{ attempts: 1, nextAtMs: 10_000 }]);
    expect(take(restarted, "ops", 20, 9_999, newId)).toBeNull();
    expect(take(restarted, "ops", 20, 10_000, newId)).not.toBeNull();
  });

  it("does not wait for years when the clock jumps back", () => {
    const outbox = add(emptyOutbox, 999 * hour, notice("a"));
    expect(take(outbox, "ops", 20, 0, newId)).not.toBeNull();
  });

  it.each(["", "{", "[]", '{"version":2}', '{"version":1,"incidents":[{}],"outbox":{}}'])(
    "of another release is not believed: %s",
    (text) => expect(parseState(text)).toBeNull(),
  );
});
