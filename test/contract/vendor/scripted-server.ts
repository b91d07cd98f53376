import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown> | undefined;
}

/** A whole answer, or how it fails to be one. A `body` that is no text is sent as JSON. */
export type Answer =
  | { status: number; body?: unknown; headers?: Record<string, string> }
  | 'drop'
  | 'hang'
  /** Sends this much and then cuts the connection, or sends nothing more. */
  | { begin: string; then: 'drop' | 'hang' }
  /** Sends one character after another, never silent for long. */
  | { drip: string; everyMs: number };

/** A server that answers as a test tells it to, and remembers what it was asked. */
export class ScriptedServer {
  answer: (asked: Asked) => Answer = () => ({ status: 500 });
  readonly asked: Asked[] = [];
  private readonly next: Answer[] = [];

  private constructor(
    private readonly server: Server,
    readonly baseUrl: string,
  ) {}

  static async listen(): Promise<ScriptedServer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const scripted = new ScriptedServer(server, `http://127.0.0.1:${port}/shop`);
    server.on('request', (request, response) => void scripted.serve(request, response));
    return scripted;
  }

  /** These first, one a request; afterwards `answer` again. */
  first(...answers: Answer[]): void {
    this.next.push(...answers);
  }

  get paths(): string[] {
    return this.asked.map(
      ({ method, path, query }) => `${method} ${path}${query.size === 0 ? '' : `?${query.toString()}`}`,
    );
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.baseUrl);
    const asked: Asked = {
      method: request.method!,
      path: url.pathname.replace(/^\/shop/, ''),
      query: url.searchParams,
      headers: request.headers,
      body: await bodyOf(request),
    };
    this.asked.push(asked);
    const answer = this.next.shift() ?? this.answer(asked);
    if (answer === 'hang') return;
    if (answer === 'drop') return void request.socket.destroy();
    if ('drip' in answer) return drip(response, answer.drip, answer.everyMs);
    if ('begin' in answer) {
      response.writeHead(200).write(answer.begin, () => answer.then === 'drop' && request.socket.destroy());
      return;
    }
    const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? {});
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
    response.end(answer.status === 204 || answer.status === 304 ? undefined : text);
  }
}

function drip(response: ServerResponse, text: string, everyMs: number): void {
  let sent = 0;
  const timer = setInterval(() => response.write(text[sent++ % text.length]), everyMs);
  response.on('close', () => clearInterval(timer));
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>);
}
