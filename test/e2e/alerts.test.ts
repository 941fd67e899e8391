import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isSigned, type Received, type Receiver, startReceiver } from "../support/alerts/receiver.ts";
import { startSmtp } from "../support/alerts/smtp.ts";
import { adminToken } from "../support/rollcall-process.ts";
import { emails, makeStage, membersIn, type Serving, type Stage, stateOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

const secret = "e2e-webhook-secret-0123456789";
const soon = { failingFor: "1s", recoverAfter: "1s" };
const webhook = (receiver: Receiver, more: object = {}) => ({ type: "webhook", url: receiver.url, secret, ...more });

const events = ({ received }: Receiver): readonly string[] => received.map(({ json }) => `${json.event} ${json.kind}`);
const last = ({ received }: Receiver): Received => {
  const found = received.at(-1);
  if (found === undefined) throw new Error("nothing came");
  return found;
};
/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  await using receiver = await startReceiver();
  return Number(new URL(receiver.url).port);
}
const metrics = async ({ adminUrl }: Serving): Promise<string> =>
  await (await fetch(`${adminUrl}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } })).text();

/** Ten people, and six of them leave at once: three may, three are held. */
async function holdRemovals(stage: Stage, serve: Serving): Promise<void> {
  const ids = await serve.idp.hireAll(emails(10));
  await until(() => expect(membersIn(stage, "invited")).toHaveLength(10));
  await serve.idp.setActive(false, ...ids.slice(0, 6));
  await until(() => expect(membersIn(stage, "revoked")).toHaveLength(3));
}

describe("alerts of serve", () => {
  it("report held removals once, also after a kill, and report their approval", async () => {
    await using receiver = await startReceiver();
    await using stage = await makeStage();
    await stage.configure({
      alerts: { ...soon, channels: { ops: webhook(receiver, { kinds: ["removals-held", "target-failing"] }) } },
    });
    let serve = await stage.serve();
    await holdRemovals(stage, serve);
    await until(() => expect(events(receiver)).toEqual(["alert removals-held"]));
    const { json } = last(receiver);
    expect(isSigned(secret, last(receiver))).toBe(true);
    expect(json).toMatchObject({ subject: "acme-bitwarden", facts: { count: 3, allowed: 3, spent: 3 } });
    expect(await metrics(serve)).toContain(
      'rollcall_alerts_total{channel="ops",kind="removals-held",outcome="sent"} 1',
    );

    await serve.stop("SIGKILL");
    serve = await stage.serve();
    // The next thing that is told is another one: the held removals were not told again before.
    const mend = stage.bitwarden.faults.add({ kind: "html", status: 502, times: Number.POSITIVE_INFINITY });
    await serve.idp.hire("new@example.com");
    await until(() => expect(events(receiver)).toEqual(["alert removals-held", "alert target-failing"]));
    expect(last(receiver).json).toMatchObject({ subject: "acme-bitwarden", severity: "critical" });
    mend();
    await until(() => expect(events(receiver).slice(2)).toEqual(["recovery target-failing"]));
    expect(last(receiver).json.title).toMatch(/^target acme-bitwarden works again, after \d+ s$/);

    // What the message says to do works.
    const [, target = "", digest = ""] = /rollcall approve (\S+) ([0-9a-f]{16})/.exec(json.text) ?? [];
    expect((await stage.run("approve", target, digest)).code).toBe(0);
    await until(() => expect(membersIn(stage, "revoked")).toHaveLength(6));
    await until(() => expect(events(receiver).slice(3)).toEqual(["recovery removals-held"]));
    const told = receiver.received.map(({ body }) => body).join("\n");
    expect(told).not.toMatch(/person-\d\d|@example\.com/);
  });

  it("delay neither the sync nor its end, and never show the URL of a channel", async () => {
    const closed = await closedPort();
    await using receiver = await startReceiver();
    await using stage = await makeStage({ bitwarden: {} });
    await stage.configure({
      alerts: {
        ...soon,
        channels: {
          hung: { type: "slack", url: receiver.url },
          gone: { type: "slack", url: `http://127.0.0.1:${closed}/s3cr3t` },
        },
      },
    });
    receiver.answer = "hang";
    const serve = await stage.serve();
    await holdRemovals(stage, serve);
    await until(() => expect(receiver.received.length).toBeGreaterThan(0));
    // Of the held removals, or of the budget that they have spent: whichever was noticed first.
    expect(last(receiver).json).toMatchObject({
      text: expect.stringMatching(/removals.* acme-bitwarden/),
      blocks: expect.any(Array),
    });
    await serve.idp.hire("quick@example.com");
    await until(() => expect(stateOf(stage, "quick@example.com")).toBe("invited"));
    await until(
      () => expect(serve.stderr()).toContain(`could not send to gone: no connection to 127.0.0.1:${closed}`),
      20_000,
    );
    expect((await serve.stop()).code).toBe(0);
    expect(serve.stderr()).not.toContain("s3cr3t");
  });
});

