import { createServer, type RequestListener } from "node:http";
import { MockAgent } from "undici";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { TargetRequest } from "../../src/domain/ports/target.ts";
import { HttpClient, type HttpOptions, type HttpRequest, parseAnswer } from "../../src/targets/kit/http.ts";
import { listen } from "../support/listen.ts";
import { patient, virtualTime } from "./virtual-time.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A vendor in a few lines. */
async function serve(listener: RequestListener): Promise<string> {
  const { url, close } = await listen(createServer(listener));
  closers.push(close);
  return url;
}

function client(options: Partial<HttpOptions> = {}) {
  const time = virtualTime();
  const http = new HttpClient({
    name: "acme",
    version: "1.2.3",
    clock: time.clock,
    sleep: time.sleep,
    random: () => 0.5,
    ...options,
  });
  closers.push(() => http.close());
  return { http, time };
}

const get = (url: string): HttpRequest => ({
  operation: "things.list",
  kind: "read",
  method: "GET",
  url,
  isRepeatable: true,
});
const post = (url: string, isRepeatable = false): HttpRequest => ({
  ...get(url),
  operation: "things.make",
  kind: "write",
  method: "POST",
  isRepeatable,
});

/** Answers with one status after the other, the last one for ever; tells how often it was asked. */
async function statuses(list: readonly number[], headers: Record<string, string> = {}) {
  let asked = 0;
  const url = await serve((_request, response) => {
    response.writeHead(list[Math.min(asked, list.length - 1)] ?? 200, headers).end("{}");
    asked += 1;
  });
  return { url, asked: () => asked };
}

