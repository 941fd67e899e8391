import { allows, type Visitor } from "../../access/role.ts";
import type { Assets } from "../assets.ts";
import { type HtmlValue, html, type Markup } from "./html.ts";
import { type IconName, icon, mark } from "./icons.ts";

/** The entries of the navigation. */
export type Section = "overview" | "people" | "groups" | "plan" | "connections" | "activity";

const sections: readonly {
  readonly id: Section;
  readonly href: string;
  readonly label: string;
  readonly icon: IconName;
}[] = [
  { id: "overview", href: "/", label: "Overview", icon: "overview" },
  { id: "people", href: "/people", label: "People", icon: "people" },
  { id: "groups", href: "/groups", label: "Groups", icon: "groups" },
  { id: "plan", href: "/plan", label: "Plan", icon: "plan" },
  { id: "connections", href: "/connections", label: "Connections", icon: "connections" },
  { id: "activity", href: "/activity", label: "Activity", icon: "activity" },
];

/** The result of an action; shown on top of the page, and read out. */
export interface Notice {
  readonly kind: "good" | "bad" | "info";
  readonly text: HtmlValue;
}

export interface PageParts {
  readonly title: string;
  /** Null on pages outside the navigation. */
  readonly section: Section | null;
  readonly body: Markup;
  /** Beside the heading: links and buttons for the whole page. */
  readonly actions?: HtmlValue;
  /** A short line below the heading. */
  readonly lead?: HtmlValue;
  readonly notice?: Notice | null;
  /** HTTP status; default 200. 422 for a form with something wrong in it. */
  readonly status?: number;
  /** Way back, for pages below a section. */
  readonly trail?: readonly { readonly href: string; readonly label: string }[];
}

export interface Frame {
  readonly assets: Assets;
  readonly version: string;
  /** Both vendors are emulated. */
  readonly isSandbox: boolean;
  /** Numbers beside entries of the navigation: how much there needs a person. */
  readonly badges: Readonly<Partial<Record<Section, number>>>;
}

const head = (assets: Assets, title: string): Markup => html`<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta name="htmx-config" content='{"includeIndicatorCSS":false}'>
<title>${title} · Rollcall</title>
<link rel="icon" href="${assets.url("favicon.svg")}" type="image/svg+xml">
<link rel="stylesheet" href="${assets.url("console.css")}">
<script src="${assets.url("htmx.js")}" defer></script>
<script src="${assets.url("console.js")}" type="module"></script>`;

/** A whole page for somebody who has signed in. */
export function renderPage(frame: Frame, visitor: Visitor, page: PageParts): Markup {
  return html`<!doctype html>
<html lang="en">
<head>${head(frame.assets, page.title)}</head>
<body class="app">
<a class="skip" href="#main">Skip to content</a>
<header class="side">
  <a class="brand" href="/">${mark}<span>Rollcall</span></a>
  <nav aria-label="Main">
    <ul>${sections.map((section) => navigationItem(section, page.section, frame.badges))}</ul>
  </nav>
  <div class="who">
    <p><strong>${visitor.name}</strong><span>${visitor.role}</span></p>
    <form method="post" action="/sign-out">${csrfField(visitor)}<button type="submit" class="quiet">${icon("out")}<span>Sign out</span></button></form>
  </div>
</header>
<main id="main" tabindex="-1">
  <p class="notice bad" id="offline" role="alert" hidden>${icon("bad")}<span>Rollcall does not answer. The page shows the last known state, and updates when Rollcall is back.</span></p>
  ${frame.isSandbox && html`<p class="sandbox">${icon("info")}<span><strong>Sandbox.</strong> Both password managers are emulated in this process: nothing here is real.</span></p>`}
  ${page.trail && html`<nav class="trail" aria-label="Breadcrumb"><ul>${page.trail.map(({ href, label }) => html`<li><a href="${href}">${label}</a></li>`)}<li aria-current="page">${page.title}</li></ul></nav>`}
  <div class="heading"><div><h1>${page.title}</h1>${page.lead && html`<p class="lead">${page.lead}</p>`}</div>${page.actions && html`<div class="actions">${page.actions}</div>`}</div>
  ${page.notice && html`<div class="notice ${page.notice.kind}" role="${page.notice.kind === "bad" ? "alert" : "status"}">${icon(page.notice.kind)}<div>${page.notice.text}</div></div>`}
  ${page.body}
</main>
<footer><p>Rollcall ${frame.version}</p></footer>
</body>
</html>
`;
}

function navigationItem(
  { id, href, label, icon: name }: (typeof sections)[number],
  current: Section | null,
  badges: Frame["badges"],
): Markup {
  const waiting = badges[id] ?? 0;
  return html`<li><a href="${href}"${id === current && html` aria-current="page"`}>${icon(name)}<span>${label}</span>${waiting > 0 && html`<span class="count">${waiting}<span class="sr"> waiting</span></span>`}</a></li>`;
}

/** A page for somebody who has not signed in: no navigation, one thing to do. */
export const renderBarePage = (assets: Assets, title: string, body: Markup): Markup => html`<!doctype html>
<html lang="en">
<head>${head(assets, title)}</head>
<body class="bare">
<main id="main">
  <p class="brand">${mark}<span>Rollcall</span></p>
  ${body}
</main>
</body>
</html>
`;

/** The token that each form with POST needs. */
export const csrfField = (visitor: Visitor): Markup =>
  html`<input type="hidden" name="_csrf" value="${visitor.csrfToken ?? ""}">`;

/** Returns the markup only for a visitor with that role. */
export const only = (visitor: Visitor, role: Visitor["role"], markup: () => Markup): Markup | null =>
  allows(visitor.role, role) ? markup() : null;
