import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

export interface Call {
  method: string;
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  body: string;
}

export interface Reply {
  status: number;
  headers: Record<string, string>;
  text: string;
}

/** What a fault makes of one call to a healthy vendor: `pass` asks it. */
export type Tamper = (call: Call, pass: (call: Call) => Promise<Reply>) => Promise<Reply | 'hang'>;

/** A healthy vendor behind somebody who spoils what it says. */
export class TamperingProxy {
  tamper: Tamper = (call, pass) => pass(call);

  private constructor(
    private readonly server: Server,
    private readonly target: string,
    readonly baseUrl: string,
  ) {}

  static async before(target: string): Promise<TamperingProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const proxy = new TamperingProxy(server, target, `http://127.0.0.1:${port}`);
    server.on('request', (request, response) => void proxy.serve(request, response));
    return proxy;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers: Record<string, string> = {};
    for (const name of ['authorization', 'x-api-key', 'content-type', 'idempotency-key', 'if-none-match']) {
      const value = request.headers[name];
      if (typeof value === 'string') headers[name] = value;
    }
    const call = { method: request.method!, path: request.url!, headers, body: Buffer.concat(chunks).toString() };
    const reply = await this.tamper(call, (passed) => this.pass(passed));
    if (reply === 'hang') return;
    response.writeHead(reply.status, reply.headers);
    response.end([204, 304].includes(reply.status) ? undefined : reply.text);
  }

  private async pass({ method, path, headers, body }: Call): Promise<Reply> {
    const answer = await fetch(this.target + path, { method, headers, body: body === '' ? null : body });
    const kept: Record<string, string> = {};
    for (const name of ['content-type', 'etag', 'retry-after']) {
      const value = answer.headers.get(name);
      if (value !== null) kept[name] = value;
    }
    return { status: answer.status, headers: kept, text: await answer.text() };
  }
}
