/** Facts about a span. Never a token, an e-mail address or a name. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** How a span begins. */
export interface SpanOptions {
  /** Default: work inside this process. */
  readonly kind?: "server" | "client";
  readonly attributes?: SpanAttributes;
  /** The caller's `traceparent` header (W3C Trace Context), unchanged. */
  readonly traceparent?: string | undefined;
  /** Kept for a while, so that later work can be linked to this span. */
  readonly requestId?: string;
  /** True if the span is created only inside another span. */
  readonly isDetail?: boolean;
}

/** An open span. */
export interface TraceSpan {
  set(attributes: SpanAttributes): void;
  /** Links the spans of the requests that caused this work, and sets their ids on this span and all below it. */
  linkRequests(requestIds: readonly string[]): void;
  /** Marks the span as failed without an exception. `code` comes from a fixed set. */
  fail(code: string): void;
}

/** Follows work through the process. An exception of `work` marks the span as failed and is thrown again. */
export interface Tracer {
  readonly isOn: boolean;
  span<T>(name: string, options: SpanOptions, work: (span: TraceSpan) => Promise<T>): Promise<T>;
  /** Sends the remaining spans. Returns false after `withinMs`. */
  close(withinMs: number): Promise<boolean>;
}

/** A span that is not recorded. */
export const noSpan: TraceSpan = { set: () => undefined, linkRequests: () => undefined, fail: () => undefined };

/** Does nothing. */
export const noTracing: Tracer = {
  isOn: false,
  span: (_name, _options, work) => work(noSpan),
  close: async () => true,
};
