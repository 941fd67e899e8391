import { randomUUID } from "node:crypto";
import type { Config } from "../config/index.ts";
import { RollcallError } from "../domain/errors.ts";
import type { DirectoryStore } from "../domain/store.ts";
import { fingerprint, hashToken, newToken } from "../web/authenticate.ts";
import type { Composition, GlobalOptions } from "./composition.ts";
import { locateConfigOpenable } from "./locate.ts";
import { isoTime, printJson, table } from "./render.ts";

const cause = { actor: "cli:token", requestId: null };

/** `rollcall token create`: the token is printed once; only its hash is kept. */
export async function createToken(
  composition: Composition,
  options: { readonly source: string; readonly label: string } & GlobalOptions,
): Promise<number> {
  const config = locateConfigOpenable(composition, options);
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
  const token = newToken();
  const stored = {
    id: randomUUID(),
    source: source.name,
    hash: hashToken(token),
    label: options.label,
    createdAtMs: composition.now(),
    revokedAtMs: null,
  };
  await withStore(composition, config, (store) => store.addToken(stored, cause));
  if (options.json) printJson(composition.terminal, { id: stored.id, source: source.name, token });
  else
    composition.terminal.out(
      `${token}\n\nId ${stored.id}, for source ${source.name}. It is shown this once: give it to your identity provider now.`,
    );
  return 0;
}

/** `rollcall token list`: no token, only how to name it. */
export async function listTokens(composition: Composition, options: GlobalOptions): Promise<number> {
  const config = locateConfigOpenable(composition, options);
  const tokens = await withStore(composition, config, (store) => store.tokens());
  const rows = tokens.map((token) => ({
    id: token.id,
    source: token.source,
    label: token.label,
    fingerprint: fingerprint(token.hash),
    createdAt: isoTime(token.createdAtMs),
    revokedAt: isoTime(token.revokedAtMs),
  }));
  if (options.json) printJson(composition.terminal, { tokens: rows });
  else if (rows.length === 0)
    composition.terminal.out("no tokens were made here; those of the configuration are not listed");
  else
    composition.terminal.out(
      table(
        rows.map((row) => [
          row.id,
          row.source,
          row.fingerprint,
          `made ${row.createdAt}`,
          row.revokedAt === null ? "good" : `revoked ${row.revokedAt}`,
          row.label,
        ]),
        "",
      ),
    );
  return 0;
}

/** `rollcall token revoke`: a running `serve` refuses it within a second. */
export async function revokeToken(composition: Composition, options: GlobalOptions, id?: string): Promise<number> {
  const config = locateConfigOpenable(composition, options);
  const isRevoked = await withStore(composition, config, (store) =>
    store.revokeToken(id ?? "", composition.now(), cause),
  );
  if (options.json) printJson(composition.terminal, { id, revoked: isRevoked });
  else if (isRevoked) composition.terminal.out(`token ${id} is revoked`);
  if (!isRevoked)
    composition.terminal.note(`rollcall: no good token has the id ${id}; "rollcall token list" shows them`);
  return isRevoked ? 0 : 1;
}

async function withStore<T>(
  composition: Composition,
  config: Config,
  work: (store: DirectoryStore) => Promise<T>,
): Promise<T> {
  const store = await composition.openStore(config);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}
