import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import express, { type Response } from "express";
import { afterEach, expect, it, vi } from "vitest";
import { trailFile } from "../../src/app/audit-files.ts";
import { activityQuery } from "../../src/app/queries.ts";
import type { ChainedRow } from "../../src/domain/model/audit.ts";
import type { ConsoleStore } from "../../src/domain/ports/console-store.ts";
import { streamActivity } from "../../src/web/http/activity-stream.ts";
import { sendFile } from "../../src/web/http/send-file.ts";
import { serveApp } from "./browser.ts";

const row = (seq: number): ChainedRow => ({
  seq,
  atMs: 0,
  actor: "scim:okta",
  requestId: null,
  action: "user.update",
  kind: "user",
  entityId: "u1",
  name: "x".repeat(2000),
  target: null,
  rev: 1,
  detail: {},
  hash: "0".repeat(64),
});
const pageOf = (seq: number): readonly ChainedRow[] => Array.from({ length: 500 }, (_, index) => row(seq + index));

let closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing) await close();
  closing = [];
});

/** Serves `answer` to a client that reads only on demand. */
async function ask(answer: (response: Response) => Promise<void>) {
  const done = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<Response>();
  const app = express().get("/", (_request, response) => {
    begun.resolve(response);
    answer(response).then(done.resolve, done.reject);
  });
  const server = await serveApp(app);
  closing.push(server.close);
  const client: Socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  client.pause();
  client.on("error", () => undefined);
  client.write("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
  return { client, response: await begun.promise, done: done.promise };
}

it("a live log pauses while the client does not read, and continues when it reads", async () => {
  let looks = 0;
  const reader: Pick<ConsoleStore, "activityAfter" | "newestSeq"> = {
    newestSeq: async () => 0,
    activityAfter: async (_query, after) => {
      looks += 1;
      return { rows: pageOf(after + 1), lookedAtSeq: after + 500 };
    },
  };
  const { client, response, done } = await ask((response) =>
    streamActivity(
      {
        reader,
        stopping: new AbortController().signal,
        isStillIn: () => true,
        sleep: () => turn(),
        now: () => 0,
        eventOf: (each) => `data: ${JSON.stringify(each)}`,
      },
      activityQuery(),
      response.req,
      response,
    ),
  );
  await vi.waitFor(() => expect(response.writableNeedDrain).toBe(true));
  for (let round = 0; round < 50; round += 1) await turn();
  const before = looks;
  for (let round = 0; round < 200; round += 1) await turn();
  expect(looks).toBe(before);
  client.resume();
  await vi.waitFor(() => expect(looks).toBeGreaterThan(before + 5));
  client.destroy();
  await done;
});

it("an export ends when the client disconnects while the next page is read", async () => {
  let isClosed = false;
  const { done } = await ask((response) => {
    const pages = async function* () {
      try {
        yield [row(1)];
        response.destroy();
        await once(response, "close");
        for (let seq = 2; ; seq += 500) yield pageOf(seq);
      } finally {
        isClosed = true;
      }
    };
    return sendFile(response, trailFile, pages(), "jsonl");
  });
  await done;
  expect(isClosed).toBe(true);
});
