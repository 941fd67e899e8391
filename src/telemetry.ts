export {
  createLogger,
  LOG_LEVELS,
  type LogFields,
  type Logger,
  type LoggerOptions,
  type LogLevel,
} from "./telemetry/logger.ts";
export {
  type AlertSample,
  type BudgetSample,
  type Build,
  type ChangeSample,
  createMetrics,
  type EntitiesSample,
  type HealthSample,
  type LdapPollSample,
  type Metrics,
  type ScimRequestSample,
  type TargetRequestSample,
} from "./telemetry/metrics.ts";
export { redact, redactText } from "./telemetry/redact.ts";
export { noTracing, type SpanAttributes, type SpanOptions, type Tracer, type TraceSpan } from "./telemetry/span.ts";
export { openTracing } from "./telemetry/tracing.ts";
