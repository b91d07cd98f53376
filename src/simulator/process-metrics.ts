import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics, Registry } from 'prom-client';

/** `/metrics` of the process that plays the vendors: what Node tells of it. Nothing is watched until somebody asks. */
export function offerProcessMetrics(app: FastifyInstance): void {
  let registry: Registry | undefined;
  app.get('/metrics', async (_, reply) => {
    registry ??= watched();
    return reply.type(registry.contentType).send(await registry.metrics());
  });
}

function watched(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
