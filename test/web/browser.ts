import type { RequestListener } from "node:http";
import { createServer } from "node:http";
import { type Listening, listen } from "../support/listen.ts";

/** The parts of a browser that sign-in needs: cookies and the origin of a request. */
export interface Tab {
  readonly cookies: Map<string, string>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Sends a form as a page of the same origin would. */
  post(
    path: string,
    form: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer>;
  /** Returns the hidden token of the page at that path. */
  csrf(path?: string): Promise<string>;
}

export interface Answer {
  readonly status: number;
  readonly location: string | null;
  readonly headers: Headers;
  readonly text: string;
}

/** Opens a tab. `copied`: cookies that it has from the start. */
export function openTab(baseUrl: string, copied: Iterable<readonly [string, string]> = []): Tab {
  const cookies = new Map(copied);
  const send = async (
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: string,
  ): Promise<Answer> => {
    const response = await fetch(new URL(path, baseUrl), {
      method,
      redirect: "manual",
      headers: { cookie: [...cookies].map(([key, value]) => `${key}=${value}`).join("; "), ...headers },
      ...(body !== undefined && { body }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = "", ...attributes] = line.split("; ");
      const [key = "", value = ""] = pair.split("=");
      const isOver = attributes.some((each) => each.startsWith("Expires=Thu, 01 Jan 1970"));
      if (isOver) cookies.delete(key);
      else cookies.set(key, value);
    }
    return {
      status: response.status,
      location: response.headers.get("location"),
      headers: response.headers,
      text: await response.text(),
    };
  };
  const tab: Tab = {
    cookies,
    get: (path, headers = {}) => send("GET", path, { accept: "text/html", ...headers }),
    post: (path, form, headers = {}) =>
      send(
        "POST",
        path,
        { "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin", ...headers },
        new URLSearchParams(form).toString(),
      ),
    csrf: async (path = "/") => /name="_csrf" value="([^"]+)"/.exec((await tab.get(path)).text)?.[1] ?? "",
  };
  return tab;
}

/** A server in this process. */
export const serveApp = (app: RequestListener): Promise<Listening> => listen(createServer(app));
