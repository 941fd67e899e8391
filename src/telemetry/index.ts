export {
  noTracing,
  type SpanAttributes,
  type SpanOptions,
  type Tracer,
  type TraceSpan,
} from "../domain/ports/tracer.ts";
export {
  createLogger,
  LOG_LEVELS,
  type LogFields,
  type Logger,
  type LoggerOptions,
  type LogLevel,
} from "./logger.ts";
export {
  createMetrics,
  type Metrics,
  type ScimRequestSample,
} from "./metrics.ts";
export { redact, redactText } from "./redact.ts";
export { openTracing } from "./tracing.ts";
