import { readdirSync, readFileSync } from "node:fs";
import fc, { type Arbitrary } from "fast-check";
import { bomb, bulk, filter, group, groupPatch, json, name, searchRequest, text, user, userPatch } from "./grammar.ts";

/** One generated request. `{{…}}` in its texts is replaced when it is sent. */
export interface FuzzCase {
  readonly source: 0 | 1;
  readonly kind: string;
  readonly method: string;
  /** Below `/scim/v2`, percent-encoded. */
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: FuzzBody | null;
  readonly framing: Framing;
}

export interface FuzzBody {
  readonly text: string;
  readonly encoding: "utf8" | "utf16le" | "latin1" | "bom";
  /** Bytes written at these positions, each a fraction of the length. */
  readonly noise: readonly { readonly at: number; readonly byte: number }[];
}

/** How the request says the length of its body. */
export type Framing = "length" | "chunked" | "odd chunks";

const nothing = { headers: [], framing: "length" } as const;
const quiet = (given: string): FuzzBody => ({ text: given, encoding: "utf8", noise: [] });
const json1 = ["content-type", "application/scim+json"] as const;

const body = (given: Arbitrary<string>): Arbitrary<FuzzBody> =>
  fc.oneof(
    { weight: 12, arbitrary: given.map(quiet) },
    {
      weight: 2,
      arbitrary: fc.record({
        text: given,
        encoding: fc.constantFrom("utf8", "utf8", "utf16le", "latin1", "bom"),
        noise: fc.array(fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), byte: fc.nat(255) }), {
          maxLength: 4,
        }),
      }),
    },
  );

const headerPool: readonly (readonly [string, string])[] = [
  ["content-type", "application/json"],
  ["content-type", "application/json; charset=utf-8"],
  ["content-type", "application/scim+json; charset=iso-8859-1"],
  ["content-type", "text/html"],
  ["content-type", "multipart/form-data; boundary=x"],
  ["content-type", ";;;"],
  ["content-type", 'application/json; charset="utf-8'],
  ["content-encoding", "gzip"],
  ["content-encoding", "identity"],
  ["content-encoding", "br, gzip"],
  ["accept", "text/html"],
  ["accept", "application/scim+json;q=0"],
  ["accept-encoding", "gzip, deflate, br"],
  ["if-match", 'W/"1"'],
  ["if-match", "*"],
  ["if-match", '"'],
  ["if-match", 'W/"99999999999999999999"'],
  ["if-none-match", "*"],
  ["if-none-match", 'W/"1", W/"2", "x'],
  ["if-none-match", 'W/"-1"'],
  ["if-modified-since", "yesterday"],
  ["x-forwarded-host", "evil.example"],
  ["x-forwarded-proto", "javascript"],
  ["x-forwarded-for", "1.2.3.4, ::1"],
  ["x-http-method-override", "DELETE"],
  ["x-request-id", "\u00ff\u00fe"],
  ["x-request-id", "a".repeat(4000)],
  ["traceparent", "00-00000000000000000000000000000000-0000000000000000-zz"],
  ["traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
  ["expect", "100-continue"],
  ["expect", "200-ok"],
  ["range", "bytes=0-10"],
  ["cookie", '__proto__=1; a="b'],
  ["upgrade", "websocket"],
  ["__proto__", "x"],
  ["constructor", "y"],
  ["prefer", "return=minimal"],
];
const headers = fc.oneof(
  { weight: 3, arbitrary: fc.constant<(readonly [string, string])[]>([]) },
  fc.array(fc.constantFrom(...headerPool), { maxLength: 3 }),
);
const framing = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Framing>("length") },
  fc.constantFrom<Framing>("chunked", "odd chunks"),
);
const source = fc.constantFrom<0 | 1>(0, 1);
const encoded = (given: Arbitrary<string>): Arbitrary<string> => given.map(encode);
/** Lone surrogates have no UTF-8; placeholders stay readable. */
const encode = (given: string): string =>
  encodeURIComponent(given.toWellFormed()).replaceAll(
    /%7B%7B(\w)(?:%3A(\d))?%7D%7D/g,
    (_all, kind: string, at?: string) => (at === undefined ? `{{${kind}}}` : `{{${kind}:${at}}}`),
  );

const id = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("{{u:0}}", "{{u:1}}", "{{u:5}}") },
  { weight: 2, arbitrary: fc.constantFrom("{{x:0}}", "{{y:0}}", "{{g:0}}") },
  { weight: 1, arbitrary: encoded(text) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("%", "%ff", "%00", "..%2f..", "..", ".search", "%2e%2e", "{{u:0}}/x", "{{u:0}}%2f", ""),
  },
);
const groupId = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("{{g:0}}", "{{g:1}}", "{{g:5}}") },
  { weight: 2, arbitrary: fc.constantFrom("{{y:0}}", "{{u:0}}") },
  encoded(text),
);

