import { Option } from "commander";
import { locateConfigOpenable } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { createScimTokens, type MadeToken, type ScimTokens, tokenJson } from "../../app/scim-tokens.ts";
import { type Config, scimSources } from "../../config/index.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import { expiringSoon } from "../../domain/ports/scim-store.ts";
import { isoTime } from "../../text/times.ts";
import { parseLongDuration } from "../arguments.ts";
import type { Cli } from "../command.ts";
import { printJson, table } from "../output/print.ts";

const help = `
Examples:
  rollcall token create --source okta --label "Okta, production"
  rollcall token list
  rollcall token rotate 0b47dca4-0ba5-4626-b773-40f433875bbe --grace 24h
  rollcall token revoke 0b47dca4-0ba5-4626-b773-40f433875bbe

To rotate without an interruption: run "token rotate", give the new token to the identity provider, and check in
"token list" that the old one is no longer used.`;

interface CreateOptions {
  readonly source: string;
  readonly label: string;
  readonly expires?: number;
}
interface RotateOptions {
  readonly grace: number;
  readonly expires?: number;
}

export function addToken(cli: Cli): void {
  const token = cli.group("token", "SCIM tokens: stored as hashes, shown once", help);
  cli
    .add(
      {
        name: "create",
        summary: "make a token for a SCIM source",
        help: `
Examples:
  rollcall token create --source okta
  rollcall token create --source okta --label "Okta, production" -c rollcall.yaml --json

The token is printed once; only its hash is stored.`,
        run: createToken,
      },
      token,
    )
    .requiredOption("--source <name>", "the SCIM source that the token is for")
    .addOption(new Option("--expires <duration>", "lifetime: 90d; default: no end").argParser(parseLongDuration))
    .option("--label <text>", "a note of what it is for", "");
  cli
    .add(
      {
        name: "rotate <id>",
        summary: "replace a token by a new one; the old one expires",
        help: `
Examples:
  rollcall token rotate 0b47dca4-0ba5-4626-b773-40f433875bbe --grace 2h

The new token is printed once, for the same source and with the same label. Give it to the identity provider within
the grace period: until then both are valid. "rollcall token list" shows when the old one was last used.
Exit code: 0, 1 when no valid token has that id.`,
        run: rotateToken,
      },
      token,
    )
    .addOption(
      new Option("--grace <duration>", "how long the old token stays valid")
        .argParser(parseLongDuration)
        .default(24 * 3_600_000, "24h"),
    )
    .addOption(
      new Option("--expires <duration>", "lifetime of the new token: 90d; default: that of the old one").argParser(
        parseLongDuration,
      ),
    );
  cli.add(
    {
      name: "list",
      summary: "all tokens made here, with their state",
      help: `
Examples:
  rollcall token list
  rollcall token list --json | jq -r '.tokens[].id'`,
      run: listTokens,
    },
    token,
  );
  cli.add(
    {
      name: "revoke <id>",
      summary: "end a token; a running serve refuses it within a second",
      help: `
Examples:
  rollcall token list                       shows the ids
  rollcall token revoke 0b47dca4-0ba5-4626-b773-40f433875bbe

Exit code: 0, 1 when no valid token has that id.`,
      run: revokeToken,
    },
    token,
  );
}

const cause = { actor: "cli:token", requestId: null };

async function createToken(context: Context, options: CreateOptions & GlobalOptions): Promise<number> {
  return await withTokens(context, options, async (tokens, config) => {
    const made = await tokens.create(options.source, options.label, options.expires ?? null, cause);
    if (made === null) {
      const known = scimSources(config).map(({ name }) => name);
      throw new RollcallError(
        "CONFIG_INVALID",
        `no SCIM source "${options.source}" in the configuration; there is: ${known.join(", ") || "none"}`,
      );
    }
    show(context, options, made, {});
    return 0;
  });
}

function show({ terminal }: Context, { json }: GlobalOptions, made: MadeToken, more: object): void {
  const { token, id, source } = made;
  const expiresAt = isoTime(made.expiresAtMs);
  if (json) printJson(terminal, { id, source, token, ...(expiresAt !== null && { expiresAt }), ...more });
  else
    terminal.out(
      `${token}\n\nToken ID ${id}, for source ${source}${expiresAt === null ? "" : `, valid until ${expiresAt}`}. The token is shown only once: give it to your identity provider now.`,
    );
}

async function rotateToken(context: Context, options: RotateOptions & GlobalOptions, id = ""): Promise<number> {
  const { terminal } = context;
  return await withTokens(context, options, async (tokens) => {
    const made = await tokens.rotate(id, { graceMs: options.grace, lifeMs: options.expires }, cause);
    if (made === null) {
      if (options.json) printJson(terminal, { id, rotated: false });
      return noToken(context, id);
    }
    const oldGoodUntil = isoTime(made.oldGoodUntilMs);
    show(context, options, made, { replaces: id, oldGoodUntil });
    if (!options.json) terminal.out(`The old token, ${id}, is valid until ${oldGoodUntil}.`);
    return 0;
  });
}

function noToken({ terminal }: Context, id: string): number {
  terminal.note(`rollcall: no valid token has the id ${id}; "rollcall token list" shows all tokens`);
  return 1;
}

async function listTokens(context: Context, options: GlobalOptions): Promise<number> {
  const config = await locateConfigOpenable(context, options);
  const { terminal } = context;
  const store = await context.database(config).openToRead();
  const tokens = (await store?.tokens()) ?? [];
  await store?.close();
  const nowMs = context.now();
  const rows = tokens.map((token) => tokenJson(token, nowMs));
  if (options.json) printJson(terminal, { tokens: rows });
  else if (rows.length === 0) terminal.out("no tokens were made here; tokens of the configuration are not listed");
  else terminal.out(table(rows.map(cellsOf), ""));
  for (const { id, source } of expiringSoon(tokens, nowMs))
    terminal.note(
      `rollcall: token ${id} of source ${source} expires within 14 days; "rollcall token rotate ${id}" replaces it`,
    );
  return 0;
}

const cellsOf = (row: ReturnType<typeof tokenJson>): readonly string[] => [
  row.id,
  row.source,
  row.fingerprint,
  `made ${row.createdAt}`,
  row.lastUsedAt === null ? "not used yet" : `used ${row.lastUsedAt}`,
  row.state === "revoked" ? `revoked ${row.revokedAt}` : row.state,
  row.expiresAt === null || row.state === "revoked"
    ? ""
    : `${row.state === "expired" ? "since" : "expires"} ${row.expiresAt}`,
  row.label,
];

async function revokeToken(context: Context, options: GlobalOptions, id = ""): Promise<number> {
  const { terminal } = context;
  return await withTokens(context, options, async (tokens) => {
    const isRevoked = await tokens.revoke(id, cause);
    if (options.json) printJson(terminal, { id, revoked: isRevoked });
    else if (isRevoked) terminal.out(`token ${id} is revoked`);
    return isRevoked ? 0 : noToken(context, id);
  });
}

async function withTokens<T>(
  context: Context,
  options: GlobalOptions,
  work: (tokens: ScimTokens, config: Config) => Promise<T>,
): Promise<T> {
  const config = await locateConfigOpenable(context, options);
  await using cleanup = new AsyncDisposableStack();
  const store = await context.database(config).open();
  cleanup.defer(() => store.close());
  return await work(createScimTokens(config, store, context.now), config);
}
