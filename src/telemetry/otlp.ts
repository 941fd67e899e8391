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
import { noSpan, type SpanAttributes, type SpanOptions, type Tracer, type TraceSpan } from "../domain/ports/tracer.ts";
import { createLogger } from "./logger.ts";

/** Maximum requests whose spans are remembered. Work for an older request gets its id, but no link. */
const maxRemembered = 5000;
/** Maximum request ids per span. A bulk request can have thousands. */
const maxLinks = 20;

/** The requests that caused the surrounding work. Spans below link to them too. */
interface Purpose {
  requestIds: readonly string[];
}
const purposeKey = createContextKey("rollcall.purpose");

/** Sends spans in batches, as JSON over HTTP. Registers nothing globally except the log of its own errors. */
export function createOtlpTracer(env: NodeJS.ProcessEnv, version: string): Tracer {
  logExportErrors();
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
    if (remembered.size > maxRemembered && oldest !== undefined) remembered.delete(oldest);
  };

  return {
    isOn: true,
    span(name, options, work) {
      const active = contexts.active();
      if (options.isDetail === true && trace.getSpan(active) === undefined) return work(noSpan);
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
      // `logExportErrors` logs a failure.
      const done = provider.shutdown().then(
        () => true,
        () => true,
      );
      const isDone = await Promise.race([done, promise]);
      clearTimeout(timer);
      return isDone;
    },
  };
}

/** Copies lists, because the API expects mutable ones. */
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
  const shown = requestIds.slice(0, maxLinks);
  span.setAttribute("rollcall.request_ids", [...shown]);
  for (const id of shown) {
    const context = remembered.get(id);
    if (context !== undefined) span.addLink({ context, attributes: { "rollcall.request_id": id } });
  }
}

/** Records only the code of an error. Its message may quote a vendor or a person. */
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

/** Reads `00-<trace id>-<span id>-<flags>` and ignores any other value (W3C Trace Context §3.2). */
function withRemoteParent(context: Context, traceparent: string): Context {
  const [, traceId, spanId, flags] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return context;
  const traceFlags = Number.parseInt(flags ?? "00", 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/** Reads OTEL_TRACES_SAMPLER and its argument; the SDK does not. Default: the decision of the caller, otherwise every trace. */
function samplerOf(env: NodeJS.ProcessEnv): Sampler {
  const [, parentBased, name] = /^(parentbased_)?(.+)$/.exec(env["OTEL_TRACES_SAMPLER"] ?? "") ?? [];
  const ratio = Number(env["OTEL_TRACES_SAMPLER_ARG"] ?? "1");
  const samplers = new Map<string | undefined, Sampler>([
    ["always_on", new AlwaysOnSampler()],
    ["always_off", new AlwaysOffSampler()],
    ["traceidratio", new TraceIdRatioBasedSampler(ratio >= 0 && ratio <= 1 ? ratio : 1)],
  ]);
  const root = samplers.get(name);
  return root === undefined || parentBased !== undefined
    ? new ParentBasedSampler({ root: root ?? new AlwaysOnSampler() })
    : root;
}

/** Logs export errors once a minute. Without this, an unreachable collector would go unnoticed. */
function logExportErrors(): void {
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
