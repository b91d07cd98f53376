import type { FastifyInstance, FastifyRequest } from 'fastify';
import { PinoLogger } from 'nestjs-pino';

/** One line a request, after its answer; a health probe every few seconds is not news. Headers and bodies stay out. */
export function logRequests(fastify: FastifyInstance): void {
  fastify.addHook('onResponse', (request, reply, done) => {
    if (!isProbe(request)) {
      const { id, method, url } = request;
      const { statusCode, elapsedTime } = reply;
      const level = statusCode >= 500 ? 'warn' : 'info';
      const line = { req: { id, method, url }, res: { statusCode }, responseTime: Math.round(elapsedTime) };
      PinoLogger.root[level](line, `${method} ${url} ${statusCode}`);
    }
    done();
  });
}

function isProbe({ url }: FastifyRequest): boolean {
  return url.startsWith('/health/');
}
