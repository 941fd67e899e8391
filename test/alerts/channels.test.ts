import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { type AlertChannel, SendError } from "../../src/alerts/channel.ts";
import { type EmailOptions, emailChannel } from "../../src/alerts/email.ts";
import type { AlertMessage } from "../../src/alerts/incidents.ts";
import { createPostJson } from "../../src/alerts/post.ts";
import { slackBody, slackChannel } from "../../src/alerts/slack.ts";
import { webhookChannel } from "../../src/alerts/webhook.ts";
import { isSigned, startReceiver } from "../support/alerts/receiver.ts";
import { startSmtp } from "../support/alerts/smtp.ts";
import { certificates } from "../support/ldap/certificates.ts";

const rules = { name: "ops", kinds: null, minSeverity: "warning" as const, everyMs: 1000, perHour: 20 };
const letterhead = { consoleUrl: "https://rollcall.example.com", installation: "production" };
const bare = { consoleUrl: null, installation: null };
const post = createPostJson("1.2.3");
const secret = "a-secret-of-32-characters-or-more";
const message: AlertMessage = {
  id: "0b47dca4-0ba5-4626-b773-40f433875bbe",
  event: "alert",
  kind: "removals-held",
  severity: "warning",
  subject: "acme",
  title: "7 removals are held in acme",
  text: 'Look at <them> & "approve", ünïcode too.\n.a line with a dot',
  facts: { count: 7 },
  sinceMs: Date.UTC(2030, 0, 15),
  atMs: Date.UTC(2030, 0, 15, 1),
};
const patient = (): AbortSignal => AbortSignal.timeout(5000);

/** Returns the refusal. It must contain only the host of the URL. */
async function refusalOf(sending: Promise<unknown>): Promise<SendError> {
  const error = await sending.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SendError);
  expect(inspect(error, { depth: 9 })).not.toMatch(/s3cr3t|swordfish/);
  return error as SendError;
}

describe("a webhook", () => {
  it("is JSON, signed together with the time", async () => {
    await using receiver = await startReceiver();
    const channel = webhookChannel({ ...rules, url: receiver.url, secret }, letterhead, post, Date.now);
    expect(await channel.send(message, patient())).toBe("200");
    const [got] = receiver.received;
    expect(got?.json).toEqual({
      version: 1,
      id: message.id,
      event: "alert",
      kind: "removals-held",
      severity: "warning",
      subject: "acme",
      title: message.title,
      text: message.text,
      facts: { count: 7 },
      since: "2030-01-15T00:00:00.000Z",
      at: "2030-01-15T01:00:00.000Z",
      installation: "production",
      console: "https://rollcall.example.com",
    });
    expect(got?.headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": "rollcall/1.2.3",
      "x-rollcall-delivery": message.id,
    });
    if (got === undefined) return;
    expect(isSigned(secret, got)).toBe(true);
    expect(isSigned(`${secret}x`, got)).toBe(false);
    expect(isSigned(secret, { ...got, body: got.body.replace("acme", "evil") })).toBe(false);
    expect(isSigned(secret, got, Date.now() + 600_000)).toBe(false);
  });

  it("is accepted by the example code of the documentation", async () => {
    await using receiver = await startReceiver();
    const channel = webhookChannel(
      { ...rules, url: receiver.url, secret: "0123456789abcdef" },
      bare,
      post,
      () => 1_893_456_000_999,
    );
    await channel.send(message, patient());
    const [got] = receiver.received;
    expect(String(got?.headers["x-rollcall-signature"])).toMatch(/^t=1893456000,v1=[0-9a-f]{64}$/);
    const snippet = /```js\n([\s\S]*?)```/.exec(readFileSync("docs/alerts.md", "utf8"))?.[1] ?? "";
    const verify = (await import(`data:text/javascript,${encodeURIComponent(snippet)}`)) as {
      readonly isFromRollcall: (secret: string, header: string, body: string, nowSeconds: number) => boolean;
    };
    const header = String(got?.headers["x-rollcall-signature"]);
    expect(verify.isFromRollcall("0123456789abcdef", header, got?.body ?? "", 1_893_456_010)).toBe(true);
    expect(verify.isFromRollcall("0123456789abcdef", header, `${got?.body} `, 1_893_456_010)).toBe(false);
    expect(verify.isFromRollcall("0123456789abcdef", header, got?.body ?? "", 1_893_456_999)).toBe(false);
    expect(verify.isFromRollcall("0123456789abcdef", "nonsense", got?.body ?? "", 1_893_456_010)).toBe(false);
  });

  it("that refuses a message gives one line with the reason and the time to wait", async () => {
    await using receiver = await startReceiver();
    const channel = slackChannel({ ...rules, url: receiver.url }, bare, post);
    const host = new URL(receiver.url).host;
    const redirect = { status: 302, headers: { location: "http://127.0.0.1:1/" } };
    const busy = { status: 429, headers: { "retry-after": "30" }, body: "slow\ndown" };
    for (const { answer, said, retryAfterMs = null } of [
      { answer: busy, said: `${host} answered 429: slow down`, retryAfterMs: 30_000 },
      { answer: { status: 500, body: "x".repeat(1_000_000) }, said: `${host} answered 500: ${"x".repeat(200)}` },
      { answer: redirect, said: `${host} answered 302: a redirect, which is not followed` },
      { answer: "reset", said: expect.stringMatching(`^no connection to ${host} \\((ECONNRESET|UND_ERR_SOCKET)\\)$`) },
      { answer: "hang", said: `${host} gave no answer in time` },
    ] as const) {
      receiver.answer = answer;
      const signal = answer === "hang" ? AbortSignal.timeout(100) : patient();
      expect(await refusalOf(channel.send(message, signal))).toMatchObject({ message: said, retryAfterMs });
    }
  });

  it.each(["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200"])(
    "is never sent to %s",
    async (address) => {
      const host = address.includes(":") ? `[${address}]` : address;
      const slack = slackChannel({ ...rules, url: `https://${host}/s3cr3t` }, bare, post);
      expect((await refusalOf(slack.send(message, patient()))).message).toContain("metadata service");
      const mail = emailChannel({ ...mailOptions, host: address, port: 25 }, bare);
      expect((await refusalOf(mail.send(message, patient()))).message).toContain("metadata service");
    },
  );
});

