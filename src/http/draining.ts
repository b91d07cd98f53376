import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { Shutdown } from '../lifecycle/shutdown';

const READINESS = '/health/ready';

/**
 * Between the first word of a stop and the listener's end: requests are still answered, each answer ends its connection,
 * and who asks for readiness is told to send the next elsewhere.
 */
export class Draining {
  private probedAt = -Infinity;

  constructor(
    fastify: FastifyInstance,
    private readonly shutdown: Shutdown,
  ) {
    fastify.addHook('onRequest', (request, _, done) => {
      if (request.url === READINESS) this.probedAt = performance.now();
      done();
    });
    fastify.addHook('onSend', (_, reply, payload, done) => {
      if (this.shutdown.begun) reply.header('connection', 'close');
      done(null, payload);
    });
  }

  /** Waits so long for a balancer to notice; not at all where nobody asked within as long, for then nobody will notice. */
  async done(drainMs: number): Promise<void> {
    if (performance.now() - this.probedAt <= drainMs) await pause(drainMs);
  }
}
