import type { ConnectionKeys } from "../../../app/connections.ts";
import type { MadeToken } from "../../../app/scim-tokens.ts";
import type { FieldErrors, Survey } from "../../../app/verify-target.ts";
import type { CredentialField, TargetDefinition } from "../../../targets/definition.ts";
import { definitionOf, productOf } from "../../../targets/registry.ts";
import { figure } from "../../../text/numbers.ts";
import type { Visitor } from "../../access/role.ts";
import { flag, html, type Markup } from "../components/html.ts";
import { type IconName, icon } from "../components/icons.ts";
import { callout, factList, moment } from "../components/labels.ts";
import { csrfField } from "../components/layout.ts";
import { providerGuides } from "./guides.ts";

export interface ConnectForm {
  readonly definition: TargetDefinition;
  readonly draft: ConnectionKeys;
  readonly errors: FieldErrors;
  readonly visitor: Visitor;
}

interface Field extends CredentialField {
  readonly isRequired?: true;
}

/** The form that connects a target, with how to get the credentials beside it. */
export function connectBody(form: ConnectForm): Markup {
  const { definition, draft, errors, visitor } = form;
  const { type, product, regions, ownServer, credentials, setup, abilities } = definition;
  const { region } = draft;
  const isOwn = ownServer.urls.some(({ key }) => (draft[key] ?? "") !== "");
  const warnings = [
    ...definition.limits,
    ...(abilities.invite ? [] : [`The API of ${product} can't invite: invite people there.`]),
  ];
  const name = {
    key: "name",
    label: "Name",
    help: "The name of this target in Rollcall: letters, digits, dots and dashes.",
    placeholder: `acme-${product.toLowerCase()}`,
  };
  return html`<div class="columns wide-first">
<form class="panel stacked" method="post" action="/connections/new/${type}">${csrfField(visitor)}
${errors[""] !== undefined && callout("bad", errors[""])}
${inputField({ ...name, isRequired: true }, form)}
<fieldset><legend>Region</legend>
${regions.map(
  ({ value, label, urls }, index) =>
    html`<label class="choice"><input type="radio" name="region" value="${value}"${flag("checked", !isOwn && (region === value || (region === undefined && index === 0)))}> <span>${label} <small>${urls["apiUrl"]}</small></span></label>`,
)}
<label class="choice"><input type="radio" name="region" value="own"${flag("checked", isOwn)}> <span>${ownServer.label} <small>enter it below</small></span></label>
${errors["region"] !== undefined && html`<p class="wrong">${errors["region"]}</p>`}
</fieldset>
<details${flag("open", isOwn || ownServer.urls.some(({ key }) => errors[key] !== undefined))}><summary>${ownServer.label}</summary>
${ownServer.urls.map((field) => inputField(field, form))}
</details>
${credentials.map((field) => inputField({ ...field, ...(field.isSecret && { help: "Stored encrypted, and never shown again." }), isRequired: true }, form))}
<div class="actions"><button type="submit" name="step" value="verify">Verify</button><a class="button secondary" href="/connections">Cancel</a></div>
<p class="hint">Verify signs in and reads once. It stores nothing, and changes nothing in ${product}.</p>
</form>
<aside class="panel" aria-label="Where to find it"><h2>Where to find it</h2><p>${setup.requires}</p><ol>${setup.steps.map((step) => html`<li>${step}</li>`)}</ol>
${warnings.map((warning) => callout("warn", warning))}
<p class="hint">${setup.afterLeak}</p></aside>
</div>`;
}

function inputField(
  { key, label, help, isSecret, isRequired, placeholder }: Field,
  { draft, errors }: ConnectForm,
): Markup {
  const problem = errors[key];
  const value = isSecret ? "" : (draft[key] ?? "");
  return html`<label for="${key}">${label}</label><input id="${key}" name="${key}" type="${isSecret ? "password" : "text"}" value="${value}" placeholder="${placeholder ?? ""}" autocomplete="off" spellcheck="false"${flag("required", isRequired === true)}${problem !== undefined && html` aria-invalid="true"`} aria-describedby="${key}-help">
<div id="${key}-help">${problem !== undefined && html`<p class="wrong">${icon("bad")}<span>${problem}</span></p>`}${help !== undefined && html`<p class="hint">${help}</p>`}</div>`;
}

const findingIcon: Readonly<Record<Survey["findings"][number]["level"], IconName>> = {
  ok: "good",
  warning: "warn",
  error: "bad",
};

/** The organization or account at the vendor, so that a person can check that it is the right one. */
export function surveyBody({ product, accountNoun }: TargetDefinition, survey: Survey, form: Markup): Markup {
  const states = Object.entries(survey.states)
    .map(([state, number]) => `${figure(number)} ${state}`)
    .join(", ");
  return html`<div class="panel"><h2>Is this the right one?</h2>
${factList([[`${product} ${accountNoun}`, html`<code>${survey.accountId}</code>`], ["Host", survey.host], ["Accounts", `${figure(survey.members)}${states === "" ? "" : ` (${states})`}`], survey.groups !== null && ["Groups", figure(survey.groups)]])}
${survey.findings.length > 0 && html`<ul class="found">${survey.findings.map(({ level, message }) => html`<li class="${level}">${icon(findingIcon[level])}<span>${message}</span></li>`)}</ul>`}
${form}</div>`;
}

