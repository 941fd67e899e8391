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
} from "./metrics.ts";
export { redact, redactText } from "./redact.ts";
export { openTracing } from "./tracing.ts";
