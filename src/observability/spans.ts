import {
  type Context,
  context,
  INVALID_TRACEID,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanOptions,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { Refusal } from '../http/refusal';

/** W3C trace context as text, as headers, messages and rows carry it; null where nobody traces. */
export type Traceparent = string | null;

/** Version, trace id, parent id, flags. Source: https://www.w3.org/TR/trace-context/#traceparent-header-field-values */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Anything that is not one is none: a caller's tracing must not fail its order. */
export function readTraceparent(text: unknown): Traceparent {
  return typeof text === 'string' && TRACEPARENT.test(text) ? text : null;
}

export function traceIdOf(traceparent: Traceparent | undefined): string | undefined {
  return traceparent?.slice(3, 35);
}

/**
 * Begins a span below the parent, for whoever ends it. The parent is handed over by hand, as transactions are: a context that
 * follows every promise of a request by itself costs an API too much. Where tracing is off (`tracing.ts`) spans are the
 * API's own empty ones, here and below.
 */
export function beginSpan(name: string, parent: Traceparent, options: SpanOptions = {}): Span {
  return trace.getTracer('holdfast').startSpan(name, options, contextOf(parent));
}

/** Where the trace goes on below the span; `otherwise` where nothing is traced. */
export function traceparentBelow(span: Span, otherwise: Traceparent): Traceparent {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return traceId === INVALID_TRACEID ? otherwise : `00-${traceId}-${spanId}-0${traceFlags}`;
}

/** Ends the span with the work, and says in it how that failed. */
export async function during<Result>(span: Span, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    failed(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/**
 * Does the work inside a span that is the parent of what the work begins and of the calls it makes: for workers, where a
 * vendor's adapter stands between. Below the active span unless a parent is named; null: a trace of its own.
 */
export function inSpan<Result>(
  name: string,
  { parent, ...options }: SpanOptions & { parent?: Traceparent },
  work: (span: Span) => Promise<Result>,
): Promise<Result> {
  const below = parent === undefined ? context.active() : contextOf(parent);
  return trace.getTracer('holdfast').startActiveSpan(name, options, below, (span) => during(span, () => work(span)));
}

/** A refusal is an answer, not a failure. */
export function failed(span: Span, error: unknown): void {
  if (error instanceof Refusal) return void span.setAttribute('error.type', error.code);
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  span.setAttribute('error.type', name);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}

/** For a request to somebody else, what makes its receiver part of the active span's trace; nothing where nothing is traced. */
export function traceHeaders(): { traceparent?: string } {
  const headers: { traceparent?: string } = {};
  propagation.inject(context.active(), headers);
  return headers;
}

function contextOf(parent: Traceparent): Context {
  return parent === null ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, { traceparent: parent });
}
