import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyBodyParser, FastifyInstance } from 'fastify';

export const JSON_TYPE = 'application/json';

/** The route is told everything by its address. */
export const TakesNoBody = (): MethodDecorator => RouteConfig({ takesNoBody: true });

/**
 * Reads a JSON body as it is. Prototype keys are left in for validation to refuse by name, as any other unknown field.
 * Some clients say `Content-Type` on a request that carries nothing.
 */
export function jsonParser(fastify: FastifyInstance): FastifyBodyParser<string> {
  const parse = fastify.getDefaultJsonParser('ignore', 'ignore');
  return (request, body, done) => {
    const { takesNoBody } = request.routeOptions.config as { takesNoBody?: true };
    if (body === '' && takesNoBody) return done(null, undefined);
    return parse(request, body, done);
  };
}
