import { applyDecorators } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyBodyParser, FastifyInstance } from 'fastify';
import { ApiProblems } from './api-problems';
import { ValidationFailed } from './refusal';

export const JSON_TYPE = 'application/json';

/** The route is told everything by its address: a body that asks for more, such as a dry run, is refused. */
export const TakesNoBody = (): MethodDecorator =>
  applyDecorators(
    RouteConfig({ takesNoBody: true }),
    ApiProblems('MALFORMED_JSON', 'VALIDATION_FAILED', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'),
  );

/**
 * Reads a JSON body as it is. Prototype keys are left in for validation to refuse by name, as any other unknown field.
 * Some clients say `Content-Type` on a request that carries nothing.
 */
export function jsonParser(fastify: FastifyInstance): FastifyBodyParser<string> {
  const parse = fastify.getDefaultJsonParser('ignore', 'ignore');
  return (request, body, done) => {
    const { takesNoBody } = request.routeOptions.config as { takesNoBody?: true };
    if (body === '' && takesNoBody) return done(null, undefined);
    return parse(request, body, (error, parsed) =>
      takesNoBody && error === null && saysSomething(parsed)
        ? done(new ValidationFailed([BODY_REFUSED]))
        : done(error, parsed),
    );
  };
}

const BODY_REFUSED = { field: 'body', message: 'must be empty: the address says everything' };

function saysSomething(body: unknown): boolean {
  return typeof body !== 'object' || body === null || Object.keys(body).length > 0;
}
