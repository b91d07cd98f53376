import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';

const PROBE_EVERY_MS = 200;

interface Backend {
  url: string;
  pool: Pool;
  ready: boolean;
}

/**
 * Gives each request to the next backend that said it was ready when it was last asked. Never asks a second one: whatever a
 * backend does to a request, its client sees (502 where there was no answer).
 */
export class Balancer {
  private readonly server: Server;
  private readonly backends: Backend[];
  private readonly probing: NodeJS.Timeout;
  private turn = 0;

  constructor(urls: string[]) {
    this.backends = urls.map((url) => ({ url, pool: new Pool(url, { connections: 64, pipelining: 1 }), ready: true }));
    this.server = createServer((request, response) => void this.forward(request, response));
    this.probing = setInterval(() => this.backends.forEach((backend) => void probe(backend)), PROBE_EVERY_MS);
  }

  /** Sends nothing on before it has asked each backend, as a balancer does. */
  async listen(): Promise<string> {
    await Promise.all(this.backends.map(probe));
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Whether all backends were ready when last asked. */
  get complete(): boolean {
    return this.backends.every(({ ready }) => ready);
  }

  async close(): Promise<void> {
    clearInterval(this.probing);
    this.server.closeAllConnections();
    this.server.close();
    await Promise.all(this.backends.map(({ pool }) => pool.destroy()));
  }

  private async forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { connection: _, host: __, 'content-length': ___, ...headers } = request.headers;
      const { statusCode, body } = await this.next().pool.request({
        method: request.method as 'POST',
        path: request.url!,
        headers: headers as Record<string, string>,
        body: Buffer.concat(chunks),
      });
      const answer = await body.text();
      response.writeHead(statusCode, { 'content-type': 'application/json' }).end(answer);
    } catch (error) {
      response.writeHead(502).end(JSON.stringify({ code: `BACKEND: ${(error as Error).message}` }));
    }
  }

  private next(): Backend {
    const ready = this.backends.filter((backend) => backend.ready);
    if (ready.length === 0) throw new Error('none is ready');
    return ready[this.turn++ % ready.length]!;
  }
}

async function probe(backend: Backend): Promise<void> {
  backend.ready = await fetch(`${backend.url}/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
}
