import { type Span, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isProbe } from './probe';
import { beginSpan, readTraceparent, type Traceparent, traceparentBelow } from './spans';

/** Where a request belongs: below its own span where it is traced, else where its caller said. */
export type TracedRequest = FastifyRequest & { traceparent: Traceparent };

type RequestInHand = TracedRequest & { span: Span | null };

/** A span a request, below the caller's if it named one (`traceparent`). Probes have none. */
export function traceRequests(fastify: FastifyInstance): void {
  fastify.decorateRequest('traceparent', null);
  fastify.decorateRequest('span', null);
  fastify.addHook('onRequest', (given, _, done) => {
    const request = given as RequestInHand;
    request.traceparent = readTraceparent(request.headers.traceparent);
    if (!isProbe(request)) {
      request.span = spanOf(request);
      request.traceparent = traceparentBelow(request.span, request.traceparent);
    }
    done();
  });
  fastify.addHook('onResponse', (request, { statusCode }, done) => {
    const { span } = request as RequestInHand;
    span?.setAttribute('http.response.status_code', statusCode);
    if (statusCode >= 500) {
      span?.setAttribute('error.type', String(statusCode));
      span?.setStatus({ code: SpanStatusCode.ERROR });
    }
    span?.end();
    done();
  });
}

/** A path that is nobody's has no route, or names would be without number. */
function spanOf(request: TracedRequest): Span {
  const { id, method, url, protocol, traceparent } = request;
  const route = request.routeOptions.url;
  return beginSpan(route === undefined ? method : `${method} ${route}`, traceparent, {
    kind: SpanKind.SERVER,
    attributes: {
      'http.request.method': method,
      'url.scheme': protocol,
      'url.path': url.split('?', 1)[0],
      ...(route !== undefined && { 'http.route': route }),
      'holdfast.request.id': id,
    },
  });
}
