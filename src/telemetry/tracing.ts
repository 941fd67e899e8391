import { noTracing, type Tracer } from "../domain/ports/tracer.ts";

/**
 * Sends traces over OTLP/HTTP if OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set. Otherwise the
 * libraries are not loaded.
 */
export async function openTracing(env: NodeJS.ProcessEnv, version: string): Promise<Tracer> {
  const endpoint = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] || env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  const isOff = env["OTEL_SDK_DISABLED"]?.trim().toLowerCase() === "true" || env["OTEL_TRACES_EXPORTER"] === "none";
  if (!endpoint || isOff) return noTracing;
  const { createOtlpTracer } = await import("./otlp.ts");
  return createOtlpTracer(env, version);
}
