import type { ListedConnection } from "../../../app/connections.ts";
import type { SourceStatus, StatusReport } from "../../../app/status.ts";
import { fingerprint } from "../../../crypto/tokens.ts";
import { expiringSoon, isTokenGood, type StoredToken, tokenNoticeMs } from "../../../domain/ports/scim-store.ts";
import { productOf, targetDefinitions } from "../../../targets/registry.ts";
import { sourceTypeName } from "../../../text/notes.ts";
import type { Visitor } from "../../access/role.ts";
import { html, type Markup } from "../components/html.ts";
import { icon } from "../components/icons.ts";
import { ago, badge, callout, factList, moment, nextTry, type Tone, timeOf } from "../components/labels.ts";
import { csrfField, only } from "../components/layout.ts";
import { tokenGraces } from "./connect-form.ts";

export interface ConnectionsData {
  readonly status: StatusReport;
  readonly connections: readonly ListedConnection[];
  readonly tokens: readonly StoredToken[];
  /** Why credentials can't be stored; null when they can. */
  readonly cannotStore: string | null;
  readonly visitor: Visitor;
  readonly nowMs: number;
}

/** All connections: targets first, then sources. */
export function connectionsBody(data: ConnectionsData): Markup {
  const { connections, status, cannotStore } = data;
  return html`<section aria-labelledby="targets"><h2 id="targets">Password managers</h2>
${
  connections.length === 0
    ? html`<div class="empty">${icon("target")}<p><strong>None is connected.</strong> Users and groups are stored, but nobody's access follows them.</p></div>`
    : html`<div class="columns">${connections.map((each) => connectionCard(each, data))}</div>`
}
${only(data.visitor, "admin", () =>
  cannotStore === null
    ? html`<p class="actions below">${targetDefinitions.map(({ type, product }) => html`<a class="button" href="/connections/new/${type}">Connect ${product}</a>`)}</p>`
    : callout(
        "info",
        `Rollcall can't store credentials: ${cannotStore} Connections of the configuration file work without it.`,
      ),
)}
</section>
<section aria-labelledby="sources"><h2 id="sources">Sources</h2>
<div class="columns">${status.sources.map((source) => sourceCard(source, data))}</div>
</section>`;
}

const states: Readonly<Record<ListedConnection["state"], readonly [Tone, string]>> = {
  working: ["good", "Working"],
  failing: ["bad", "Failing"],
  new: ["wait", "Not checked yet"],
  unreadable: ["bad", "Can't be opened"],
};
const storedWhere: Readonly<Record<ListedConnection["from"], string>> = {
  file: "in the configuration file",
  stored: "stored here, encrypted",
  "stored and file": "stored here, encrypted; settings in the configuration file",
};

function connectionCard(connection: ListedConnection, { visitor, status, nowMs }: ConnectionsData): Markup {
  const { name, type, state, error, from } = connection;
  const [tone, word] = states[state];
  const path = `/connections/${encodeURIComponent(name)}`;
  const target = status.targets.find((each) => each.name === name);
  return html`<article class="card ${tone}" id="${name}"><header><div><h3>${name}</h3><p>${productOf(type)}</p></div>${badge(tone, word)}</header>
${error !== null && html`<p class="problem">${error}</p>`}
${factList([["Host", connection.host ?? "unknown"], ["Client ID", html`<code>${connection.clientId ?? "unknown"}</code>`], ["Credentials", storedWhere[from]], ["Last use", ago(connection.lastSuccessAtMs, nowMs)], target?.error != null && ["Next try", nextTry(target.retryAt, nowMs)], connection.changedAtMs !== null && ["Changed", moment(connection.changedAtMs)]])}
<footer>${
    only(
      visitor,
      "operator",
      () => html`<div class="actions"><form method="post" action="${path}/sync">${csrfField(visitor)}<button type="submit" class="secondary">Sync now</button></form>
${from !== "file" && only(visitor, "admin", () => html`<a class="button secondary" href="${path}/rotate">Rotate the secret</a><a class="button secondary" href="${path}/disconnect">Disconnect</a>`)}</div>
${from === "file" && visitor.role === "admin" && html`<p>Its credentials are in the configuration file: change them there.</p>`}`,
    ) ?? html`<p>To change a connection, you need the role admin.</p>`
  }</footer></article>`;
}

function sourceCard(
  { name, type, error, lastSuccessAt }: SourceStatus,
  { tokens, visitor, nowMs }: ConnectionsData,
): Markup {
  // A token that expired lately explains why its provider is refused.
  const own = tokens.filter((token) => token.source === name && isShown(token, nowMs));
  const tone: Tone = error !== null ? "bad" : lastSuccessAt === null ? "idle" : "good";
  return html`<article class="card ${tone}" id="${name}"><header><div><h3>${name}</h3><p>${sourceTypeName(type)}</p></div>${badge(tone, error !== null ? "Failing" : lastSuccessAt === null ? "Never seen" : "Working")}</header>
${error !== null && html`<p class="problem">${error.message}</p>`}
${factList([["Last seen", ago(timeOf(lastSuccessAt), nowMs)], type === "scim" && ["Tokens made here", own.length === 0 ? "none; tokens of the configuration file are not listed" : ""]])}
${
  own.length > 0 &&
  html`<ul class="tokens">${own.map(
    (token) =>
      html`<li><div><code>${fingerprint(token.hash)}</code> ${token.label || html`<em>no label</em>`} ${tokenBadge(token, nowMs)}<small>made ${ago(token.createdAtMs, nowMs)}, last used ${ago(token.lastUsedAtMs, nowMs)}${tokenEnd(token, nowMs)}</small></div>${isTokenGood(token, nowMs) && only(visitor, "admin", () => tokenActions(token, visitor))}</li>`,
  )}</ul>`
}
${type === "scim" && only(visitor, "admin", () => html`<footer><a class="button secondary" href="/connections/new/provider?source=${encodeURIComponent(name)}">Connect an identity provider</a></footer>`)}
</article>`;
}

const isShown = (token: StoredToken, nowMs: number): boolean =>
  token.revokedAtMs === null && (token.expiresAtMs === null || nowMs - token.expiresAtMs < tokenNoticeMs);

function tokenBadge(token: StoredToken, nowMs: number): Markup | null {
  if (!isTokenGood(token, nowMs)) return badge("bad", "Expired");
  return expiringSoon([token], nowMs).length > 0 ? badge("warn", "Expires soon") : null;
}

const tokenActions = (token: StoredToken, visitor: Visitor): Markup => {
  const path = `/connections/tokens/${encodeURIComponent(token.id)}`;
  const named = html`<span class="sr"> ${fingerprint(token.hash)}</span>`;
  return html`<div class="actions"><details><summary>Rotate${named}</summary><form method="post" action="${path}/rotate">${csrfField(visitor)}<label for="grace-${token.id}">The old token stays valid for</label><div class="row"><select id="grace-${token.id}" name="grace">${Object.keys(tokenGraces).map((grace) => html`<option>${grace}</option>`)}</select><button type="submit">Make a new token</button></div></form></details>
<form method="post" action="${path}/revoke">${csrfField(visitor)}<button type="submit" class="danger">Revoke${named}</button></form></div>`;
};

const tokenEnd = ({ expiresAtMs }: StoredToken, nowMs: number): Markup | null =>
  expiresAtMs === null ? null : html`, ${expiresAtMs < nowMs ? "expired" : "expires"} ${ago(expiresAtMs, nowMs)}`;