describe("alerts of sync", () => {
  it("are sent at its end, and once for all runs of cron", async () => {
    await using smtp = await startSmtp();
    await using stage = await makeStage({ env: { BW_SECRET: "not-the-secret-anymore" } });
    await stage.configure({
      alerts: {
        channels: {
          mail: {
            type: "email",
            host: "127.0.0.1",
            port: smtp.port,
            security: "none",
            from: "rollcall@example.com",
            to: "ops@example.com",
          },
        },
      },
    });
    expect((await stage.run("sync")).code).toBe(1);
    expect(smtp.mails.map(({ data }) => /^Subject: (.*)$/m.exec(data)?.[1]?.trim())).toEqual([
      "[Rollcall] CRITICAL: target acme-bitwarden rejects its credentials",
    ]);
    expect(smtp.mails[0]?.data).not.toContain("not-the-secret-anymore");
    expect((await stage.run("sync")).code).toBe(1);
    expect(smtp.mails).toHaveLength(1);
  });
});

describe("rollcall alerts test", () => {
  it("sends to every channel, or to the one named, and prints each result", async () => {
    const closed = await closedPort();
    await using receiver = await startReceiver();
    await using stage = await makeStage();
    const file = join(stage.folder, "slack-url");
    await writeFile(file, `${receiver.url}\n`);
    await stage.configure({
      alerts: {
        channels: {
          ops: webhook(receiver),
          chat: { type: "slack", url: "file:slack-url" },
          broken: { type: "slack", url: `http://127.0.0.1:${closed}/s3cr3t` },
        },
      },
    });
    const all = await stage.run("alerts", "test", "--json");
    expect(all.code).toBe(1);
    expect(all.json.channels).toMatchObject([
      {
        name: "ops",
        type: "webhook",
        ok: true,
        message: expect.stringMatching(/^sent in \d+\.\d s; the answer: 200$/),
      },
      { name: "chat", type: "slack", ok: true },
      { name: "broken", type: "slack", ok: false, message: `no connection to 127.0.0.1:${closed} (ECONNREFUSED)` },
    ]);
    expect(events(receiver).filter((event) => event === "test null")).toHaveLength(1);
    expect(receiver.received).toHaveLength(2);
    expect(all.stdout + all.stderr).not.toContain("s3cr3t");

    const one = await stage.run("alerts", "test", "chat");
    expect([one.code, one.stdout]).toEqual([0, expect.stringMatching(/^ok +chat +slack +sent in /)]);
    const none = await stage.run("alerts", "test", "nobody");
    expect([none.code, none.stderr]).toEqual([
      1,
      expect.stringContaining('no alert channel "nobody" in the configuration; there is: ops, chat, broken'),
    ]);
    await stage.configure({});
    expect((await stage.run("alerts", "test")).stderr).toContain("the configuration has no alerts");
  });
});
