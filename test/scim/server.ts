import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { afterAll, beforeAll, expect } from "vitest";
import type { ScimStore } from "../../src/domain/ports/scim-store.ts";
import type { ScimOptions } from "../../src/sources/scim/options.ts";
import { createScimRouter } from "../../src/sources/scim/router.ts";
import { postgresDatabase } from "../../src/store/database.ts";
import { openSqliteStore } from "../../src/store/index.ts";
import { startPostgres } from "../support/postgres.ts";

/** Any JSON of an answer. Tests read it without a schema. */
export interface Loose {
  readonly [key: string]: Loose;
  readonly [at: number]: Loose;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The parsed body. Throws if there is none. */
  readonly json: Loose;
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

/** Paths are without `/scim/v2`. */
export interface Scim {
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  raw(method: string, path: string, body: Buffer | string | null, headers: Record<string, string>): Promise<Reply>;
  /** The JSON of a GET that succeeds. */
  get(path: string): Promise<Loose>;
  /** A list. `more`: further query parameters. */
  find(resource: "Users" | "Groups", filter: string, more?: string): Promise<Loose>;
  /** Creates a user. `over` replaces attributes. */
  user(over?: Record<string, unknown>): Promise<Loose>;
  group(over?: Record<string, unknown>): Promise<Loose>;
  patch(resource: Loose, ...operations: unknown[]): Promise<Reply>;
  readonly baseUrl: () => string;
  readonly port: () => number;
  readonly store: () => ScimStore;
  readonly log: LogLine[];
}

export const CORE = "urn:ietf:params:scim:schemas:core:2.0:User";
export const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
export const GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group";
export const PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

let serial = 0;
/** A word that no other test uses. */
export const unique = (word: string): string => `${word}${++serial}`;

export const patch = (...Operations: unknown[]): object => ({ schemas: [PATCH_OP], Operations });
export const filterPath = (resource: string, filter: string, more = ""): string =>
  `/${resource}?filter=${encodeURIComponent(filter)}${more}`;
/** The path of a user or a group. */
export const pathOf = (resource: Loose): string => `/${resource["meta"]?.["resourceType"]}s/${resource["id"]}`;
/** The resources of a list. */
export const resourcesIn = (list: Loose): Loose[] => list["Resources"] as unknown as Loose[];
export const refusalOf = (reply: Reply): unknown => [reply.status, reply.json["scimType"]];

/** A SCIM server over an empty store, for one test file. Token `secret` is of source okta, token `other` of source entra. */
export function scimServer(
  options: Partial<ScimOptions> = {},
  wrap: (store: ScimStore) => ScimStore = (store) => store,
): Scim {
  const log: LogLine[] = [];
  let server: ReturnType<typeof createServer> | undefined;
  let store: ScimStore | undefined;
  let close = async (): Promise<void> => {};
  const port = (): number => (server?.address() as AddressInfo | undefined)?.port ?? 0;
  const scim: Scim = {
    log,
    port,
    baseUrl: () => `http://127.0.0.1:${port()}/scim/v2`,
    store: () => {
      if (store === undefined) throw new Error("the store is opened by beforeAll");
      return store;
    },
    call: (method, path, body, headers = {}) =>
      scim.raw(method, path, body === undefined ? null : JSON.stringify(body), {
        ...(body === undefined ? {} : { "content-type": "application/scim+json" }),
        ...headers,
      }),
    raw: (method, path, body, headers) =>
      send(port(), method, `/scim/v2${path}`, body, { authorization: "Bearer secret", ...headers }),
    get: async (path) => (await expectStatus(200, scim.call("GET", path))).json,
    find: (resource, filter, more) => scim.get(filterPath(resource, filter, more)),
    patch: (resource, ...operations) => scim.call("PATCH", pathOf(resource), patch(...operations)),
    user: async (over = {}) => {
      const name = unique("person");
      const body = {
        schemas: [CORE],
        userName: `${name}@example.com`,
        externalId: `x-${name}`,
        displayName: `Person ${name}`,
        active: true,
        name: { givenName: "Ann", familyName: name },
        emails: [{ value: `${name}@example.com`, type: "work", primary: true }],
        ...over,
      };
      return (await expectStatus(201, scim.call("POST", "/Users", body))).json;
    },
    group: async (over = {}) => {
      const body = { schemas: [GROUP], displayName: unique("Group "), ...over };
      return (await expectStatus(201, scim.call("POST", "/Groups", body))).json;
    },
  };
  beforeAll(async () => {
    const { opened, closed } = await emptyStore();
    close = closed;
    store = wrap(opened);
    const app = express();
    app.use(
      "/scim/v2",
      createScimRouter({
        store,
        authenticate: (token) =>
          token === "secret"
            ? { source: "okta", actor: "scim:okta" }
            : token === "other"
              ? { source: "entra", actor: "scim:entra" }
              : null,
        publicUrl: () => null,
        groupNamesUnique: true,
        groupOptions: () => ({ isNameUnique: true, unknownMembers: "skip" }),
        log: (level, message, fields) => log.push({ level, message, fields }),
        ...options,
      }),
    );
    const listening = createServer(app);
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  });
  afterAll(async () => {
    server?.closeAllConnections();
    server?.close();
    await close();
  });
  return scim;
}

/** In memory, or with ROLLCALL_TEST_STORE=postgres in a database of a server of its own. */
async function emptyStore() {
  if (process.env["ROLLCALL_TEST_STORE"] !== "postgres") {
    const opened = await openSqliteStore(":memory:");
    return { opened, closed: () => opened.close() };
  }
  const postgres = await startPostgres({ settings: ["fsync = off"] });
  const opened = await postgresDatabase(await postgres.makeDatabase(), { now: Date.now }).open();
  const closed = async (): Promise<void> => {
    await opened.close();
    await postgres.close();
  };
  return { opened, closed };
}

async function expectStatus(status: number, replied: Promise<Reply>): Promise<Reply> {
  const reply = await replied;
  expect(reply.status, reply.text).toBe(status);
  return reply;
}

/** `fetch` cannot send a wrong Host or a wrong Content-Length. Each answer is SCIM JSON or empty, never HTML. */
function send(
  port: number,
  method: string,
  path: string,
  body: Buffer | string | null,
  headers: Record<string, string>,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        const reply = {
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          get json() {
            return JSON.parse(text) as Loose;
          },
        };
        try {
          checkAlways(reply);
          resolve(reply);
        } catch (error) {
          reject(error);
        }
      });
    });
    request.on("error", reject);
    if (body !== null && headers["transfer-encoding"] === undefined)
      request.setHeader("content-length", headers["content-length"] ?? Buffer.byteLength(body));
    request.end(body ?? undefined);
  });
}

function checkAlways(reply: Reply): void {
  if (reply.text !== "") expect(reply.headers["content-type"]).toBe("application/scim+json");
  if (reply.status < 400 || reply.text === "") return;
  expect(reply.json).toMatchObject({
    schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"],
    status: String(reply.status),
    detail: expect.any(String),
  });
}
