/** What a span may carry: no token, no e-mail address, no name of a person. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** How a span begins. */
export interface SpanOptions {
  /** Default: work inside this process. */
  readonly kind?: "server" | "client";
  readonly attributes?: SpanAttributes;
  /** The caller's `traceparent` header (W3C Trace Context), as it came. */
  readonly traceparent?: string | undefined;
  /** Kept for a while, so that later work can be linked to this span by it. */
  readonly requestId?: string;
  /** Only as a part of something: without a span around it there is none. */
  readonly isDetail?: boolean;
}

/** A span that is open. */
export interface TraceSpan {
  set(attributes: SpanAttributes): void;
  /** The requests that this work is done for: links to their spans, and their ids on this span and on all below it. */
  linkRequests(requestIds: readonly string[]): void;
  /** Marks it as failed although nothing is thrown; `code` is short and from a fixed set. */
  fail(code: string): void;
}

/** Follows work through the process. What `work` throws marks the span as failed, and is thrown on. */
export interface Tracer {
  readonly isOn: boolean;
  span<T>(name: string, options: SpanOptions, work: (span: TraceSpan) => Promise<T>): Promise<T>;
  /** Sends what is not sent yet, for at most that long. False when time ran out. */
  close(withinMs: number): Promise<boolean>;
}

const noSpan: TraceSpan = { set: () => undefined, linkRequests: () => undefined, fail: () => undefined };

/** Does nothing, and costs nothing. */
export const noTracing: Tracer = {
  isOn: false,
  span: (_name, _options, work) => work(noSpan),
  close: async () => true,
};
