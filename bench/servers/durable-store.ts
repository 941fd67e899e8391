/**
 * The least work that a durable SCIM store can do: Express 5 and node:sqlite with synchronous=FULL. Each user and group is
 * one JSON text; requests of one turn of the event loop share a commit. It checks, authenticates and records nothing.
 * Listens on the port in `PORT` and keeps its data in the file `DATABASE`.
 */
import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import express, { type Response } from "express";

const db = new DatabaseSync(process.env["DATABASE"] ?? ":memory:");
db.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA wal_autocheckpoint = 4000;
  CREATE TABLE resources (id TEXT PRIMARY KEY, name TEXT UNIQUE, body TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE members (group_id TEXT, user_id TEXT, PRIMARY KEY (group_id, user_id)) WITHOUT ROWID;
`);
const begin = db.prepare("BEGIN IMMEDIATE");
const commit = db.prepare("COMMIT");
const insert = db.prepare("INSERT INTO resources (id, name, body) VALUES (?, ?, ?)");
const read = db.prepare("SELECT body FROM resources WHERE id = ?");
const find = db.prepare("SELECT body FROM resources WHERE name = ?");
const update = db.prepare("UPDATE resources SET body = ? WHERE id = ?");
const remove = db.prepare("DELETE FROM resources WHERE id = ?");
const addMember = db.prepare("INSERT OR IGNORE INTO members (group_id, user_id) VALUES (?, ?)");

interface Operation {
  readonly path: string;
  readonly value: unknown;
}

const bodyOf = (row: Record<string, unknown> | undefined): string | null =>
  row === undefined ? null : String(row["body"]);

function send(response: Response, status: number, body: string | null = null): void {
  response.status(status).type("application/scim+json");
  if (body === null) response.end();
  else response.send(body);
}

let queue: (() => () => void)[] = [];

/** Runs `work` in the next commit; what `work` returns sends the answer and runs after the commit. */
function write(work: () => () => void): void {
  queue.push(work);
  if (queue.length > 1) return;
  setImmediate(() => {
    const batch = queue;
    queue = [];
    begin.run();
    const answers = batch.map((each) => each());
    commit.run();
    for (const answer of answers) answer();
  });
}

const app = express();
app.disable("etag");
app.use(express.json({ type: ["application/scim+json", "application/json"], limit: "1mb" }));
app.get("/scim/v2/:type/:id", ({ params }, response) => {
  const body = bodyOf(read.get(params.id));
  send(response, body === null ? 404 : 200, body);
});
app.get("/scim/v2/:type", ({ query }, response) => {
  const name = /eq "([^"]*)"/.exec(String(query["filter"]))?.[1] ?? "";
  const found = bodyOf(find.get(name));
  const count = found === null ? 0 : 1;
  send(
    response,
    200,
    `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":${count},"startIndex":1,"itemsPerPage":${count},"Resources":[${found ?? ""}]}`,
  );
});
app.post("/scim/v2/:type", ({ body }, response) =>
  write(() => {
    const id = randomUUID();
    const text = JSON.stringify({ ...body, id });
    insert.run(id, body.userName ?? body.displayName, text);
    return () => send(response, 201, text);
  }),
);
app.patch("/scim/v2/Groups/:id", ({ params, body }, response) =>
  write(() => {
    const operations: readonly { readonly value: readonly { readonly value: string }[] }[] = body.Operations;
    for (const { value } of operations[0]?.value ?? []) addMember.run(params.id, value);
    return () => send(response, 204);
  }),
);
app.patch("/scim/v2/Users/:id", ({ params, body }, response) =>
  write(() => {
    const before = bodyOf(read.get(params.id));
    if (before === null) return () => send(response, 404);
    const operations: readonly Operation[] = body.Operations;
    const changes = Object.fromEntries(operations.map(({ path, value }) => [path, value]));
    const text = JSON.stringify({ ...JSON.parse(before), ...changes });
    update.run(text, params.id);
    return () => send(response, 200, text);
  }),
);
app.delete("/scim/v2/:type/:id", ({ params }, response) =>
  write(() => {
    remove.run(params.id);
    return () => send(response, 204);
  }),
);
app.listen(Number(process.env["PORT"]), "127.0.0.1");
