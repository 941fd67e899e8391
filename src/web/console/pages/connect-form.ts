import type { ConnectionDraft, ConnectionType, FieldErrors, Survey } from "../../../app/connection-types.ts";
import type { Visitor } from "../../access/role.ts";
import { flag, type HtmlValue, html, type Markup } from "../components/html.ts";
import { type IconName, icon } from "../components/icons.ts";
import { csrfField } from "../components/layout.ts";
import type { GivenToken } from "../parts.ts";
import { figure, moment } from "../words.ts";
import { providerGuides, vendorForms } from "./guides.ts";

export interface ConnectForm {
  readonly type: ConnectionType;
  readonly draft: Partial<ConnectionDraft>;
  readonly errors: FieldErrors;
  readonly visitor: Visitor;
}

interface Field {
  readonly key: Exclude<keyof ConnectionDraft, "type">;
  readonly label: string;
  readonly hint?: HtmlValue;
  readonly isSecret?: true;
  readonly isRequired?: true;
  readonly placeholder?: string;
}

/** The form that connects a vendor, with where to find everything beside it. */
export function connectBody(form: ConnectForm): Markup {
  const { type, draft, errors, visitor } = form;
  const vendor = vendorForms[type];
  const isOwn = (draft.apiUrl ?? "") !== "";
  const field = (each: Field): Markup => inputField(each, form);
  return html`<div class="columns wide-first">
<form class="panel stacked" method="post" action="/connections/new/${type}">${csrfField(visitor)}
${errors[""] !== undefined && html`<div class="notice bad" role="alert">${icon("bad")}<div>${errors[""]}</div></div>`}
${field({ key: "name", label: "Name", hint: "How this connection is called here: letters, digits, dots and dashes.", isRequired: true, placeholder: type === "bitwarden" ? "acme-bitwarden" : "acme-1password" })}
<fieldset><legend>Region</legend>
${vendor.regions.map(
  ({ value, name, apiUrl }, index) =>
    html`<label class="choice"><input type="radio" name="region" value="${value}"${flag("checked", !isOwn && (draft.region === value || (draft.region === undefined && index === 0)))}> <span>${name} <small>${apiUrl}</small></span></label>`,
)}
<label class="choice"><input type="radio" name="region" value="own"${flag("checked", isOwn)}> <span>${type === "bitwarden" ? "Self-hosted" : "Another address"} <small>fill in below</small></span></label>
${errors.region !== undefined && html`<p class="wrong">${errors.region}</p>`}
</fieldset>
<details${flag("open", isOwn || errors.apiUrl !== undefined || errors.identityUrl !== undefined)}><summary>${type === "bitwarden" ? "Addresses of a self-hosted server" : "Address of the API"}</summary>
${field({ key: "apiUrl", label: "API URL", placeholder: type === "bitwarden" ? "https://vault.example.com/api" : "https://api.1password.com" })}
${type === "bitwarden" && field({ key: "identityUrl", label: "Identity URL", hint: "Of the same server as the API URL.", placeholder: "https://vault.example.com/identity" })}
</details>
${type === "onepassword" && field({ key: "accountId", label: "Account id", isRequired: true })}
${field({ key: "clientId", label: "Client id", isRequired: true, placeholder: type === "bitwarden" ? "organization.00000000-…" : "" })}
${field({ key: "clientSecret", label: "Client secret", hint: "Stored encrypted, and never shown again.", isSecret: true, isRequired: true })}
<div class="actions"><button type="submit" name="step" value="verify">Verify</button><a class="button secondary" href="/connections">Cancel</a></div>
<p class="hint">Verify signs in and reads once. It stores nothing yet, and changes nothing at ${vendor.product}.</p>
</form>
<aside class="panel" aria-label="Where to find it"><h2>Where to find it</h2><p>${vendor.needs}</p><ol>${vendor.steps.map((step) => html`<li>${step}</li>`)}</ol>
${vendor.warning !== null && html`<div class="notice warn">${icon("warn")}<div>${vendor.warning}</div></div>`}
<p class="hint">${vendor.leaked}</p></aside>
</div>`;
}

function inputField(
  { key, label, hint, isSecret, isRequired, placeholder }: Field,
  { draft, errors }: ConnectForm,
): Markup {
  const problem = errors[key];
  const value = isSecret ? "" : (draft[key] ?? "");
  return html`<label for="${key}">${label}</label><input id="${key}" name="${key}" type="${isSecret ? "password" : "text"}" value="${value}" placeholder="${placeholder ?? ""}" autocomplete="off" spellcheck="false"${flag("required", isRequired === true)}${problem !== undefined && html` aria-invalid="true"`} aria-describedby="${key}-help">
<div id="${key}-help">${problem !== undefined && html`<p class="wrong">${icon("bad")}<span>${problem}</span></p>`}${hint && html`<p class="hint">${hint}</p>`}</div>`;
}

const findingIcon: Readonly<Record<Survey["findings"][number]["level"], IconName>> = {
  ok: "good",
  warning: "warn",
  error: "bad",
};

/** What was found at the vendor: "is this the right one?" */
export function surveyBody(survey: Survey, form: Markup): Markup {
  const vendor = vendorForms[survey.type];
  return html`<div class="panel"><h2>This is what answered</h2>
<dl class="facts"><dt>${vendor.product} ${vendor.account}</dt><dd><code>${survey.accountId}</code></dd><dt>Host</dt><dd>${survey.host}</dd><dt>Members</dt><dd>${figure(survey.members)}${
    Object.keys(survey.states).length > 0 &&
    html` (${Object.entries(survey.states)
      .map(([state, number]) => `${figure(number)} ${state}`)
      .join(", ")})`
  }</dd>${survey.groups !== null && html`<dt>Groups</dt><dd>${figure(survey.groups)}</dd>`}</dl>
${survey.findings.length > 0 && html`<ul class="found">${survey.findings.map(({ level, message }) => html`<li class="${level}">${icon(findingIcon[level])}<span>${message}</span></li>`)}</ul>`}
${form}</div>`;
}

