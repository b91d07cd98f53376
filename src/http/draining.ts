import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { Shutdown } from '../lifecycle/shutdown';

const READINESS = '/health/ready';

/**
 * Between the first word of a stop and the listener's end: requests are still answered, each answer ends its connection,
 * and who asks for readiness is told to send the next elsewhere.
 */
export class Draining {
  private saidReady = false;
  private askedAgainAt = -Infinity;

  constructor(
    fastify: FastifyInstance,
    private readonly shutdown: Shutdown,
  ) {
    fastify.addHook('onResponse', ({ url }, { statusCode }, done) => {
      if (url.startsWith(READINESS) && statusCode === 200) this.noteProbe();
      done();
    });
    fastify.addHook('onSend', (_, reply, payload, done) => {
      if (this.shutdown.begun) reply.header('connection', 'close');
      done(null, payload);
    });
  }

  /**
   * Waits so long for a balancer to notice. Not at all where nobody has been told "ready" and asked again within as long: then
   * nobody sends requests by it, or nobody will notice.
   */
  async done(drainMs: number): Promise<void> {
    if (performance.now() - this.askedAgainAt <= drainMs) await pause(drainMs);
  }

  private noteProbe(): void {
    if (this.saidReady) this.askedAgainAt = performance.now();
    this.saidReady = true;
  }
}