describe("HttpClient", () => {
  it("a request has the user agent, a literal colon in its path, and an empty body of length 0", async () => {
    const seen: unknown[] = [];
    const url = await serve(({ url: path, headers }, response) => {
      seen.push({
        path,
        agent: headers["user-agent"],
        length: headers["content-length"],
        type: headers["content-type"],
      });
      response.end("{}");
    });
    await client().http.send(post(`${url}/users/ABC:suspend`), patient);
    expect(seen).toEqual([{ path: "/users/ABC:suspend", agent: "rollcall/1.2.3", length: "0", type: undefined }]);
  });

  it("every exchange is measured", async () => {
    const seen: TargetRequest[] = [];
    const { url } = await statuses([503, 200]);
    await client({ onRequest: (exchange) => seen.push(exchange) }).http.send(get(url), patient);
    expect(seen.map(({ operation, status }) => [operation, status])).toEqual([
      ["things.list", 503],
      ["things.list", 200],
    ]);
    expect(seen.every(({ seconds }) => seconds >= 0 && seconds < 10)).toBe(true);
  });

  it.each([502, 503, 504, 429])("a repeatable call is retried after %i, with growing pauses", async (status) => {
    const { url, asked } = await statuses([status, status, 200]);
    const { http, time } = client();
    expect(await http.send(get(url), patient)).toMatchObject({ status: 200 });
    expect([asked(), time.slept]).toEqual([3, [500, 1_000]]);
  });

  it("a call is retried at most three times", async () => {
    const { url, asked } = await statuses([503]);
    expect(await client().http.send(get(url), patient)).toMatchObject({ status: 503 });
    expect(asked()).toBe(4);
  });

  it.each([500, 502, 503, 504])("a POST that may have been done is not repeated after %i", async (status) => {
    const { url, asked } = await statuses([status, 200]);
    expect(await client().http.send(post(url), patient)).toMatchObject({ status });
    expect(asked()).toBe(1);
  });

  it("a POST is repeated after 429, which refuses it unread", async () => {
    const { url, asked } = await statuses([429, 200]);
    expect(await client().http.send(post(url), patient)).toMatchObject({ status: 200 });
    expect(asked()).toBe(2);
  });

  it.each([
    { form: "in seconds", status: 429, headerAt: () => "7", sleptMs: 7_250 },
    { form: "as a date", status: 503, headerAt: (ms: number) => new Date(ms + 20_000).toUTCString(), sleptMs: 20_250 },
  ])("Retry-After $form is respected", async ({ status, headerAt, sleptMs }) => {
    const { http, time } = client();
    const { url } = await statuses([status, 200], { "retry-after": headerAt(time.clock()) });
    await http.send(get(url), patient);
    expect(time.slept).toEqual([sleptMs]);
  });

  it("the caller gets a Retry-After of hours", async () => {
    const { url, asked } = await statuses([429, 200], { "retry-after": "7200" });
    const { http } = client();
    const reply = await http.send(get(url), patient);
    expect(reply).toMatchObject({ kind: "answer", status: 429 });
    expect(asked()).toBe(1);
    expect(reply.kind === "answer" && http.retryAfterMs(reply)).toBe(7_200_000);
  });

  it("a redirect is not followed", async () => {
    const { url, asked } = await statuses([302], { location: "/elsewhere" });
    expect(await client().http.send(get(url), patient)).toMatchObject({ status: 302 });
    expect(asked()).toBe(1);
  });

  it("silence ends a call after its timeout, without a retry", async () => {
    let asked = 0;
    const url = await serve(() => {
      asked += 1;
    });
    const reply = await client({ timeouts: { silenceMs: 100 } }).http.send(get(url), patient);
    expect(reply).toMatchObject({
      kind: "lost",
      error: { code: "TARGET_UNREACHABLE", message: expect.stringContaining("0.1 s") },
    });
    expect(asked).toBe(1);
  });

  it("a body that stops half way ends the call", async () => {
    const url = await serve((_request, response) => void response.writeHead(200).write('{"half":'));
    const reply = await client({ timeouts: { silenceMs: 100 } }).http.send(get(url), patient);
    expect(reply).toMatchObject({ kind: "lost", error: { code: "TARGET_UNREACHABLE" } });
  });

  it("a slow body is read to its end", async () => {
    const url = await serve((_request, response) => {
      let pieces = 0;
      const drip = setInterval(() => {
        pieces += 1;
        response.write(" ");
        if (pieces < 8) return;
        clearInterval(drip);
        response.end("{}");
      }, 50);
    });
    expect(await client({ timeouts: { silenceMs: 300 } }).http.send(get(url), patient)).toMatchObject({ status: 200 });
  });

  it("a body without end ends the call after the total timeout", async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write(" "), 5);
      response.on("close", () => clearInterval(drip));
    });
    const reply = await client({ timeouts: { totalMs: 200 } }).http.send(get(url), patient);
    expect(reply).toMatchObject({ kind: "lost", error: { message: expect.stringContaining("0.2 s") } });
  });

  it("a body over the maximum size is refused", async () => {
    const url = await serve((_request, response) => response.end("x".repeat(2_000)));
    await expect(client({ limitBytes: 1_000 }).http.send(get(url), patient)).rejects.toMatchObject({
      code: "UNEXPECTED_RESPONSE",
    });
  });

  it("a lost connection is retried if that is safe, and reported as lost if not", async () => {
    let asked = 0;
    const url = await serve((request, response) => {
      asked += 1;
      if (asked === 1) request.socket.resetAndDestroy();
      else response.end("{}");
    });
    expect(await client().http.send(get(url), patient)).toMatchObject({ status: 200 });
    asked = 0;
    expect(await client().http.send(post(url), patient)).toMatchObject({ kind: "lost" });
    expect(asked).toBe(1);
  });

  it("a call that was never sent is an error and not lost", async () => {
    const { http, time } = client();
    const url = await serve(() => {});
    await closers.pop()?.(); // nobody listens there any more
    await expect(http.send(post(url), patient)).rejects.toMatchObject({
      code: "TARGET_UNREACHABLE",
      message: expect.stringContaining("ECONNREFUSED"),
    });
    expect(time.slept).toEqual([]);
  });

  it("a server without TLS gets no plain text", async () => {
    const { http, time } = client();
    const url = (await serve(() => {})).replace("http:", "https:");
    await expect(http.send(get(url), patient)).rejects.toMatchObject({
      code: "TARGET_UNREACHABLE",
      message: expect.stringContaining("SSL"),
    });
    expect(time.slept).toEqual([]);
  });

  it("an aborted call stops at once, also while it waits", async () => {
    const url = await serve(() => {});
    const stop = new AbortController();
    const reply = client().http.send(get(url), stop.signal);
    stop.abort(new Error("shutdown"));
    await expect(reply).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("plain http is refused, except to this machine or with allowInsecureHttp", async () => {
    await expect(client().http.send(get("http://vault.example.com/"), patient)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
    const dispatcher = new MockAgent();
    dispatcher.get("http://vault.example.com").intercept({ path: "/" }).reply(200, "{}");
    expect(
      await client({ allowInsecureHttp: true, dispatcher }).http.send(get("http://vault.example.com/"), patient),
    ).toMatchObject({ status: 200 });
  });
});

describe("parseAnswer", () => {
  it("no id is taken from an answer that is not UTF-8", async () => {
    let body = Buffer.from('\ufeff{"id":"abc"}');
    const url = await serve((_request, response) => response.end(body));
    const { http } = client();
    const ask = async () => {
      const reply = await http.send(get(url), patient);
      if (reply.kind === "lost") throw reply.error;
      return parseAnswer(http, "things.get", reply, schema);
    };
    expect(await ask()).toEqual({ id: "abc" });
    body = Buffer.from('{"id":"aXc"}');
    body[body.indexOf("X")] = 0xff;
    await expect(ask()).rejects.toMatchObject({ code: "UNEXPECTED_RESPONSE" });
    await http.close();
  });

  const schema = z.looseObject({ id: z.string() });
  const secret = "s3cret";
  it.each([
    ["", "an empty body"],
    [`<html>${secret}</html>`, "characters of text/html"],
    [`{"id": "${secret}`, "instead of JSON"],
    [`{"id": {"token":"${secret}"}}`, 'at "id"'],
  ])("describes %j without quoting it", (text, description) => {
    const { http } = client();
    const answer = {
      kind: "answer",
      status: 200,
      headers: new Headers({ "content-type": "text/html" }),
      text,
    } as const;
    const error = (() => {
      try {
        parseAnswer(http, "things.get", answer, schema);
      } catch (thrown) {
        return thrown as Error;
      }
      return new Error("parsed");
    })();
    expect(error).toMatchObject({ code: "UNEXPECTED_RESPONSE", message: expect.stringContaining(description) });
    expect(error.message + JSON.stringify(error) + String(error.cause)).not.toContain(secret);
  });
});
