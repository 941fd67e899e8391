import { locateConfigOpenable } from "../../app/config-location.ts";
import type { Context, GlobalOptions } from "../../app/context.ts";
import { makeToken, rotate } from "../../app/scim-tokens.ts";
import type { Config } from "../../config/index.ts";
import { fingerprint } from "../../crypto/tokens.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import type { DirectoryStore } from "../../domain/ports/directory-store.ts";
import { expiringSoon, type StoredToken, tokenState } from "../../domain/ports/scim-store.ts";
import { isoTime, printJson, table } from "../output/print.ts";

const cause = { actor: "cli:token", requestId: null };

/** `rollcall token create`: the token is printed once; only its hash is kept. */
export async function createToken(
  context: Context,
  options: { readonly source: string; readonly label: string; readonly expires?: number } & GlobalOptions,
): Promise<number> {
  const config = await locateConfigOpenable(context, options);
  const source = config.sources.find((each) => each.name === options.source);
  if (source === undefined || source.type !== "scim") {
    const known =
      config.sources
        .filter((each) => each.type === "scim")
        .map((each) => each.name)
        .join(", ") || "none";
    throw new RollcallError(
      "CONFIG_INVALID",
      `no SCIM source "${options.source}" in the configuration; there is: ${known}`,
    );
  }
  const { token, stored } = makeToken(source.name, options.label, options.expires ?? null, context.now());
  await withStore(context, config, (store) => store.addToken(stored, cause));
  show(context, options, token, stored, {});
  return 0;
}

function show(
  { terminal }: Context,
  options: GlobalOptions,
  token: string,
  { id, source, expiresAtMs }: StoredToken,
  more: object,
): void {
  const expiry = expiresAtMs === null ? "" : `, good until ${isoTime(expiresAtMs)}`;
  if (options.json)
    printJson(terminal, {
      id,
      source,
      token,
      ...(expiresAtMs !== null && { expiresAt: isoTime(expiresAtMs) }),
      ...more,
    });
  else
    terminal.out(
      `${token}\n\nId ${id}, for source ${source}${expiry}. It is shown this once: give it to your identity provider now.`,
    );
}

/** `rollcall token rotate`: a new one for the same source; the old one stays good for the grace period. */
export async function rotateToken(
  context: Context,
  options: { readonly grace: number; readonly expires?: number } & GlobalOptions,
  id = "",
): Promise<number> {
  const config = await locateConfigOpenable(context, options);
  const { terminal } = context;
  return await withStore(context, config, async (store) => {
    const made = await rotate(store, id, { graceMs: options.grace, lifeMs: options.expires }, cause, context.now());
    if (made === null) {
      terminal.note(`rollcall: no good token has the id ${id}; "rollcall token list" shows them`);
      if (options.json) printJson(terminal, { id, rotated: false });
      return 1;
    }
    const oldGoodUntil = isoTime(made.oldGoodUntilMs);
    show(context, options, made.token, made.stored, { replaces: id, oldGoodUntil });
    if (!options.json) terminal.out(`The old one, ${id}, is good until ${oldGoodUntil}.`);
    return 0;
  });
}

/** `rollcall token list`: no token, only how to name it. */
export async function listTokens(context: Context, options: GlobalOptions): Promise<number> {
  const config = await locateConfigOpenable(context, options);
  const store = await context.openStoreToRead(config);
  const tokens = (await store?.tokens()) ?? [];
  await store?.close();
  const nowMs = context.now();
  const rows = tokens.map((token) => ({
    id: token.id,
    source: token.source,
    label: token.label,
    fingerprint: fingerprint(token.hash),
    createdAt: isoTime(token.createdAtMs),
    revokedAt: isoTime(token.revokedAtMs),
    expiresAt: isoTime(token.expiresAtMs),
    lastUsedAt: isoTime(token.lastUsedAtMs),
    state: tokenState(token, nowMs),
  }));
  if (options.json) printJson(context.terminal, { tokens: rows });
  else if (rows.length === 0)
    context.terminal.out("no tokens were made here; those of the configuration are not listed");
  else
    context.terminal.out(
      table(
        rows.map((row) => [
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
        ]),
        "",
      ),
    );
  for (const { id, source } of expiringSoon(tokens, nowMs))
    context.terminal.note(
      `rollcall: token ${id} of source ${source} expires within 14 days: "rollcall token rotate ${id}" makes another in its place`,
    );
  return 0;
}

/** `rollcall token revoke`: a running `serve` refuses it within a second. */
export async function revokeToken(context: Context, options: GlobalOptions, id?: string): Promise<number> {
  const config = await locateConfigOpenable(context, options);
  const isRevoked = await withStore(context, config, (store) => store.revokeToken(id ?? "", context.now(), cause));
  if (options.json) printJson(context.terminal, { id, revoked: isRevoked });
  else if (isRevoked) context.terminal.out(`token ${id} is revoked`);
  if (!isRevoked) context.terminal.note(`rollcall: no good token has the id ${id}; "rollcall token list" shows them`);
  return isRevoked ? 0 : 1;
}

async function withStore<T>(context: Context, config: Config, work: (store: DirectoryStore) => Promise<T>): Promise<T> {
  const store = await context.openStore(config);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}
