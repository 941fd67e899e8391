import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { type AlertsConfig, Secret } from "../../src/config/index.ts";
import { hasCode } from "../../src/domain/model/errors.ts";
import { parseConfig } from "../support/config.ts";

const env = {
  HOOK: "https://hooks.example.com/services/T0/B0/canary",
  SECRET: "canary-canary-canary",
  SHORT: "canary",
};
const parse = (alerts: string): AlertsConfig | null =>
  parseConfig(`sources: { okta: { type: scim } }\nalerts: ${alerts}`, { baseDir: "/", env, fileName: "rollcall.yaml" })
    .alerts;
const channel = (keys: string): string => `{ channels: { ops: { ${keys} } } }`;
const mail = (keys: string): string =>
  channel(`type: email, host: smtp.example.com, from: a@example.com, to: b@example.com${keys}`);

function errorsOf(alerts: string): readonly string[] {
  try {
    parse(alerts);
  } catch (error) {
    if (!hasCode(error, "CONFIG_INVALID")) throw error;
    expect(inspect(error, { depth: 9 })).not.toContain("canary");
    return error.message
      .split("\n")
      .slice(1)
      .map((line) => line.trim().replace("alerts.channels.ops", "ops"));
  }
  return [];
}

describe("alerts in the configuration", () => {
  it("have their defaults, and keep what is secret", () => {
    const alerts = parse(
      '{ channels: { hook: { type: webhook, url: "${HOOK}", secret: "${SECRET}" }, chat: { type: slack, url: "${HOOK}", every: 1h, kinds: [clock] } } }',
    );
    const rules = { allowInsecureHttp: false, minSeverity: "warning", kinds: null, everyMs: 86_400_000 };
    expect(alerts).toEqual({
      installation: null,
      failingForMs: 900_000,
      recoverAfterMs: 300_000,
      perHour: 20,
      channels: [
        { name: "hook", type: "webhook", ...rules, url: new Secret(env.HOOK), secret: new Secret(env.SECRET) },
        { name: "chat", type: "slack", ...rules, url: new Secret(env.HOOK), kinds: ["clock"], everyMs: 3_600_000 },
      ],
    });
    expect(inspect(alerts, { depth: 9 }) + JSON.stringify(alerts)).not.toContain("canary");
  });

  it.each([
    ["", 587, "starttls"],
    [", security: tls", 465, "tls"],
    [", security: none, host: localhost", 25, "none"],
    [", security: none, allowInsecureSmtp: true", 25, "none"],
    [", port: 2525", 2525, "starttls"],
  ])("know the port of mail%s", (keys, port, security) => {
    const text = keys.includes("host:") ? mail(keys).replace("host: smtp.example.com, ", "") : mail(keys);
    expect(parse(text)?.channels).toMatchObject([{ port, security, to: ["b@example.com"], auth: null, caFile: null }]);
  });

  it("have a login of two parts", () => {
    expect(parse(mail(', user: u, password: "${SECRET}"'))?.channels).toMatchObject([
      { auth: { user: "u", password: new Secret(env.SECRET) } },
    ]);
    expect(errorsOf(mail(", user: u"))).toEqual(["ops.password: is missing, because user is set"]);
    expect(errorsOf(mail(", password: u"))).toEqual(["ops.user: is missing, because password is set"]);
  });

  it.each([
    ["{ channels: {} }", "alerts.channels: needs at least one channel"],
    [
      channel('type: slack, url: "ftp://canary.example.com"'),
      "ops.url: must be an http:// or https:// URL without user and fragment",
    ],
    [
      channel('type: slack, url: "https://u:p@example.com/"'),
      "ops.url: must be an http:// or https:// URL without user and fragment",
    ],
    [
      channel('type: slack, url: "http://example.com/canary"'),
      "ops.url: plain http is for loopback only: use https, or say allowInsecureHttp: true",
    ],
    [
      channel('type: webhook, url: "${HOOK}", secret: "${SHORT}"'),
      "ops.secret: must have at least 16 characters, because it signs messages",
    ],
    [channel('type: webhook, url: "${HOOK}"'), "ops.secret: is missing"],
    [channel('type: slack, url: "${NONE}"'), "ops.url: environment variable NONE is not set"],
    [channel('type: slack, url: "${HOOK}", kinds: [held]'), "ops.kinds[0]: must be removals-held or"],
    [channel('type: slack, url: "${HOOK}", evry: 1h'), "ops.evry: unknown key; did you mean 'every'?"],
    [channel("type: teams"), "ops.type: must be"],
    [
      mail(", security: none"),
      "ops.security: mail without encryption is allowed only for loopback: use starttls, or set allowInsecureSmtp: true",
    ],
    [mail("").replace("b@example.com", "'no address'"), "ops.to: must be"],
    [
      mail("").replace("a@example.com", '"a@example.com\\r\\nBcc: b@example.com"'),
      "ops.from: must be an e-mail address, or Name <address>",
    ],
  ])("are refused with their place: %s", (text, expected) => {
    const errors = errorsOf(text);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(expected);
  });

  it("reach other machines in the clear only when told so", () => {
    const url = '"http://10.0.0.1/hook"';
    expect(errorsOf(channel(`type: slack, url: ${url}, allowInsecureHttp: true`))).toEqual([]);
    expect(errorsOf(channel('type: slack, url: "http://127.0.0.1:9999/hook"'))).toEqual([]);
  });
});
