/** The same few requests in each dialect, so that one suite can say what holds in all of them. */
import type { DialectName } from '../../../src/simulator/simulator';
import { type Item, type Reply, type SimulatedShop, until } from './simulated-shop';

interface SpokenListing {
  asOf: string;
  items: Item[];
}

interface Spoken {
  /** Where the stock is asked for first. */
  readonly stockPath: string;
  readonly ordersPath: string;
  readonly acceptedStatus: number;
  orderBody: (reference: string, sku: string, quantity: number) => Record<string, unknown>;
  /** The state a look-up tells, in the words of the ledger. */
  stateIn: (body: Reply['body']) => string;
  /** Why something was refused, in the words of the ledger. */
  reasonIn: (body: Reply['body']) => string;
  credentials: (token: string) => Record<string, string>;
  listing: (shop: SimulatedShop) => Promise<SpokenListing>;
}

const REASONS: Record<string, string> = {
  insufficient_stock: 'OUT_OF_STOCK',
  unknown_item: 'UNKNOWN_SKU',
  cancelled: 'CANCELLED',
};
const STATES: Record<string, string> = { confirmed: 'accepted', rejected: 'refused', queued: 'pending' };

const SPOKEN: Record<DialectName, Spoken> = {
  rest: {
    stockPath: '/stock',
    ordersPath: '/orders',
    acceptedStatus: 201,
    orderBody: (reference, sku, quantity) => ({ reference, sku, quantity }),
    stateIn: ({ status }) => status,
    reasonIn: ({ code }) => code,
    credentials: (token) => ({ authorization: `Bearer ${token}` }),
    listing: async (shop) => {
      let body = (await shop.stock('?limit=10')).body;
      const { asOf } = body;
      const items = body.items as Item[];
      while (body.nextCursor) {
        body = (await shop.stock(`?limit=10&cursor=${body.nextCursor}`)).body;
        items.push(...(body.items as Item[]));
      }
      return { asOf, items };
    },
  },
  wholesale: {
    stockPath: '/inventory',
    ordersPath: '/purchase_orders',
    acceptedStatus: 201,
    orderBody: (reference, sku, quantity) => ({ po_number: reference, item_number: sku, quantity }),
    stateIn: ({ state }) => STATES[state] ?? state,
    reasonIn: ({ error }) => REASONS[error] as string,
    credentials: (token) => ({ 'x-api-key': token }),
    listing: async (shop) => {
      const rows: Reply['body'][] = [];
      let asOf = '';
      for (let page = 1, pages = 1; page <= pages; page++) {
        const { body } = await shop.request('GET', `/inventory?page=${page}&page_size=10`);
        if (page === 1) asOf = body.as_of;
        pages = body.total_pages;
        rows.push(...body.items);
      }
      return { asOf, items: rows.map(wholesaleItem) };
    },
  },
  feed: {
    stockPath: '/catalogue.ndjson',
    ordersPath: '/orders',
    acceptedStatus: 202,
    orderBody: (reference, sku, quantity) => ({ orderRef: reference, id: sku, count: quantity }),
    stateIn: ({ state }) => STATES[state] ?? state,
    reasonIn: ({ reason }) => reason,
    credentials: (token) => ({ authorization: `Bearer ${token}` }),
    listing: async (shop) => {
      const lines = linesOf((await shop.request('GET', '/catalogue.ndjson')).body);
      return { asOf: lines[0].asOf, items: lines.slice(1, -1).map(feedItem) };
    },
  },
};

export class SpokenShop {
  readonly spoken: Spoken;

  constructor(
    private readonly shop: SimulatedShop,
    dialect: DialectName,
  ) {
    this.spoken = SPOKEN[dialect];
  }

  order(reference: string, sku: string, quantity = 1, headers: Record<string, string> = {}): Promise<Reply> {
    const { ordersPath, orderBody } = this.spoken;
    const body = orderBody(reference, sku, quantity);
    return this.shop.request('POST', ordersPath, body, { 'idempotency-key': reference, ...headers });
  }

  /** Orders, and waits until the vendor has decided. */
  async orderDecided(reference: string, sku: string, quantity = 1): Promise<Reply> {
    const reply = await this.order(reference, sku, quantity);
    await this.decided(reference);
    return reply;
  }

  decided(reference: string): Promise<void> {
    return until(async () => (await this.state(reference)) !== 'pending');
  }

  lookUp(reference: string): Promise<Reply> {
    return this.shop.request('GET', `${this.spoken.ordersPath}/${reference}`);
  }

  /** `404` or what the vendor says. */
  async state(reference: string): Promise<string> {
    const { status, body } = await this.lookUp(reference);
    return status === 404 ? '404' : this.spoken.stateIn(body);
  }

  cancel(reference: string): Promise<Reply> {
    return this.shop.request('DELETE', `${this.spoken.ordersPath}/${reference}`);
  }

  stock(headers: Record<string, string> = {}): Promise<Reply> {
    return this.shop.request('GET', this.spoken.stockPath, undefined, headers);
  }

  listing(): Promise<SpokenListing> {
    return this.spoken.listing(this.shop);
  }

  async quantityOf(sku: string): Promise<number | undefined> {
    return (await this.listing()).items.find((item) => item.sku === sku)?.quantity;
  }
}

function wholesaleItem({ item_number, description, on_hand, price_cents }: Reply['body']): Item {
  return { sku: item_number, name: description, quantity: on_hand, price: (price_cents / 100).toFixed(2) };
}

function feedItem({ id, title, available, price }: Reply['body']): Item {
  return { sku: id, name: title, quantity: available, price };
}

/** A file with a single line is read as JSON already. */
export function linesOf(file: unknown): Reply['body'][] {
  if (typeof file !== 'string') return [file];
  return file
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

export function wholesaleItems({ items }: Reply['body']): Item[] {
  return (items as Reply['body'][]).map(wholesaleItem);
}
