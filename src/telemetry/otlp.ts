import {
  type Attributes,
  type Context,
  createContextKey,
  DiagLogLevel,
  diag,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { RollcallError } from "../domain/model/errors.ts";
import type { SpanAttributes, SpanOptions, Tracer, TraceSpan } from "../domain/ports/tracer.ts";
import { createLogger } from "./logger.ts";

/** Requests whose spans are remembered; a link to an older one is left out, its id stays. */
const rememberedAtMost = 5000;
const linksAtMost = 20;

/** Whom the work around is done for: spans below tell it too. */
interface Purpose {
  requestIds: readonly string[];
}
const purposeKey = createContextKey("rollcall.purpose");

/** Sends spans in batches, as JSON over HTTP. Registers nothing global but where its own troubles are logged. */
export function createOtlpTracer(env: NodeJS.ProcessEnv, version: string): Tracer {
  logTroubles();
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ "service.name": "rollcall", "service.version": version }))
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: samplerOf(env),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  const contexts = new AsyncLocalStorageContextManager().enable();
  const tracer = provider.getTracer("rollcall", version);
  const remembered = new Map<string, SpanContext>();
  const remember = (requestId: string, context: SpanContext): void => {
    remembered.delete(requestId);
    remembered.set(requestId, context);
    const [oldest] = remembered.keys();
    if (remembered.size > rememberedAtMost && oldest !== undefined) remembered.delete(oldest);
  };

  return {
    isOn: true,
    span(name, options, work) {
      const active = contexts.active();
      if (options.isDetail === true && trace.getSpan(active) === undefined) return work(notRecorded);
      const around = options.traceparent === undefined ? active : withRemoteParent(active, options.traceparent);
      const span = tracer.startSpan(name, { kind: kindOf(options), attributes: copied(options.attributes) }, around);
      const above = around.getValue(purposeKey) as Purpose | undefined;
      const purpose: Purpose = { requestIds: above?.requestIds ?? [] };
      if (above !== undefined && options.kind === "client") link(span, above.requestIds, remembered);
      if (options.requestId !== undefined) remember(options.requestId, span.spanContext());
      const inside = trace.setSpan(around, span).setValue(purposeKey, purpose);
      return contexts.with(inside, () => finish(span, work(traceSpan(span, purpose, remembered))));
    },
    async close(withinMs) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => resolve(false), withinMs);
      const done = provider.shutdown().then(
        () => true,
        // Told by `logTroubles`.
        () => true,
      );
      const isDone = await Promise.race([done, promise]);
      clearTimeout(timer);
      return isDone;
    },
  };
}

const notRecorded: TraceSpan = { set: () => undefined, linkRequests: () => undefined, fail: () => undefined };

/** The API wants lists that could be written to. */
const copied = (attributes: SpanAttributes = {}): Attributes =>
  Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [key, typeof value === "object" ? [...value] : value]),
  );

const kindOf = ({ kind }: SpanOptions): SpanKind =>
  kind === "server" ? SpanKind.SERVER : kind === "client" ? SpanKind.CLIENT : SpanKind.INTERNAL;

const traceSpan = (span: Span, purpose: Purpose, remembered: ReadonlyMap<string, SpanContext>): TraceSpan => ({
  set: (attributes) => void span.setAttributes(copied(attributes)),
  linkRequests: (requestIds) => {
    purpose.requestIds = requestIds;
    link(span, requestIds, remembered);
  },
  fail: (code) => void span.setAttribute("error.type", code).setStatus({ code: SpanStatusCode.ERROR }),
});

function link(span: Span, requestIds: readonly string[], remembered: ReadonlyMap<string, SpanContext>): void {
  if (requestIds.length === 0) return;
  const shown = requestIds.slice(0, linksAtMost);
  span.setAttribute("rollcall.request_ids", [...shown]);
  for (const id of shown) {
    const context = remembered.get(id);
    if (context !== undefined) span.addLink({ context, attributes: { "rollcall.request_id": id } });
  }
}

/** An error's message may quote what a vendor or a person wrote: only its code is told. */
async function finish<T>(span: Span, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    span.setAttribute("error.type", error instanceof RollcallError ? error.code : "UNEXPECTED");
    span.setStatus({ code: SpanStatusCode.ERROR });
    throw error;
  } finally {
    span.end();
  }
}

/** `00-<trace id>-<span id>-<flags>`; anything else is left alone (W3C Trace Context §3.2). */
function withRemoteParent(context: Context, traceparent: string): Context {
  const [, traceId, spanId, flags] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return context;
  const traceFlags = Number.parseInt(flags ?? "00", 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/** OTEL_TRACES_SAMPLER and its argument; the SDK leaves them to us. Default: as the caller says, else all. */
function samplerOf(env: NodeJS.ProcessEnv): Sampler {
  const ratio = Number(env["OTEL_TRACES_SAMPLER_ARG"] ?? "1");
  const byRatio = new TraceIdRatioBasedSampler(ratio >= 0 && ratio <= 1 ? ratio : 1);
  switch (env["OTEL_TRACES_SAMPLER"]) {
    case "always_on":
      return new AlwaysOnSampler();
    case "always_off":
      return new AlwaysOffSampler();
    case "traceidratio":
      return byRatio;
    case "parentbased_always_off":
      return new ParentBasedSampler({ root: new AlwaysOffSampler() });
    case "parentbased_traceidratio":
      return new ParentBasedSampler({ root: byRatio });
    default:
      return new ParentBasedSampler({ root: new AlwaysOnSampler() });
  }
}

/** A collector that is away would otherwise be away in silence. Once a minute is enough. */
function logTroubles(): void {
  const logger = createLogger({ level: "warn" });
  let toldAtMs = Number.NEGATIVE_INFINITY;
  const tell = (message: string): void => {
    if (performance.now() - toldAtMs < 60_000) return;
    toldAtMs = performance.now();
    logger.warn("traces could not be sent", { reason: message.slice(0, 300) });
  };
  const quiet = (): void => undefined;
  diag.setLogger({ error: tell, warn: tell, info: quiet, debug: quiet, verbose: quiet }, DiagLogLevel.WARN);
}
