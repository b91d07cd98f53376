import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Registry } from 'prom-client';
import { measureRequests } from '../observability/metrics/request-metrics';
import { logRequests } from '../observability/request-log';
import { traceRequests } from '../observability/request-traces';
import { UriTooLong } from './refusal';
import { JSON_TYPE, jsonParser } from './json-body';
import { addSecurityHeaders } from './security-headers';
import { ProblemFilter, refuseUnroutable } from './problem.filter';
import { RouteTable } from './route-table';
import { HEAD_BYTES_MAX, refuseUnreadable } from './unreadable';
import { validationPipe } from './validation';

const BODY_BYTES_MAX = 1024 * 1024;
/** A product id of 161 characters, each percent-encoded as three. */
const PATH_PARAMETER_LENGTH_MAX = 600;
/** A cursor and every filter there is take a thousand. */
const URI_LENGTH_MAX = 16_384;
/** Longer than a balancer's usual 60 s, so that the balancer is the one to close an idle connection. */
const KEEP_ALIVE_MS = 65_000;
/** A request id is taken over from the caller when it looks like this. */
const REQUEST_ID = /^[\x20-\x7e]{1,128}$/;

/** Builds an application with its HTTP face: limits, request ids, validation, problems. It does not listen yet. */
export async function createHttpServer(
  module: Type | DynamicModule,
  requestTimeoutMs: number,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    trustProxy: false,
    forceCloseConnections: 'idle',
    http: { maxHeaderSize: HEAD_BYTES_MAX },
    routerOptions: { maxParamLength: PATH_PARAMETER_LENGTH_MAX },
    frameworkErrors: refuseUnroutable,
    clientErrorHandler: refuseUnreadable,
    genReqId: ({ headers }: IncomingMessage) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
  });
  const routes = new RouteTable(PATH_PARAMETER_LENGTH_MAX);
  const fastify = adapter.getInstance();
  routes.observe(fastify);
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(JSON_TYPE, { parseAs: 'string' }, jsonParser(fastify));
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    done(request.url.length > URI_LENGTH_MAX ? new UriTooLong(URI_LENGTH_MAX) : undefined);
  });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    // The framework's account of its own start is not news, and its errors are thrown.
    logger: ['fatal'],
    abortOnError: false,
    // Nest's own would take forms too.
    bodyParser: false,
  });
  addSecurityHeaders(fastify);
  traceRequests(fastify);
  logRequests(fastify);
  measureRequests(fastify, app.get(Registry));
  app.useGlobalPipes(validationPipe());
  app.useGlobalFilters(new ProblemFilter(routes));
  return app;
}
