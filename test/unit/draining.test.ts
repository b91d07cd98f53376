import Fastify from 'fastify';
import { Draining } from '../../src/http/draining';

describe('draining', () => {
  it('ends each connection with its answer once a stop has begun, and none before', async () => {
    const fastify = Fastify();
    const shutdown = { begun: false };
    new Draining(fastify, shutdown);
    fastify.get('/', () => 'here');
    const connectionAfter = async (): Promise<unknown> => (await fastify.inject('/')).headers['connection'];

    expect(await connectionAfter()).not.toBe('close');
    shutdown.begun = true;
    expect(await connectionAfter()).toBe('close');
    await fastify.close();
  });

  it('waits for nobody who was never told that it is ready', async () => {
    const fastify = Fastify();
    const draining = new Draining(fastify, { begun: true });
    fastify.get('/health/ready', (_, reply) => reply.status(503).send());
    await fastify.inject('/health/ready');
    await fastify.inject('/health/ready');
    await draining.done(60_000);
    await fastify.close();
  });
});
