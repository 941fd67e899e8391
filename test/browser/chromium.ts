import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const candidates = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = candidates.find((path) => existsSync(path)) ?? null;

/** Why these tests cannot run here; null if they can. With CI=true they run and fail. */
export const missing: string | null =
  executablePath !== null || process.env["CI"] === "true" ? null : "no Chromium; run 'sudo test/install-servers.sh'";

/** Starts a browser with a temporary profile. It makes no requests of its own. */
export function openBrowser(): Promise<Browser> {
  if (executablePath === null)
    throw new Error(`there is no Chromium at ${candidates.join(", ")}: run test/install-servers.sh`);
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** One visit. Collects everything that goes wrong, also what the test does not check. */
export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Requests to other hosts, errors of scripts and of the console, violations of the content security policy. */
  readonly wrongs: readonly string[];
  /** Removes errors that the test caused on purpose. The browser reports a refused form as a failed request. */
  forgive(pattern: RegExp): void;
  close(): Promise<void>;
}

export interface VisitOptions {
  readonly scheme?: "light" | "dark";
  readonly width?: number;
  readonly height?: number;
  readonly javaScript?: boolean;
}

/** Opens a page without cookies. */
export async function visit(browser: Browser, origin: string, options: VisitOptions = {}): Promise<Visit> {
  const { scheme = "light", width = 1280, height = 900, javaScript = true } = options;
  const context = await browser.newContext({
    baseURL: origin,
    colorScheme: scheme,
    viewport: { width, height },
    javaScriptEnabled: javaScript,
    reducedMotion: "reduce",
  });
  const wrongs: string[] = [];
  const page = await context.newPage();
  if (javaScript) {
    await context.exposeFunction(
      "noteViolation",
      (text: string) => void wrongs.push(`content security policy: ${text}`),
    );
    await context.addInitScript(
      "document.addEventListener('securitypolicyviolation', (event) => noteViolation(`${event.violatedDirective} ${event.blockedURI}`))",
    );
  }
  context.on("request", (request) => {
    if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith("data:"))
      wrongs.push(`request to ${request.url()}`);
  });
  page.on("pageerror", (error) => void wrongs.push(`script: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") wrongs.push(`console: ${message.text()}`);
  });
  const forgive = (pattern: RegExp): void => {
    const others = wrongs.filter((wrong) => !pattern.test(wrong));
    if (others.length === wrongs.length) throw new Error(`nothing of ${pattern} went wrong`);
    wrongs.splice(0, wrongs.length, ...others);
  };
  return { page, context, wrongs, forgive, close: () => context.close() };
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Returns the serious and critical findings of axe-core, one per line. */
export async function accessibilityProblems(page: Page): Promise<readonly string[]> {
  // Loaded over the debugging protocol, because the content security policy of the page refuses it.
  await page.evaluate(axeSource);
  return await page.evaluate<readonly string[]>(`axe.run().then(({ violations }) =>
    violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => [id, ...target, failureSummary].join(" ")))
  )`);
}

/** Returns by how many pixels the page is wider than its window. */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate<number>("document.documentElement.scrollWidth - window.innerWidth");
