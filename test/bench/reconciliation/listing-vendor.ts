import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

/** What the vendor takes for each answer. */
export const ANSWER_MS = 20;
const ACCEPTED_AT = '2030-01-31T12:00:00.000Z';

/** A vendor of kind `rest` that has accepted whatever it is asked about, and lists it if it is told to. */
export class ListingVendor {
  isListing = false;
  orderIds: string[] = [];
  mostAtOnce = 0;
  private now = 0;

  private constructor(
    private readonly server: Server,
    readonly baseUrl: string,
  ) {}

  static async listen(): Promise<ListingVendor> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const vendor = new ListingVendor(server, `http://127.0.0.1:${port}`);
    server.on('request', ({ url }, response) => {
      void vendor.answer(new URL(url!, vendor.baseUrl)).then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
    });
    return vendor;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async answer({ pathname, searchParams }: URL): Promise<{ status: number; body: object }> {
    const isLookUp = pathname.startsWith('/orders/');
    if (isLookUp) this.mostAtOnce = Math.max(this.mostAtOnce, ++this.now);
    await pause(ANSWER_MS);
    if (isLookUp) this.now -= 1;
    if (pathname === '/stock') return { status: 200, body: STOCK };
    if (isLookUp) return { status: 200, body: shown(pathname.slice('/orders/'.length)) };
    if (pathname !== '/orders' || !this.isListing) return { status: 404, body: { code: 'NOT_OFFERED' } };
    const from = Number(searchParams.get('cursor') ?? 0);
    const end = from + Number(searchParams.get('limit'));
    const items = this.orderIds.slice(from, end).map((reference) => ({ reference, ...shown(reference) }));
    const nextCursor = end < this.orderIds.length ? String(end) : null;
    return { status: 200, body: { asOf: ACCEPTED_AT, items, nextCursor } };
  }
}

const STOCK = { asOf: ACCEPTED_AT, items: [{ sku: 'A', name: 'A', quantity: 1, price: '1.00' }], nextCursor: null };

function shown(reference: string) {
  return { status: 'accepted', vendorOrderId: `V-${reference}`, acceptedAt: ACCEPTED_AT };
}