describe("a message for Slack", () => {
  it("has text and blocks, and escapes foreign markup", () => {
    const body = JSON.parse(slackBody({ ...message, title: "<!channel> & *all* <https://evil|click>" }, letterhead));
    expect(body).toEqual({
      text: 'Warning: &lt;!channel&gt; &amp; *all* &lt;https://evil|click&gt;\nLook at &lt;them&gt; &amp; "approve", ünïcode too.\n.a line with a dot',
      blocks: [
        {
          type: "section",
          text: {
            type: "mrkdwn",
            text: '*Warning: &lt;!channel&gt; &amp; ∗all∗ &lt;https://evil|click&gt;*\nLook at &lt;them&gt; &amp; "approve", ünïcode too.\n.a line with a dot',
          },
        },
        {
          type: "context",
          elements: [
            {
              type: "mrkdwn",
              text: "Rollcall production · since 2030-01-15T00:00:00.000Z · <https://rollcall.example.com|open the console>",
            },
          ],
        },
      ],
    });
  });

  it("contains no mention and no link for products that read Markdown", () => {
    const said = "@all @channel @here @everyone @ada: [sign in](https://evil.example) ![](https://evil.example/pixel)";
    const body = slackBody({ ...message, title: said, text: said }, bare);
    expect(body).not.toMatch(/@[a-z]/);
    expect(body).not.toContain("](");
    // The text must stay readable.
    expect(body).toContain("sign in");
  });

  it("has at most 3,000 characters per section", () => {
    const { blocks } = JSON.parse(slackBody({ ...message, title: "t".repeat(9000), text: "x".repeat(9000) }, bare));
    expect(blocks[0].text.text.length).toBeLessThan(3000);
    expect(blocks[0].text.text).toMatch(/x…$/);
  });
});

const mailOptions: Omit<EmailOptions, "port"> = {
  ...rules,
  host: "127.0.0.1",
  security: "none",
  ca: null,
  auth: null,
  from: "Rollcall <rollcall@example.com>",
  to: ["ops@example.com", "oncall@example.com"],
};

