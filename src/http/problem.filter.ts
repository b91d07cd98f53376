import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Logger,
  ServiceUnavailableException,
} from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { databaseFailure, type DatabaseFailure } from '../database/database-errors';
import { PROBLEM_MEDIA_TYPE, type ProblemCode, problemOf } from './problem-types';
import { Refusal, ValidationFailed } from './refusal';
import type { TracedRequest } from '../observability/request-traces';
import { traceIdOf } from '../observability/spans';
import type { RouteTable } from './route-table';

/** Asks a client to come back after a passing failure. */
const RETRY_AFTER_SECONDS = '2';

interface Answer {
  code: ProblemCode;
  detail: string;
  errors?: Refusal['errors'];
  headers?: Record<string, string>;
}

/** What Fastify and Nest refuse by themselves, by status. */
const refusedByServer: Record<number, Answer> = {
  400: { code: 'MALFORMED_JSON', detail: 'The body must be one well-formed JSON value.' },
  413: { code: 'BODY_TOO_LARGE', detail: 'A body may have at most 1 MiB.' },
  414: { code: 'URI_TOO_LONG', detail: 'A path segment may have at most 600 characters.' },
  415: { code: 'UNSUPPORTED_MEDIA_TYPE', detail: 'Send the body as Content-Type: application/json.' },
};

const misencodedPath = answerOf(new ValidationFailed([{ field: 'path', message: 'must be percent-encoded UTF-8' }]));

const failedByDatabase: Record<DatabaseFailure, Answer> = {
  unavailable: { code: 'DATABASE_UNAVAILABLE', detail: 'The database does not answer at the moment. Try again.' },
  unmigrated: { code: 'DATABASE_UNAVAILABLE', detail: 'The database is not migrated yet: run npm run migrate.' },
  exhausted: { code: 'OVERLOADED', detail: 'No database connection became free in time. Try again.' },
  overdue: { code: 'DATABASE_UNAVAILABLE', detail: 'The database did not answer in time. Try again.' },
  conflict: { code: 'OVERLOADED', detail: 'Too many requests wanted the same rows at once. Try again.' },
};

/** Turns whatever a request ended with into one problem+json answer. Only what is our own fault is logged as an error. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  constructor(private readonly routes: RouteTable) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<TracedRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (error instanceof ServiceUnavailableException) {
      // A readiness probe's own report, in the format probes know.
      return void reply.status(error.getStatus()).send(error.getResponse());
    }
    send(reply, request.id, this.answerTo(error, request));
  }

  private answerTo(error: unknown, request: TracedRequest): Answer {
    if (error instanceof Refusal) return answerOf(error);
    if (error instanceof HttpException) {
      if (error.getStatus() === 404 || !this.takes(request)) return this.noSuchRoute(request);
      const refused = refusedByServer[error.getStatus()];
      if (refused) return refused;
    }
    const failure = databaseFailure(error);
    const labels = { requestId: request.id, traceId: traceIdOf(request.traceparent) };
    if (failure) {
      this.logger.warn({ ...labels, err: error }, `Database ${failure}`);
      return failedByDatabase[failure];
    }
    this.logger.error({ ...labels, err: error }, 'A request failed');
    return { code: 'INTERNAL', detail: `Tell us the requestId ${request.id} and we can look it up.` };
  }

  /** A body that nobody would have read is not what is wrong. */
  private takes({ method, url }: FastifyRequest): boolean {
    return this.routes.methodsOf(url).includes(method);
  }

  private noSuchRoute({ method, url }: FastifyRequest): Answer {
    const allowed = this.routes.methodsOf(url);
    if (allowed.length === 0 || allowed.includes(method)) {
      return { code: 'ROUTE_NOT_FOUND', detail: `There is no ${pathOf(url)}; see /docs.` };
    }
    return {
      code: 'METHOD_NOT_ALLOWED',
      detail: `${method} is not possible here; ${allowed.join(', ')} is.`,
      headers: { allow: allowed.join(', ') },
    };
  }
}

/** Answers a path that Fastify does not even route. None of its hooks run. */
export function refuseUnroutable(error: { statusCode?: number }, request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id);
  const tooLong = error.statusCode === 414;
  send(reply, request.id, tooLong ? refusedByServer[414]! : misencodedPath);
}

function answerOf({ code, message, errors, headers }: Refusal): Answer {
  return { code, detail: message, errors, headers };
}

function send(reply: FastifyReply, requestId: string, { code, detail, errors, headers }: Answer): void {
  const problem = problemOf(code, detail, requestId, errors);
  // Fastify would close on a client that still sends, which then sees a broken connection and never why.
  if (code === 'BODY_TOO_LARGE') reply.removeHeader('connection');
  void reply
    .status(problem.status)
    .headers({ ...(problem.status === 503 && { 'retry-after': RETRY_AFTER_SECONDS }), ...headers })
    .type(PROBLEM_MEDIA_TYPE)
    .send(JSON.stringify(problem));
}

function pathOf(url: string): string {
  return url.split('?', 1)[0]!.slice(0, 200);
}
