import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';

/** An answer, or how the connection ends without one. */
export type ScriptedAnswer =
  { status: number; body?: unknown; headers?: Record<string, string> } | 'drop' | { hang: Promise<void> };

/** Its own word that it does not have an order: one without a code may be anybody's. */
export const NOT_FOUND: ScriptedAnswer = { status: 404, body: { code: 'UNKNOWN_REFERENCE' } };
const ORDER_LISTS = ['/orders', '/purchase_orders', '/orders.ndjson'];

type Handler = (request: {
  path: string;
  body: unknown;
  headers: IncomingMessage['headers'];
}) => ScriptedAnswer | Promise<ScriptedAnswer>;

/**
 * A vendor that says exactly what a test tells it to, for traps a well-behaved simulator does not lay: any time, any
 * order of events. Keeps every purchase call it got.
 */
export class ScriptedVendor {
  /** What `GET /stock` answers; pages when there are several. */
  listing: { asOf: string; items: unknown[] }[] = [];
  onPurchase: Handler = () => ({ status: 500 });
  onLookUp: Handler = () => NOT_FOUND;
  onCancel: Handler = () => ({ status: 204 });
  onStock: Handler | undefined;
  readonly purchases: { reference: string; sku: string; quantity: number }[] = [];
  readonly lookUps: string[] = [];
  readonly cancels: string[] = [];

  private constructor(
    private readonly server: Server,
    readonly baseUrl: string,
  ) {}

  static async listen(): Promise<ScriptedVendor> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const vendor = new ScriptedVendor(server, `http://127.0.0.1:${port}`);
    server.on('request', (request, response) => void vendor.serve(request, response));
    return vendor;
  }

  /** One complete listing on one page. Quantities by SKU. */
  lists(asOf: string, quantities: Record<string, number>): void {
    const items = Object.entries(quantities).map(([sku, quantity]) => ({
      sku,
      name: `Article ${sku}`,
      quantity,
      price: '10.00',
    }));
    this.listing = [{ asOf, items }];
  }

  accepts(acceptedAt: string): void {
    this.onPurchase = ({ body }) => {
      const { reference } = body as { reference: string };
      return { status: 201, body: { vendorOrderId: `V-${reference.slice(-6)}`, acceptedAt } };
    };
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.baseUrl);
    const body = await bodyOf(request);
    const answer = await this.answerTo(request, url, body);
    if (answer === 'drop') return void request.socket.destroy();
    if ('hang' in answer) {
      await answer.hang;
      return void request.socket.destroy();
    }
    if (answer.status === 204) return void response.writeHead(204).end();
    const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? {});
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers }).end(text);
  }

  private answerTo(request: IncomingMessage, url: URL, body: unknown): ScriptedAnswer | Promise<ScriptedAnswer> {
    const asked = { path: url.pathname, body, headers: request.headers };
    if (request.method === 'POST') {
      this.purchases.push(body as (typeof this.purchases)[number]);
      return this.onPurchase(asked);
    }
    if (url.pathname === '/stock') return this.onStock ? this.onStock(asked) : this.page(url);
    // It lists no orders.
    if (request.method === 'GET' && ORDER_LISTS.includes(url.pathname)) return { status: 404 };
    const reference = decodeURIComponent(url.pathname.slice('/orders/'.length));
    if (request.method === 'DELETE') {
      this.cancels.push(reference);
      return this.onCancel(asked);
    }
    this.lookUps.push(reference);
    return this.onLookUp(asked);
  }

  private page(url: URL): ScriptedAnswer {
    const index = Number(url.searchParams.get('cursor') ?? 0);
    const page = this.listing[index];
    if (!page) return { status: 500 };
    const nextCursor = index + 1 < this.listing.length ? String(index + 1) : null;
    return { status: 200, body: { ...page, nextCursor } };
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? undefined : (JSON.parse(text) as unknown);
}
