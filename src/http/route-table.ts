import type { FastifyInstance } from 'fastify';
import buildRouter, { type HTTPMethod } from 'find-my-way';

const METHODS: HTTPMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Knows which methods a path takes, so that a wrong method is told from a wrong path (Fastify answers 404 to both). */
export class RouteTable {
  private readonly router;

  constructor(maxParamLength: number) {
    this.router = buildRouter({ maxParamLength });
  }

  /** Must be called before the routes are registered. */
  observe(fastify: FastifyInstance): void {
    fastify.addHook('onRoute', ({ method, url }) => {
      for (const name of [method].flat() as HTTPMethod[]) {
        if (METHODS.includes(name) && !this.router.hasRoute(name, url)) this.router.on(name, url, () => undefined);
      }
    });
  }

  methodsOf(url: string): string[] {
    const path = url.split('?', 1)[0]!;
    return METHODS.filter((method) => {
      const found = this.router.find(method, path);
      // The router lets a parameter be empty; `/v1/orders/` is no order's address.
      return found !== null && !Object.values(found.params).includes('');
    });
  }
}
