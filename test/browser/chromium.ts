import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const candidates = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = candidates.find((path) => existsSync(path)) ?? null;

/** Why these tests can't run here; null when they can. With CI=true they run, and fail. */
export const missing: string | null =
  executablePath !== null || process.env["CI"] === "true" ? null : "no Chromium; run 'sudo test/install-servers.sh'";

/** A browser with a profile of its own, gone with it; it reaches nothing but what a page asks for. */
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

/** One visit: what it saw go wrong is gathered, whatever the test looks at. */
export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Requests to anywhere else, errors of scripts and of the console, violations of the content security policy. */
  readonly wrongs: readonly string[];
  /** What a test provoked is no wrong: a refused form is a failed request to the browser. */
  forgive(pattern: RegExp): void;
  close(): Promise<void>;
}

export interface VisitOptions {
  readonly scheme?: "light" | "dark";
  readonly width?: number;
  readonly height?: number;
  readonly javaScript?: boolean;
}

/** A page of a browser that knows nobody yet. */
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

/** What axe-core finds serious or critical, a line each. */
export async function accessibilityProblems(page: Page): Promise<readonly string[]> {
  // Over the debugging protocol: the page's own policy would refuse it, as it should.
  await page.evaluate(axeSource);
  return await page.evaluate<readonly string[]>(`axe.run().then(({ violations }) =>
    violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => [id, ...target, failureSummary].join(" ")))
  )`);
}

/** How many pixels the page is wider than its window. */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate<number>("document.documentElement.scrollWidth - window.innerWidth");
