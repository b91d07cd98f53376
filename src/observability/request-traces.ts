import { type Span, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isProbe } from './probe';
import { beginSpan, readTraceparent, type Traceparent, traceparentBelow } from './spans';

/** Where a request belongs: below its own span where it is traced, else where its caller said. A probe has no span. */
export type TracedRequest = FastifyRequest & { traceparent: Traceparent; span: Span | undefined };

/** A span a request, below the caller's if it named one (`traceparent`). Probes have none. */
export function traceRequests(fastify: FastifyInstance): void {
  fastify.decorateRequest('traceparent', null);
  fastify.decorateRequest('span');
  fastify.addHook('onRequest', (given, _, done) => {
    const request = given as TracedRequest;
    request.traceparent = readTraceparent(request.headers.traceparent);
    if (!isProbe(request)) {
      request.span = spanOf(request);
      request.traceparent = traceparentBelow(request.span, request.traceparent);
    }
    done();
  });
  fastify.addHook('onResponse', (request, { statusCode }, done) => {
    const { span } = request as TracedRequest;
    span?.setAttribute('http.response.status_code', statusCode);
    if (statusCode >= 500) {
      span?.setAttribute('error.type', String(statusCode));
      span?.setStatus({ code: SpanStatusCode.ERROR });
    }
    span?.end();
    done();
  });
}

/** A span that nobody records is not described either. A path that is nobody's has no route, or names would be without number. */
function spanOf(request: TracedRequest): Span {
  const { id, method, url, protocol, traceparent } = request;
  const span = beginSpan(method, traceparent, { kind: SpanKind.SERVER });
  if (!span.isRecording()) return span;
  const route = request.routeOptions.url;
  if (route !== undefined) span.updateName(`${method} ${route}`).setAttribute('http.route', route);
  // Given at its beginning, the SDK would copy them three times.
  return span.setAttributes({
    'http.request.method': method,
    'url.scheme': protocol,
    'url.path': url.split('?', 1)[0],
    'holdfast.request.id': id,
  });
}
