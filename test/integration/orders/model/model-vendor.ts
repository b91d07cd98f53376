import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Books, type Entry, type Listing, type Picture, type Purchase } from './books';
import type { CancelTrick, Feed, LookUpTrick, PurchaseTrick, Tricks, VendorId } from './history';

/** How a call ends: an answer, or none. */
type Reply = { status: number; body?: unknown; etag?: string } | 'drop';

const FAILED: Reply = { status: 500, body: {} };
const NOT_FOUND: Reply = { status: 404, body: { code: 'UNKNOWN_REFERENCE' } };

/** Speaks the `rest` dialect over its own books, and plays the tricks a round has planned for it. */
export class ModelVendor {
  books = new Books({}, 0);
  tricks: Tricks = { purchase: [], lookUp: [], cancel: [] };
  /** What the next polls get; fresh without a plan. */
  feeds: Feed[] = [];
  /** Every listing that was given out. */
  readonly served: Listing[] = [];
  /** The reference of every purchase that was sent. */
  readonly sent: string[] = [];

  private constructor(
    private readonly server: Server,
    readonly vendorId: VendorId,
    readonly baseUrl: string,
    /** Whether it can close a reference it has never seen. */
    private readonly closesUnknown: boolean,
  ) {}

  static async listen(vendorId: VendorId, closesUnknown: boolean): Promise<ModelVendor> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const vendor = new ModelVendor(server, vendorId, `http://127.0.0.1:${port}`, closesUnknown);
    server.on('request', (request, response) => void vendor.serve(request, response));
    return vendor;
  }

  /** A new shop: other books, no tricks. */
  open(books: Books): void {
    this.books = books;
    this.tricks = { purchase: [], lookUp: [], cancel: [] };
    this.feeds = [];
    this.served.length = 0;
    this.sent.length = 0;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await bodyOf(request);
    const reply = this.replyTo(request, new URL(request.url!, this.baseUrl), text);
    if (reply === 'drop') return void request.socket.destroy();
    const body = reply.body === undefined ? '' : JSON.stringify(reply.body);
    const headers = { 'content-type': 'application/json', ...(reply.etag !== undefined && { etag: reply.etag }) };
    response.writeHead(reply.status, headers).end(body);
  }

  private replyTo({ method, headers }: IncomingMessage, url: URL, text: string): Reply {
    const path = url.pathname;
    if (path === '/stock') {
      const picture = this.books.picture(this.feeds.shift() ?? 'fresh');
      const since = url.searchParams.get('updatedSince');
      return since === null ? this.listAll(picture, headers['if-none-match']) : this.listSince(picture, since);
    }
    if (method === 'POST') return this.sell(JSON.parse(text) as Purchase, this.tricks.purchase.shift() ?? 'answer');
    const reference = decodeURIComponent(path.slice('/orders/'.length));
    if (method === 'DELETE') return this.cancel(reference, this.tricks.cancel.shift() ?? 'answer');
    return this.lookUp(reference, this.tricks.lookUp.shift() ?? 'answer');
  }

  /** By what it lists, whatever the time. */
  private listAll(picture: Picture, known: string | undefined): Reply {
    const etag = `"${picture.items.map(({ sku, quantity }) => `${sku}${quantity}`).join()}"`;
    return known === etag ? { status: 304 } : { ...this.give('full', picture), etag };
  }

  /** What changed in the very millisecond may have come after the listing of that time. */
  private listSince({ asOfMs, items }: Picture, since: string): Reply {
    return this.give('delta', { asOfMs, items: items.filter(({ changedAtMs }) => changedAtMs >= Date.parse(since)) });
  }

  private give(kind: Listing['kind'], { asOfMs, items }: Picture) {
    const quantities = Object.fromEntries(items.map(({ sku, quantity }) => [sku, quantity]));
    this.served.push({ kind, asOfMs, quantities });
    const rows = items.map(({ sku, quantity }) => ({ sku, name: `Article ${sku}`, quantity, price: '10.00' }));
    return { status: 200, body: { asOf: iso(asOfMs), items: rows, nextCursor: null } };
  }

  private sell(purchase: Purchase, trick: PurchaseTrick): Reply {
    this.sent.push(purchase.reference);
    switch (trick) {
      case 'answer':
        return decided(this.books.purchase(purchase));
      case 'refuse':
        return decided(this.books.refuse(purchase));
      case 'acceptThenDrop':
        this.books.purchase(purchase);
        return 'drop';
      case 'acceptThen500':
        this.books.purchase(purchase);
        return FAILED;
      case 'refuseThenDrop':
        this.books.refuse(purchase);
        return 'drop';
      case 'late':
        this.books.receiveLater(purchase);
        return 'drop';
      case 'fail':
        return FAILED;
    }
  }

  private lookUp(reference: string, trick: LookUpTrick): Reply {
    if (trick === 'fail') return FAILED;
    const entry = this.books.entries.get(reference);
    if (!entry) return NOT_FOUND;
    const { status, code } = entry;
    return { status: 200, body: { ...receipt(entry), status: status === 'closed' ? 'cancelled' : status, code } };
  }

  private cancel(reference: string, trick: CancelTrick): Reply {
    const entry = this.books.entries.get(reference);
    if (trick === 'fail') return FAILED;
    if (trick === 'tooLate' && entry?.status === 'accepted') return { status: 409, body: { code: 'TOO_LATE' } };
    if (!entry && !this.closesUnknown) return NOT_FOUND;
    this.books.cancel(reference);
    return trick === 'cancelThenDrop' ? 'drop' : { status: 204 };
  }
}

/** A reference that was cancelled stays closed. */
function decided(entry: Entry): Reply {
  if (entry.status === 'accepted') return { status: 201, body: receipt(entry) };
  const code = entry.status === 'refused' ? entry.code : 'CANCELLED';
  return { status: 409, body: { code, message: 'no' } };
}

function receipt({ reference, decidedAtMs }: Entry): { vendorOrderId: string; acceptedAt: string } {
  return { vendorOrderId: vendorOrderIdOf(reference), acceptedAt: iso(decidedAtMs) };
}

export function vendorOrderIdOf(reference: string): string {
  return `V-${reference}`;
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