/** The second step: the verified values come back encrypted, the secret too, so that nobody can read them on the way. */
export const confirmForm = (name: string, type: string, kept: string, visitor: Visitor): Markup =>
  html`<form method="post" action="/connections/new/${type}">${csrfField(visitor)}<input type="hidden" name="kept" value="${kept}">
<div class="actions"><button type="submit">Connect ${name}</button><a class="button secondary" href="/connections/new/${type}">Back</a></div></form>`;

/** A new secret for a stored connection. */
export const rotateBody = (
  name: string,
  type: string,
  errors: FieldErrors,
  visitor: Visitor,
): Markup => html`<form class="panel stacked narrow" method="post" action="/connections/${encodeURIComponent(name)}/rotate">${csrfField(visitor)}
${Object.values(errors).map((problem) => callout("bad", problem))}
<p>First make a new secret in ${productOf(type)}. Rollcall verifies it, then replaces the old one.</p>
<p class="hint">${definitionOf(type)?.setup.afterLeak}</p>
<label for="clientSecret">New client secret</label><input id="clientSecret" name="clientSecret" type="password" autocomplete="off" required>
<div class="actions"><button type="submit">Verify and replace</button><a class="button secondary" href="/connections">Cancel</a></div></form>`;

/** The consequences of disconnecting, with a confirmation. */
export const disconnectBody = (
  name: string,
  consequences: readonly string[],
  errors: FieldErrors,
  visitor: Visitor,
): Markup => html`<form class="panel stacked narrow" method="post" action="/connections/${encodeURIComponent(name)}/disconnect">${csrfField(visitor)}
${Object.values(errors).map((problem) => callout("bad", problem))}
<p><strong>Nobody loses access now.</strong> But after this:</p>
<ul>${consequences.map((each) => html`<li>${each}</li>`)}</ul>
<label for="confirm">Type <strong>${name}</strong> to disconnect it</label><input id="confirm" name="confirm" autocomplete="off" spellcheck="false" required>
<div class="actions"><button type="submit" class="danger">Disconnect</button><a class="button secondary" href="/connections">Cancel</a></div></form>`;

/** Lifetimes of a token in milliseconds, by their label. */
export const tokenLives: Readonly<Record<string, number>> = {
  "in 90 days": 90 * 86_400_000,
  "in a year": 365 * 86_400_000,
};

/** Grace periods of a replaced token in milliseconds, by their label. The first is the default. */
export const tokenGraces: Readonly<Record<string, number>> = {
  "24 hours": 86_400_000,
  "1 hour": 3_600_000,
  "7 days": 7 * 86_400_000,
};

/** A token that was just made. `oldGoodUntilMs`: how long the token that it replaces stays valid. */
export type Made = MadeToken & { readonly oldGoodUntilMs?: number };

/** The page for an identity provider: the URL, and a token that is shown once. */
export function providerBody(source: string, scimUrl: string, made: Made | null, visitor: Visitor): Markup {
  return html`<div class="columns wide-first"><div class="panel stacked"><h2>Enter these two in your identity provider</h2>
<p class="label">Base URL</p><p class="copy"><code id="scim-url">${scimUrl}</code><button type="button" class="secondary" data-copy="scim-url" hidden>Copy</button></p>
${
  made === null
    ? html`<form method="post" action="/connections/new/provider">${csrfField(visitor)}<input type="hidden" name="source" value="${source}"><label for="label">What this token is for</label><input id="label" name="label" maxlength="100" autocomplete="off" placeholder="Okta, production"><label for="life">Expires</label><select id="life" name="life"><option value="">never</option>${Object.keys(tokenLives).map((life) => html`<option>${life}</option>`)}</select><div class="actions"><button type="submit">Make a token</button><a class="button secondary" href="/connections">Cancel</a></div><p class="hint">A token is random, shown once, and stored only as a hash. Make one for each provider: then you can revoke each alone.</p></form>`
    : html`<p class="label">Token</p><p class="copy"><code id="scim-token">${made.token}</code><button type="button" class="secondary" data-copy="scim-token" hidden>Copy</button></p>${callout("warn", "The token is shown only once. Copy it now. If you lose it, make a new one and revoke this one.")}${made.oldGoodUntilMs !== undefined && html`<p>The old token is valid until ${moment(made.oldGoodUntilMs)}. Enter the new one in the identity provider before.</p>`}${made.expiresAtMs !== null && html`<p class="hint">It expires ${moment(made.expiresAtMs)}.</p>`}<p><a class="button" href="/connections">Done</a></p>`
}</div>
<aside class="panel" aria-label="Guides"><h2>Where to enter them</h2>${providerGuides.map(({ name, steps }) => html`<details name="guide"><summary>${name}</summary><ol>${steps.map((step) => html`<li>${step}</li>`)}</ol></details>`)}<p class="hint">The full guides, with the peculiarities of each provider, are in <code>docs/guides</code>.</p></aside></div>`;
}