const queryPart = fc.oneof(
  { weight: 5, arbitrary: encoded(filter).map((each) => `filter=${each}`) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom("attributes", "excludedAttributes", "sortBy"), encoded(name))
      .map((parts) => parts.join("=")),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom("startIndex", "count", "sortOrder", "cursor"),
        fc.constantFrom("0", "1", "-1", "5", "1e9", "abc", "", "NaN", "99999999999999999999", "descending", "1.5"),
      )
      .map((parts) => parts.join("=")),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "__proto__=1",
      "__proto__[polluted]=1",
      "constructor.prototype.polluted=1",
      "filter[]=x",
      "filter=a&filter=b",
      "%",
      "=&=",
      "&&&",
    ),
  },
);
const query = fc.array(queryPart, { maxLength: 3 }).map((parts) => (parts.length === 0 ? "" : `?${parts.join("&")}`));

const write = (method: string, at: Arbitrary<string>, given: Arbitrary<string>, kind: string): Arbitrary<FuzzCase> =>
  fc.record({
    source,
    kind: fc.constant(kind),
    method: fc.constant(method),
    path: at,
    headers: headers.map((each) => [json1, ...each]),
    body: body(given),
    framing,
  });
const read = (method: string, at: Arbitrary<string>, kind: string): Arbitrary<FuzzCase> =>
  fc.record({
    source,
    kind: fc.constant(kind),
    method: fc.constant(method),
    path: at,
    headers,
    body: fc.constant(null),
    framing: fc.constant("length" as const),
  });

// -- recorded traffic -------------------------------------------------------------------------------------------------

