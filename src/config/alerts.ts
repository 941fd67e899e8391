import { z } from "zod";
import { alertKinds, alertSeverities } from "../domain/model/alert.ts";
import { across, checkTransport, duration, isLoopback, type Report, secret } from "./fields.ts";

const rules = {
  kinds: z
    .array(z.enum(alertKinds))
    .min(1)
    .optional()
    .describe("The kinds of alert that this channel gets. Default: all."),
  minSeverity: z
    .enum(alertSeverities)
    .default("warning")
    .describe("critical: only problems that stop access from following the sources. Default warning."),
  every: duration("1m", "30d")
    .optional()
    .describe("Time between two reminders of the same problem. Default: repeatEvery."),
};

/** A webhook URL. Everybody who knows it can write to it, so the whole URL is a secret. */
const webhookUrl = z
  .string()
  .refine((text) => {
    const url = URL.parse(text);
    return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.hash === "";
  }, "must be an http:// or https:// URL without user and fragment")
  .pipe(secret);

const allowInsecureHttp = z.boolean().default(false).describe("Allows plain http:// to other machines. Default false.");

const webhook = z
  .strictObject({
    type: z.literal("webhook"),
    url: webhookUrl.describe("Gets a POST with JSON. Write it as ${ENV} or file:PATH if it contains a secret."),
    secret: z
      .string()
      .regex(/^[\s\S]{16,}$/, "must have at least 16 characters, because it signs messages")
      .pipe(secret)
      .describe("Signs each request (X-Rollcall-Signature). Write it as ${ENV} or file:PATH."),
    allowInsecureHttp,
    ...rules,
  })
  .check(across((section, report) => checkTransport(section, ["url"], report)));

const slack = z
  .strictObject({
    type: z.literal("slack"),
    url: webhookUrl.describe("URL of the incoming webhook. It is a secret: write it as ${ENV} or file:PATH."),
    allowInsecureHttp,
    ...rules,
  })
  .check(across((section, report) => checkTransport(section, ["url"], report)));

const address = z
  .string()
  .max(320)
  .regex(/^([^<>\r\n"]*<)?[^\s<>@",;]+@[^\s<>@",;]+>?$/, "must be an e-mail address, or Name <address>");

const defaultPort = { tls: 465, starttls: 587, none: 25 } as const;

const email = z
  .strictObject({
    type: z.literal("email"),
    host: z.string().regex(/^[A-Za-z0-9._:-]+$/, "must be the name or address of a mail server"),
    port: z.int().min(1).max(65_535).optional().describe("Default 587; 465 for tls, 25 for none."),
    security: z
      .enum(["starttls", "tls", "none"])
      .default("starttls")
      .describe("none is allowed only for loopback, unless allowInsecureSmtp is true. Default starttls."),
    allowInsecureSmtp: z.boolean().default(false).describe("Allows security: none to other machines. Default false."),
    caFile: z.string().min(1).optional().describe("PEM file of a private certificate authority."),
    user: z.string().min(1).optional().describe("Default: no authentication."),
    password: secret.optional().describe("Write it as ${ENV} or file:PATH."),
    from: address,
    to: z.union([address, z.array(address).min(1).max(20)]).describe("One address or up to 20."),
    ...rules,
  })
  .check(across(checkEmail))
  .transform(({ port, security, to, caFile, user, password, ...rest }) => ({
    ...rest,
    security,
    port: port ?? defaultPort[security],
    to: [to].flat(),
    caFile: caFile ?? null,
    auth: user === undefined || password === undefined ? null : { user, password },
  }));

function checkEmail(
  { host, security, allowInsecureSmtp, user, password }: Readonly<Record<string, unknown>>,
  report: Report,
): void {
  if (security === "none" && allowInsecureSmtp !== true && typeof host === "string" && !isLoopback(host))
    report(
      ["security"],
      "mail without encryption is allowed only for loopback: use starttls, or set allowInsecureSmtp: true",
    );
  if (user !== undefined && password === undefined) report(["password"], "is missing, because user is set");
  if (password !== undefined && user === undefined) report(["user"], "is missing, because password is set");
}

/** A new type of channel is a new member here. */
const channel = z.discriminatedUnion("type", [webhook, slack, email]);

/** The section `alerts`: who gets a message when something needs a person. */
export const alerts = (name: z.ZodString) =>
  z
    .strictObject({
      installation: z.string().min(1).max(64).optional().describe("A name, to tell several installations apart."),
      failingFor: duration("1s", "7d")
        .prefault("15m")
        .describe("A source or target must fail for this long to cause an alert. Default 15m."),
      recoverAfter: duration("1s", "24h")
        .prefault("5m")
        .describe("A problem must be gone for this long to count as ended. Default 5m."),
      repeatEvery: duration("1m", "30d")
        .prefault("24h")
        .describe("Time between two reminders of the same problem. Default 24h."),
      perHour: z
        .int()
        .min(1)
        .max(1000)
        .default(20)
        .describe("Maximum messages per hour to one channel. Further messages wait. Default 20."),
      channels: z
        .record(name, channel)
        .refine((channels) => Object.keys(channels).length > 0, "needs at least one channel")
        .describe("Where messages go, by name."),
    })
    .transform(({ installation, failingFor, recoverAfter, repeatEvery, channels, ...rest }) => ({
      ...rest,
      installation: installation ?? null,
      failingForMs: failingFor,
      recoverAfterMs: recoverAfter,
      channels: Object.entries(channels).map(([key, { every, kinds, ...value }]) => ({
        name: key,
        ...value,
        kinds: kinds ?? null,
        everyMs: every ?? repeatEvery,
      })),
    }));