/** After verifying: what was filled in comes back sealed, the secret with it, and can be read by nobody on the way. */
export const confirmForm = (name: string, type: ConnectionType, kept: string, visitor: Visitor): Markup =>
  html`<form method="post" action="/connections/new/${type}">${csrfField(visitor)}<input type="hidden" name="kept" value="${kept}">
<div class="actions"><button type="submit">Connect ${name}</button><a class="button secondary" href="/connections/new/${type}">Back</a></div></form>`;

/** A new secret for a stored connection. */
export const rotateBody = (
  name: string,
  type: ConnectionType,
  errors: FieldErrors,
  visitor: Visitor,
): Markup => html`<form class="panel stacked narrow" method="post" action="/connections/${encodeURIComponent(name)}/rotate">${csrfField(visitor)}
${Object.values(errors).map((problem) => html`<div class="notice bad" role="alert">${icon("bad")}<div>${problem}</div></div>`)}
<p>Make a new secret at ${vendorForms[type].product} first. It is verified before it replaces the old one; until then the old one stays in use.</p>
<p class="hint">${vendorForms[type].leaked}</p>
<label for="clientSecret">New client secret</label><input id="clientSecret" name="clientSecret" type="password" autocomplete="off" required>
<div class="actions"><button type="submit">Verify and replace</button><a class="button secondary" href="/connections">Cancel</a></div></form>`;

/** What disconnecting means, before it is done. */
export const disconnectBody = (
  name: string,
  consequences: readonly string[],
  problem: string | null,
  visitor: Visitor,
): Markup => html`<form class="panel stacked narrow" method="post" action="/connections/${encodeURIComponent(name)}/disconnect">${csrfField(visitor)}
${problem !== null && html`<div class="notice bad" role="alert">${icon("bad")}<div>${problem}</div></div>`}
<p><strong>Nobody's access is taken away by this.</strong> But from then on:</p>
<ul>${consequences.map((each) => html`<li>${each}</li>`)}</ul>
<label for="confirm">Type <strong>${name}</strong> to disconnect it</label><input id="confirm" name="confirm" autocomplete="off" spellcheck="false" required>
<div class="actions"><button type="submit" class="danger">Disconnect</button><a class="button secondary" href="/connections">Cancel</a></div></form>`;

/** How long a token may be good, in milliseconds, by what people choose. */
export const tokenLives: Readonly<Record<string, number>> = {
  "in 90 days": 90 * 86_400_000,
  "in a year": 365 * 86_400_000,
};

/** How long the token before it may still be good, in milliseconds, by what people choose; the first is the default. */
export const tokenGraces: Readonly<Record<string, number>> = {
  "24 hours": 86_400_000,
  "1 hour": 3_600_000,
  "7 days": 7 * 86_400_000,
};

/** A token that was just made, in another's place where `oldGoodUntilMs` says how long that one is still good. */
export type Given = GivenToken & { readonly oldGoodUntilMs?: number };

/** Connecting an identity provider: a URL, and a token that is shown once. */
export function providerBody(source: string, scimUrl: string, given: Given | null, visitor: Visitor): Markup {
  return html`<div class="columns wide-first"><div class="panel stacked"><h2>Give these two to your identity provider</h2>
<p class="label">Base URL</p><p class="copy"><code id="scim-url">${scimUrl}</code><button type="button" class="secondary" data-copy="scim-url" hidden>Copy</button></p>
${
  given === null
    ? html`<form method="post" action="/connections/new/provider">${csrfField(visitor)}<input type="hidden" name="source" value="${source}"><label for="label">What this token is for</label><input id="label" name="label" maxlength="100" autocomplete="off" placeholder="Okta, production"><label for="life">Ends</label><select id="life" name="life"><option value="">never</option>${Object.keys(tokenLives).map((life) => html`<option>${life}</option>`)}</select><div class="actions"><button type="submit">Make a token</button><a class="button secondary" href="/connections">Cancel</a></div><p class="hint">It is random, shown once, and stored only as a hash. Make one for each provider: each can be revoked by itself.</p></form>`
    : html`<p class="label">Token</p><p class="copy"><code id="scim-token">${given.token}</code><button type="button" class="secondary" data-copy="scim-token" hidden>Copy</button></p><div class="notice warn">${icon("warn")}<div>This is the only time it is shown. Copy it now; if it is lost, make another and revoke this one.</div></div>${given.oldGoodUntilMs !== undefined && html`<p>The token before it is good until ${moment(given.oldGoodUntilMs)}: until then the identity provider must have this one.</p>`}${given.expiresAtMs !== null && html`<p class="hint">It ends ${moment(given.expiresAtMs)}.</p>`}<p><a class="button" href="/connections">Done</a></p>`
}</div>
<aside class="panel" aria-label="Guides"><h2>Where they go</h2>${providerGuides.map(({ name, steps }) => html`<details name="guide"><summary>${name}</summary><ol>${steps.map((step) => html`<li>${step}</li>`)}</ol></details>`)}<p class="hint">The whole guides, with what each provider does oddly, are in <code>docs/guides</code>.</p></aside></div>`;
}
