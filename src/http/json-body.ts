import type { FastifyBodyParser, FastifyInstance } from 'fastify';

export const JSON_TYPE = 'application/json';

/**
 * Reads a JSON body as it is. Prototype keys are left in for validation to refuse by name, as any other unknown field.
 * Some clients say `Content-Type` on a DELETE that carries nothing.
 */
export function jsonParser(fastify: FastifyInstance): FastifyBodyParser<string> {
  const parse = fastify.getDefaultJsonParser('ignore', 'ignore');
  return (request, body, done) => {
    if (body === '' && request.method === 'DELETE') return done(null, undefined);
    return parse(request, body, done);
  };
}
