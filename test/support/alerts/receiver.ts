import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { listen } from "../listen.ts";

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly url: string;
  readonly body: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it freely
  readonly json: any;
}

/** A receiver of webhooks on loopback; `answer` may be replaced. */
export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly Received[];
  answer: { status: number; body?: string; headers?: Record<string, string> } | "hang" | "reset";
}

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => {
      received.push({ headers: request.headers, url: request.url ?? "", body, json: JSON.parse(body) });
      const { answer } = receiver;
      if (answer === "reset") request.socket.resetAndDestroy();
      else if (answer !== "hang") response.writeHead(answer.status, answer.headers).end(answer.body ?? "ok");
    });
  });
  const { url, close } = await listen(server);
  const receiver: Receiver = {
    url: `${url}/services/T0/B0/s3cr3t-path`,
    received,
    answer: { status: 200 },
    [Symbol.asyncDispose]: close,
  };
  return receiver;
}

/** As docs/alerts.md shows it: is this body from someone who knows the secret, and from the last five minutes? */
export function isSigned(secret: string, { headers, body }: Received, nowMs = Date.now()): boolean {
  const parts = Object.fromEntries(
    String(headers["x-rollcall-signature"])
      .split(",")
      .map((part) => part.split("=", 2)),
  );
  const expected = createHmac("sha256", secret).update(`${parts["t"]}.${body}`).digest();
  const given = Buffer.from(parts["v1"] ?? "", "hex");
  const isFresh = Math.abs(nowMs / 1000 - Number(parts["t"])) < 300;
  return isFresh && given.length === expected.length && timingSafeEqual(given, expected);
}
