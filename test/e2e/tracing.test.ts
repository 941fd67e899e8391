import { createServer } from "node:http";
import { describe, expect, it } from "vitest";
import { listen } from "../support/listen.ts";
import { adminToken, scimToken } from "../support/rollcall-process.ts";
import { person } from "../support/scim-client.ts";
import { makeStage, stateOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

interface Span {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly isFailed: boolean;
  readonly resource: Readonly<Record<string, unknown>>;
}

/** A value of OTLP's JSON as a plain one. */
// biome-ignore lint/suspicious/noExplicitAny: what comes over the wire
const plain = (value: any): unknown =>
  value.arrayValue === undefined
    ? (value.stringValue ?? value.boolValue ?? Number(value.intValue ?? value.doubleValue))
    : value.arrayValue.values.map(plain);
// biome-ignore lint/suspicious/noExplicitAny: what comes over the wire
const record = (list: any[] = []): Record<string, unknown> =>
  Object.fromEntries(list.map(({ key, value }) => [key, plain(value)]));

/** A collector on loopback that takes OTLP/HTTP as JSON. */
async function startCollector(answers = true) {
  const bodies: string[] = [];
  const paths = new Set<string>();
  const headers: unknown[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => {
      bodies.push(body);
      paths.add(`${request.method} ${request.url}`);
      headers.push(request.headers["x-key"]);
      if (answers) response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  const { url, close } = await listen(server);
  return {
    url,
    bodies,
    paths,
    headers,
    spans: (): readonly Span[] =>
      bodies.flatMap((body) =>
        // biome-ignore lint/suspicious/noExplicitAny: what comes over the wire
        JSON.parse(body).resourceSpans.flatMap(({ resource, scopeSpans }: any) =>
          // biome-ignore lint/suspicious/noExplicitAny: what comes over the wire
          scopeSpans.flatMap(({ spans }: any) =>
            // biome-ignore lint/suspicious/noExplicitAny: what comes over the wire
            spans.map((span: any) => ({
              ...span,
              attributes: record(span.attributes),
              links: span.links ?? [],
              isFailed: span.status?.code === 2,
              resource: record(resource.attributes),
            })),
          ),
        ),
      ),
    [Symbol.asyncDispose]: close,
  };
}

const traceId = "0af7651916cd43dd8448eb211c80319c";
const callerSpanId = "b7ad6b7169203331";

describe("traces", () => {
  it("lead from the caller's request to the vendor's call, and hold no secret and no person", async () => {
    await using collector = await startCollector();
    await using stage = await makeStage({
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_HEADERS: "x-key=collector-key-0123",
        OTEL_SERVICE_NAME: "rollcall-e2e",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
      },
    });
    const serve = await stage.serve();
    const response = await fetch(`${serve.scimUrl}/Users`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${scimToken}`,
        "content-type": "application/scim+json",
        traceparent: `00-${traceId}-${callerSpanId}-01`,
      },
      body: JSON.stringify(person("lovelace@example.com")),
    });
    const requestId = response.headers.get("x-request-id");
    const { id } = (await response.json()) as { readonly id: string };
    await until(() => expect(stateOf(stage, "lovelace@example.com")).toBe("invited"));
    const filter = encodeURIComponent('userName eq "lovelace@example.com"');
    expect((await serve.idp.call("GET", `/Users?filter=${filter}`)).status).toBe(200);
    expect((await serve.idp.call("GET", `/Users/${id}`)).status).toBe(200);
    await fetch(`${serve.scimUrl}/Users`, { headers: { authorization: "Bearer wrong", traceparent: "00-zz-zz-01" } });
    const mend = stage.bitwarden.faults.add({ kind: "html", status: 502, times: Number.POSITIVE_INFINITY });
    await serve.idp.setActive(false, id);
    await until(() => expect(serve.stderr()).toMatch(/target acme-bitwarden: .*502.*next try/));
    mend();
    await until(() => expect(stateOf(stage, "lovelace@example.com")).toBe("revoked"));
    // What is not sent yet is sent before the end.
    expect((await serve.stop()).code).toBe(0);

    const spans = collector.spans();
    expect([...collector.paths]).toEqual(["POST /v1/traces"]);
    expect(collector.headers[0]).toBe("collector-key-0123");
    const [request] = spans.filter(({ name }) => name === "POST /scim/v2/Users");
    expect(request).toMatchObject({
      kind: 2,
      traceId,
      parentSpanId: callerSpanId,
      isFailed: false,
      attributes: {
        "http.request.method": "POST",
        "http.route": "/scim/v2/Users",
        "http.response.status_code": 201,
        "url.path": "/scim/v2/Users",
        "url.scheme": "http",
        "rollcall.source": "okta",
        "rollcall.request_id": requestId,
      },
    });
    expect(request?.resource).toMatchObject({
      "service.name": "rollcall-e2e",
      "service.version": expect.stringMatching(/^\d/),
      "deployment.environment.name": "test",
    });
    const below = (parent: Span | undefined, name?: string): readonly Span[] =>
      spans.filter((span) => span.parentSpanId === parent?.spanId && (name === undefined || span.name === name));
    // One for the person; the first request of a source also notes that it was heard of.
    expect(below(request).map(({ name }) => name)).toEqual(["commit", "commit"]);
    expect(below(request).filter(({ traceId: of }) => of !== traceId)).toEqual([]);

    // The run is a trace of its own, as it may serve many requests: a link leads back.
    const invited = spans.filter(
      ({ name, links }) =>
        name === "reconcile acme-bitwarden" && links.some(({ spanId }) => spanId === request?.spanId),
    );
    expect(invited.length).toBeGreaterThan(0);
    expect(invited[0]?.traceId).not.toBe(traceId);
    expect(invited[0]?.attributes).toMatchObject({
      "rollcall.request_ids": [requestId],
      "rollcall.target": "acme-bitwarden",
    });
    const [call] = invited
      .flatMap((run) => below(run))
      .filter(
        ({ kind, attributes }) =>
          kind === 3 &&
          attributes["http.request.method"] === "POST" &&
          attributes["rollcall.request_ids"] !== undefined,
      );
    expect(call).toMatchObject({
      links: [{ traceId, spanId: request?.spanId }],
      attributes: {
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": Number(new URL(stage.bitwarden.apiUrl).port),
        "rollcall.target": "acme-bitwarden",
        "rollcall.request_ids": [requestId],
      },
    });
    expect(invited.flatMap((run) => below(run, "commit")).length).toBeGreaterThan(0);

    // What failed is marked, here and above.
    const [failed] = spans.filter(({ attributes }) => attributes["http.response.status_code"] === 502);
    expect(failed).toMatchObject({ kind: 3, isFailed: true, attributes: { "error.type": "502" } });
    expect(spans.some(({ name, isFailed }) => name === "reconcile acme-bitwarden" && isFailed)).toBe(true);

    // Names are few: they hold no id.
    expect([...new Set(spans.filter(({ kind }) => kind === 2).map(({ name }) => name))].sort()).toEqual([
      "GET /scim/v2/Users",
      "GET /scim/v2/Users/{id}",
      "PATCH /scim/v2/Users/{id}",
      "POST /scim/v2/Users",
    ]);
    const refused = spans.find(({ attributes }) => attributes["http.response.status_code"] === 401);
    expect([refused?.parentSpanId ?? "", refused?.attributes["rollcall.source"]]).toEqual(["", ""]);
    const sent = collector.bodies.join("\n");
    for (const secret of [scimToken, adminToken, stage.bitwarden.clientSecret, "Bearer", "collector-key"])
      expect(sent).not.toContain(secret);
    expect(/lovelace|example\.com/.exec(sent)).toBeNull();
  });

  it("that no collector accepts delay neither the work nor the end", async () => {
    await using collector = await startCollector(false);
    await using stage = await makeStage({ env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces` } });
    const serve = await stage.serve();
    await serve.idp.hire("lovelace@example.com");
    await until(() => expect(stateOf(stage, "lovelace@example.com")).toBe("invited"));
    expect((await serve.stop()).code).toBe(0);
    expect(collector.bodies.length).toBeGreaterThan(0);
  });

  it.each([
    { OTEL_SDK_DISABLED: "true" },
    { OTEL_TRACES_EXPORTER: "none" },
    { OTEL_TRACES_SAMPLER: "always_off" },
    { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" },
  ])("are off with %j", async (env) => {
    await using collector = await startCollector();
    await using stage = await makeStage({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env } });
    expect((await stage.run("sync")).code).toBe(0);
    expect(collector.bodies).toEqual([]);
  });

  it("of sync are sent at its end", async () => {
    await using collector = await startCollector();
    await using stage = await makeStage({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
    expect((await stage.run("sync")).code).toBe(0);
    expect(collector.spans().map(({ name }) => name)).toContain("reconcile acme-bitwarden");
  });
});