interface Step {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const folder = new URL("../../fixtures/idp/", import.meta.url);
const recorded: readonly Step[] = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .flatMap((file) => JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Step[]);

/** Replaces references of a trace by users and groups of this run. */
const fillTrace = (given: string): string =>
  given.replace(/\{\{(\w+)\}\}/g, (_all, word: string) =>
    word === "run" || word === "uuid" ? "{{n}}" : /group/i.test(word) ? "{{g:0}}" : "{{u:0}}",
  );

/** Replaces a value in JSON text, renames a key, or repeats a part. */
const mutateJson = (given: string, place: number, by: string, how: number): string => {
  const tokens = [...given.matchAll(/"(?:[^"\\]|\\.)*"|-?\d+|true|false|null/g)];
  const token = tokens[place % Math.max(1, tokens.length)];
  if (token === undefined) return by;
  const { index } = token;
  const end = index + token[0].length;
  if (how === 0) return given.slice(0, index) + by + given.slice(end);
  if (how === 1) return given.slice(0, index) + token[0] + given.slice(index);
  return given.slice(0, index) + JSON.stringify("__proto__") + given.slice(end);
};
const mutatedTrace: Arbitrary<FuzzCase> = fc
  .record({
    source,
    at: fc.nat(recorded.length - 1),
    place: fc.nat(),
    by: json,
    how: fc.nat(2),
    times: fc.nat(2),
    more: headers,
    framing,
  })
  .map(({ source: from, at, place, by, how, times, more, framing: framed }) => {
    const step = recorded[at] ?? { method: "GET", path: "/" };
    let given = step.body === undefined ? null : fillTrace(JSON.stringify(step.body));
    for (let time = 0; given !== null && time < times; time += 1) given = mutateJson(given, place + time * 7, by, how);
    const own = Object.entries(step.headers ?? {}).filter(([key]) => !/^(authorization|content-length)$/i.test(key));
    return {
      source: from,
      kind: "recorded",
      method: step.method,
      path: fillTrace(step.path).replaceAll(" ", "%20"),
      headers: [...own, ...more],
      body: given === null ? null : quiet(given),
      framing: framed,
    };
  });

// -- everything -------------------------------------------------------------------------------------------------------

const discovery = fc.constantFrom(
  "/Schemas",
  "/ResourceTypes",
  "/ServiceProviderConfig",
  "/Schemas/__proto__",
  "/ResourceTypes/User",
  "/Me",
  "/",
  "",
  "//Users",
  "/users",
  "/Users/",
  "/Bulk",
  "/constructor",
  "/__proto__/x",
  "/Schemas?filter=x",
);
const oddMethods = ["OPTIONS", "TRACE", "PROPFIND", "HEAD", "LINK", "PUT", "DELETE", "PATCH", "POST", "M-SEARCH"];

export const scimCase: Arbitrary<FuzzCase> = fc.oneof(
  { weight: 10, arbitrary: mutatedTrace },
  { weight: 8, arbitrary: write("POST", fc.constant("/Users"), user, "create") },
  { weight: 4, arbitrary: write("POST", fc.constant("/Groups"), group, "create") },
  {
    weight: 12,
    arbitrary: write(
      "PATCH",
      id.map((each) => `/Users/${each}`),
      userPatch,
      "patch",
    ),
  },
  {
    weight: 8,
    arbitrary: write(
      "PATCH",
      groupId.map((each) => `/Groups/${each}`),
      groupPatch,
      "patch",
    ),
  },
  {
    weight: 5,
    arbitrary: write(
      "PUT",
      id.map((each) => `/Users/${each}`),
      user,
      "put",
    ),
  },
  {
    weight: 3,
    arbitrary: write(
      "PUT",
      groupId.map((each) => `/Groups/${each}`),
      group,
      "put",
    ),
  },
  { weight: 3, arbitrary: write("POST", fc.constantFrom("/Users", "/Groups", "/Bulk", "/.search"), json, "any JSON") },
  { weight: 1, arbitrary: write("POST", fc.constantFrom("/Users", "/Groups", "/Bulk", "/.search"), bomb, "bomb") },
  { weight: 5, arbitrary: write("POST", fc.constant("/Bulk"), bulk, "bulk") },
  {
    weight: 5,
    arbitrary: write("POST", fc.constantFrom("/.search", "/Users/.search", "/Groups/.search"), searchRequest, "search"),
  },
  {
    weight: 14,
    arbitrary: read(
      "GET",
      fc.tuple(fc.constantFrom("/Users", "/Groups"), query).map((parts) => parts.join("")),
      "filter",
    ),
  },
  {
    weight: 6,
    arbitrary: read(
      "GET",
      fc.tuple(id, query).map(([one, asked]) => `/Users/${one}${asked}`),
      "get",
    ),
  },
  {
    weight: 3,
    arbitrary: read(
      "GET",
      fc.tuple(groupId, query).map(([one, asked]) => `/Groups/${one}${asked}`),
      "get",
    ),
  },
  {
    weight: 2,
    arbitrary: read(
      "DELETE",
      id.map((each) => `/Users/${each}`),
      "delete",
    ),
  },
  {
    weight: 1,
    arbitrary: read(
      "DELETE",
      groupId.map((each) => `/Groups/${each}`),
      "delete",
    ),
  },
  { weight: 2, arbitrary: read("GET", discovery, "discovery") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...oddMethods).chain((method) =>
      read(
        method,
        fc.oneof(
          discovery,
          id.map((each) => `/Users/${each}`),
        ),
        "odd method",
      ),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      source,
      kind: fc.constant("no token"),
      method: fc.constantFrom("GET", "POST"),
      path: fc.constant("/Users"),
      headers: fc
        .constantFrom(
          "",
          "Bearer",
          "Basic dTpw",
          "bearer \u00e9",
          `Bearer ${"x".repeat(3000)}`,
          "Bearer a b",
          "Token x",
          "Bearer wrong",
        )
        .map((value) => [["authorization", value] as const]),
      body: fc.option(body(user)),
      framing,
    }),
  },
);

/** Requests that can confuse HTTP parsers, as bytes. `{{token}}`, `{{inner}}` and its length are replaced. */
export interface RawCase {
  readonly source: 0 | 1;
  readonly kind: "raw";
  readonly head: string;
  readonly payload: string;
}

const start =
  "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{token}}\r\nContent-Type: application/scim+json\r\n";
