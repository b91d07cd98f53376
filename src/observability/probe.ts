import type { FastifyRequest } from 'fastify';

/** Asked every few seconds by machines: neither logged nor traced. */
export function isProbe({ url }: FastifyRequest): boolean {
  return url.startsWith('/health/') || url === '/metrics';
}
