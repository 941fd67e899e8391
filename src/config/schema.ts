import { resolve } from "node:path";
import { z } from "zod";
import { admin } from "./admin.ts";
import { alerts } from "./alerts.ts";
import { across, bearerToken, duration, isSection, type Report } from "./fields.ts";
import { ldapSource } from "./ldap.ts";
import { Secret } from "./secret.ts";
import { server } from "./server.ts";
import { store } from "./store.ts";
import { guard, type TargetType } from "./targets.ts";

const scimSource = z
  .strictObject({
    type: z.literal("scim"),
    token: z
      .union([bearerToken, z.array(bearerToken).min(1)])
      .optional()
      .describe(
        "Bearer token, or a list for rotation. Random and long: `check` warns below 128 bits, 22 characters of base64 or 32 of hex. Default: tokens of `rollcall token create`.",
      ),
    groupNamesUnique: z.boolean().default(true).describe("Refuses a second group of the same name. Default true."),
    unknownMembers: z
      .enum(["skip", "reject"])
      .default("skip")
      .describe("A group member whose id no user has is skipped, or the request is rejected. Default skip."),
  })
  .transform(({ token, ...rest }) => ({ ...rest, tokens: [token ?? []].flat().map((text) => new Secret(text)) }));

/** A new type of source is one more member here. */
const source = z.discriminatedUnion("type", [scimSource, ldapSource]);

/** The types of targets that a configuration may name. At least one. */
export type TargetTypes = readonly [TargetType, ...TargetType[]];

const target = ([first, ...others]: TargetTypes) =>
  z.discriminatedUnion("type", [first.config, ...others.map(({ config }) => config)]);

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);

const masterKey = z.string().regex(/^[A-Za-z0-9+/_-]{43}=?$/, "must be 32 bytes in base64: openssl rand -base64 32");

const masterKeys = z
  .union([masterKey, z.array(masterKey).min(1).max(16)])
  .optional()
  .transform((keys) => [keys ?? []].flat().map((text) => new Secret(text)));

/** The keys that are needed to open stored connections. The rest of the file may be invalid. */
export const storeSettings = (baseDir: string) =>
  z
    .object({ store: store(baseDir), masterKey: masterKeys })
    .transform(({ store: place, masterKey: keys }) => ({ store: place, masterKeys: keys }));

/** The whole file, with its references resolved. Relative paths start from `baseDir`. */
export const configSchema = (baseDir: string, types: TargetTypes) =>
  z
    .strictObject({
      $schema: z.string().optional().describe("For editors."),
      server: server(baseDir).prefault({}),
      admin: admin(baseDir).optional().describe("Pages, API and metrics. Default: none."),
      store: store(baseDir).describe(
        "The database: sqlite:PATH, relative to this file, or postgres://USER:PASSWORD@HOST/DATABASE. Default sqlite:./data/rollcall.db.",
      ),
      masterKey: masterKeys.describe(
        "Encrypts what `rollcall connect` stores: 32 bytes in base64, as file:PATH or ${ENV}. A list while you replace it: the first one encrypts, all decrypt. Default none.",
      ),
      sources: z
        .record(name, source)
        .refine((sources) => Object.keys(sources).length > 0, "needs at least one source")
        .describe("Sources of people and groups, by name."),
      targets: z
        .record(name, target(types))
        .default({})
        .describe("The organizations and accounts that follow the sources, by name."),
      guard: guard
        .prefault({})
        .describe("The removal limit: how many people may lose access in a target within the window."),
      reconcile: z
        .strictObject({
          every: duration("100ms", "7d")
            .prefault("1h")
            .describe("Interval of complete comparisons of a target. Default 1h."),
          settle: duration("0s", "1h")
            .prefault("2s")
            .describe("Delay of invitations. It never delays a removal. Default 2s."),
          driftPolicy: z
            .enum(["enforce", "report"])
            .default("enforce")
            .describe("Reaction to changes that people make in the target: undo or report them. Default enforce."),
        })
        .prefault({}),
      alerts: alerts(name).optional().describe("Messages about problems that need a person. Default: none."),
    })
    .check(across(checkListeners), across(checkTokens), across(checkGuards))
    .transform(({ $schema: _, sources, targets, reconcile, guard: general, masterKey: keys, ...rest }) => ({
      ...rest,
      admin: rest.admin ?? null,
      masterKeys: keys,
      alerts: rest.alerts ?? null,
      sources: Object.entries(sources).map(([key, value]) => ({ name: key, ...value })),
      targets: Object.entries(targets).map(([key, value]) => ({
        name: key,
        ...value,
        caFile: value.caFile === undefined ? null : resolve(baseDir, value.caFile),
        guard: { ...general, ...value.guard },
      })),
      reconcile: { everyMs: reconcile.every, settleMs: reconcile.settle, driftPolicy: reconcile.driftPolicy },
    }));

const wildcards = ["0.0.0.0", "::"];

function checkListeners({ server: ours, admin: theirs }: Readonly<Record<string, unknown>>, report: Report): void {
  const [a, b] = [ours, theirs].map((section) =>
    isSection(section) && isSection(section["listen"]) ? section["listen"] : null,
  );
  if (!a || !b || a["port"] === 0 || a["port"] !== b["port"]) return;
  const [hostA, hostB] = [a, b].map((address) =>
    String(address["host"]).toLowerCase().replace("localhost", "127.0.0.1"),
  );
  const isShared = hostA === hostB || wildcards.includes(hostA ?? "") || wildcards.includes(hostB ?? "");
  if (isShared) report(["admin", "listen"], "must differ from server.listen: the admin pages need their own listener");
}

function checkTokens({ sources }: Readonly<Record<string, unknown>>, report: Report): void {
  const owners = new Map<string, string>();
  for (const [key, value] of isSection(sources) ? Object.entries(sources) : []) {
    const tokens = isSection(value) && Array.isArray(value["tokens"]) ? value["tokens"] : [];
    for (const token of tokens.filter((item) => item instanceof Secret)) {
      const owner = owners.get(token.reveal()) ?? key;
      if (owner !== key)
        report(["sources", key, "token"], `source ${owner} has the same token: every source needs its own`);
      owners.set(token.reveal(), owner);
    }
  }
}

function checkGuards({ guard: general, targets }: Readonly<Record<string, unknown>>, report: Report): void {
  const check = (value: unknown, path: readonly string[]): void => {
    if (!isSection(value)) return;
    const { atLeast, atMost } = isSection(general) ? { ...general, ...value } : value;
    if (typeof atLeast === "number" && typeof atMost === "number" && atLeast > atMost) {
      report([...path, "guard", "atLeast"], `${atLeast} is more than atMost, ${atMost}`);
    }
  };
  check(general, []);
  for (const [key, value] of isSection(targets) ? Object.entries(targets) : []) {
    if (isSection(value)) check(value["guard"], ["targets", key]);
  }
}