const get = "GET /scim/v2/Users?count=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{token}}\r\n";
const inner = "{{inner}}";
/** Requests with an inner request that one reading takes for a body. It must never be carried out. */
const smuggles: readonly (readonly [head: string, payload: string])[] = [
  [`${start}Content-Length: {{inner.length}}\r\nTransfer-Encoding: chunked\r\n\r\n`, `0\r\n\r\n${inner}`],
  [`${start}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n`, `{{inner.hex}}\r\n${inner}\r\n0\r\n\r\n`],
  [`${start}Content-Length: 0\r\nContent-Length: {{inner.length}}\r\n\r\n`, inner],
  [`${start}Content-Length: {{inner.length}}, 0\r\n\r\n`, inner],
  [`${start}Transfer-Encoding: xchunked\r\nContent-Length: {{inner.length}}\r\n\r\n`, inner],
  [`${start}Transfer-Encoding: chunked, identity\r\n\r\n`, `{{inner.hex}}\r\n${inner}\r\n0\r\n\r\n`],
  [`${start}Transfer-Encoding : chunked\r\nContent-Length: {{inner.length}}\r\n\r\n`, inner],
  [`${start}Transfer-Encoding:\x0bchunked\r\nContent-Length: {{inner.length}}\r\n\r\n`, inner],
  [`${start} Transfer-Encoding: chunked\r\nContent-Length: {{inner.length}}\r\n\r\n`, inner],
  [`${start}X: y\nTransfer-Encoding: chunked\r\nContent-Length: {{inner.length}}\r\n\r\n`, inner],
  [`${start}Content-Length: +{{inner.length}}\r\n\r\n`, inner],
  [`${start}Content-Length: 0x10\r\n\r\n`, inner],
  [`${start}Content-Length: -1\r\n\r\n`, inner],
  [`${get}Content-Length: {{inner.length}}\r\n\r\n`, inner],
  [`${get}Transfer-Encoding: chunked\r\n\r\n`, `{{inner.hex}};ext="a\r\n${inner}\r\n0\r\n\r\n`],
  [`${get}Transfer-Encoding: chunked\r\n\r\n`, `{{inner.hex}}\n${inner}\n0\n\n`],
  [`${get}Expect: 100-continue\r\nContent-Length: {{inner.length}}\r\n\r\n`, inner],
  [`${get}Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: {{inner.length}}\r\n\r\n`, inner],
  [`${get.replace("1.1", "1.0")}Content-Length: {{inner.length}}\r\nConnection: keep-alive\r\n\r\n`, inner],
];
/** Heads that are not valid HTTP, or unusual. */
const oddHeads: readonly string[] = [
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{token}}\r\n\r\n",
  "CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{token}}\r\n\r\n",
  "GET http://evil.example/scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{token}}\r\n\r\n",
  "GET /scim/v2/Users\r\n\r\n",
  "GET /scim/v2/Users HTTP/9.9\r\nHost: x\r\n\r\n",
  "GET /scim/v2/Users HTTP/1.1\r\n\r\n",
  "GET /scim/v2/Users HTTP/1.1\r\nHost: a\r\nHost: b\r\nAuthorization: Bearer {{token}}\r\n\r\n",
  "GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{token}}\r\nAuthorization: Bearer other\r\n\r\n",
  'GET /scim/v2/Users HTTP/1.1\r\nHost: x"><script>\r\nAuthorization: Bearer {{token}}\r\n\r\n',
  "GET /scim/v2/Users?filter=\x00\x01 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{token}}\r\n\r\n",
  "GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\nA\x00B: c\r\n\r\n",
  `GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`,
  `GET /scim/v2/${"a/".repeat(8000)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{token}}\r\n\r\n`,
  `GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\n${"X: y\r\n".repeat(2000)}\r\n`,
  "\r\n\r\n\r\nGET /scim/v2/Users?count=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{token}}\r\n\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "\x00".repeat(100),
  `${start}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx`,
  `${start}Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n`,
  `${start}Transfer-Encoding: chunked\r\n\r\n1;${"a".repeat(20_000)}\r\n{\r\n0\r\n\r\n`,
  `${start}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n__proto__: x\r\nContent-Length: 5\r\n\r\n`,
  `${start}Content-Length: 99999999999999999999\r\n\r\n{}`,
];

export const rawCase: Arbitrary<RawCase> = fc.oneof(
  fc
    .tuple(source, fc.constantFrom(...smuggles))
    .map(([from, [head, payload]]) => ({ source: from, kind: "raw" as const, head, payload })),
  fc
    .tuple(source, fc.constantFrom(...oddHeads))
    .map(([from, head]) => ({ source: from, kind: "raw" as const, head, payload: "" })),
  // A valid head with changed bytes.
  fc
    .tuple(
      source,
      fc.constantFrom(start, get),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
    )
    .map(([from, head, noise]) => {
      const bytes = Buffer.from(`${head}Content-Length: 2\r\n\r\n`, "latin1");
      for (const [at, byte] of noise) bytes[at % bytes.length] = byte;
      return { source: from, kind: "raw" as const, head: bytes.toString("latin1"), payload: "{}" };
    }),
);

export type AnyCase = FuzzCase | RawCase;
export const anyCase: Arbitrary<AnyCase> = fc.oneof(
  { weight: 30, arbitrary: scimCase },
  { weight: 1, arbitrary: rawCase },
);

/** A valid case, which shows that the run does anything at all. */
export const plainCase = (from: 0 | 1, given: Partial<FuzzCase>): FuzzCase => ({
  source: from,
  kind: "plain",
  method: "GET",
  path: "/Users",
  body: null,
  ...nothing,
  ...given,
});
/** A body without noise. */
export const plainBody = quiet;
