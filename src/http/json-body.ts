import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyBodyParser, FastifyInstance } from 'fastify';
import { ValidationFailed } from './refusal';

export const JSON_TYPE = 'application/json';

/** The route is told everything by its address. */
export const TakesNoBody = (): MethodDecorator => RouteConfig({ takesNoBody: true });

/** The same, and a body that says something is refused: what it asks for, such as a dry run, is not to be had here. */
export const RefusesBody = (): MethodDecorator => RouteConfig({ takesNoBody: true, refusesBody: true });

/**
 * Reads a JSON body as it is. Prototype keys are left in for validation to refuse by name, as any other unknown field.
 * Some clients say `Content-Type` on a request that carries nothing.
 */
export function jsonParser(fastify: FastifyInstance): FastifyBodyParser<string> {
  const parse = fastify.getDefaultJsonParser('ignore', 'ignore');
  return (request, body, done) => {
    const { takesNoBody, refusesBody } = request.routeOptions.config as { takesNoBody?: true; refusesBody?: true };
    if (body === '' && takesNoBody) return done(null, undefined);
    return parse(request, body, (error, parsed) =>
      refusesBody && error === null && saysSomething(parsed)
        ? done(new ValidationFailed([BODY_REFUSED]))
        : done(error, parsed),
    );
  };
}

const BODY_REFUSED = { field: 'body', message: 'must be empty: the address says everything' };

function saysSomething(body: unknown): boolean {
  return typeof body !== 'object' || body === null || Object.keys(body).length > 0;
}