describe("a mail", () => {
  let folder = "";
  let ca = "";
  beforeAll(async () => {
    folder = await certificates();
    ca = readFileSync(join(folder, "ca.pem"), "utf8");
  });
  const auth = { user: "rollcall", pass: "swordfish" };
  const login = "\0rollcall\0swordfish";

  it("reaches every recipient with any text", async () => {
    await using smtp = await startSmtp();
    const said = await emailChannel({ ...mailOptions, port: smtp.port }, letterhead).send(message, patient());
    expect(said).toContain("queued as 4711");
    const [mail] = smtp.mails;
    expect(mail).toMatchObject({
      isEncrypted: false,
      login: null,
      from: "rollcall@example.com",
      to: ["ops@example.com", "oncall@example.com"],
    });
    expect(mail?.data).toContain("Subject: [Rollcall production] Warning: 7 removals are held in acme");
    expect(mail?.data).toMatch(/^Auto-Submitted: auto-generated\r?$/m);
    expect(mail?.data).toContain(`X-Rollcall-Delivery: ${message.id}`);
    expect(mail?.data.replaceAll("=\r\n", "")).toContain("\r\n.a line with a dot");
    expect(mail?.data).toContain("https://rollcall.example.com");
  });

  it("has a subject of one line, also if the title has line breaks", async () => {
    await using smtp = await startSmtp();
    const odd = { ...message, title: "one\r\nBcc: victim@example.com\r\n\r\nbody" };
    await emailChannel({ ...mailOptions, port: smtp.port }, bare).send(odd, patient());
    expect(smtp.mails[0]?.to).toEqual(["ops@example.com", "oncall@example.com"]);
    expect(smtp.mails[0]?.data.split("\r\n\r\n")[0]).not.toMatch(/^Bcc:/m);
  });

  it.each(["starttls", "tls"] as const)("travels encrypted, with the login: %s", async (security) => {
    await using smtp = await startSmtp({ certificates: folder, isTls: security === "tls", login });
    for (const host of ["127.0.0.1", "localhost"])
      await emailChannel({ ...mailOptions, host, port: smtp.port, security, ca, auth }, bare).send(message, patient());
    expect(smtp.mails).toMatchObject([
      { isEncrypted: true, login },
      { isEncrypted: true, login },
    ]);
  });

  const refusalTo = async (port: number, more: Partial<EmailOptions>): Promise<string> =>
    (await refusalOf(mailTo(port, more).send(message, patient()))).message;
  const mailTo = (port: number, more: Partial<EmailOptions>): AlertChannel =>
    emailChannel({ ...mailOptions, port, auth, ...more }, bare);

  it("is not sent, and no password either, without trusted encryption", async () => {
    await using plain = await startSmtp({ login });
    expect(await refusalTo(plain.port, { security: "starttls", ca })).toMatch(/ETLS|STARTTLS/);
    await using tls = await startSmtp({ certificates: folder, login });
    expect(await refusalTo(tls.port, { security: "starttls" })).toMatch(/certificate|issuer/);
    expect([...plain.mails, ...tls.mails]).toEqual([]);
  });

  it("that is refused gives the server and the reason", async () => {
    await using smtp = await startSmtp({ certificates: folder, login, refuses: /^nobody/ });
    const options = { security: "starttls", ca } as const;
    const { port } = smtp;
    const wrong = { ...auth, pass: "wrong-swordfish" };
    expect(await refusalTo(port, { ...options, auth: wrong })).toBe(`127.0.0.1:${port}: EAUTH: 535 5.7.8 who are you`);
    expect(await refusalTo(port, { ...options, to: ["nobody@example.com"] })).toContain("550 5.1.1 no such mailbox");
    const some = mailTo(port, { ...options, to: ["nobody@example.com", "ops@example.com"] });
    expect(await some.send(message, patient())).toContain("1 of 2 recipients were refused");
    await smtp[Symbol.asyncDispose]();
    expect(await refusalTo(port, options)).toBe(`no connection to 127.0.0.1:${port} (ECONNREFUSED)`);
  });

  it("is given up when the signal aborts", async () => {
    await using smtp = await startSmtp({ certificates: folder, isTls: true });
    // The client waits for a greeting that never comes.
    const stuck = mailTo(smtp.port, { security: "starttls", ca }).send(message, AbortSignal.timeout(200));
    expect((await refusalOf(stuck)).message).toContain("no answer in time");
  });
});
