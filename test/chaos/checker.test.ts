import { check } from './checker/checker';
import type { Evidence, StoredOrder } from './checker/evidence';
import type { BookEntry } from './world/vendors';
import type { Purchase } from './history';

const PRODUCT = 'acme:A-1';

function ordered(orderId: string, changes: Partial<StoredOrder> = {}): StoredOrder {
  return {
    orderId,
    productId: PRODUCT,
    quantity: 2,
    status: 'completed',
    hold: 'acknowledged',
    available: 10,
    attentionReason: null,
    hasMessage: false,
    story: ['placed', 'sent', 'completed'],
    ...changes,
  };
}

function entered(reference: string, changes: Partial<BookEntry> = {}): BookEntry {
  return { vendorId: 'acme', reference, sku: 'A-1', quantity: 2, status: 'accepted', ...changes };
}

function bought(key: string | undefined, ...results: Purchase['results']): Purchase {
  return { key, lines: [{ productId: PRODUCT, quantity: 2 }], results, cancelled: false };
}

const created = (...orderIds: string[]) => ({ kind: 'created' as const, orderIds, replayed: false });
const unknown = { kind: 'unknown' as const, why: 'ECONNRESET' };

/** Three orders, of which one failed, one was asked for without a key and heard nothing of; and nothing is wrong. */
function harmless(): Evidence {
  return {
    history: [bought('k1', unknown, created('o1')), bought('k2', created('o2')), bought(undefined, unknown)],
    orders: [
      ordered('o1'),
      ordered('o2', { status: 'failed', hold: 'released', story: ['placed', 'sent', 'failed'] }),
      ordered('o3'),
    ],
    keys: [
      { key: 'k1', status: 201, orderIds: ['o1'] },
      { key: 'k2', status: 201, orderIds: ['o2'] },
    ],
    products: [{ productId: PRODUCT, vendorQuantity: 10, reserved: 4, stock: 6, openHolds: 4 }],
    miscountedMeanwhile: [],
    sightings: [
      { orderId: 'o1', status: 'pending', hold: 'held' },
      { orderId: 'o1', status: 'completed', hold: 'acknowledged' },
      { orderId: 'o1', status: 'completed', hold: 'settled' },
      { orderId: 'o2', status: 'pending', hold: 'held' },
      { orderId: 'o2', status: 'failed', hold: 'released' },
    ],
    books: [entered('o1'), entered('o2', { status: 'refused', code: 'UNKNOWN_SKU' }), entered('o3')],
    calls: [
      { kind: 'purchase', reference: 'o3', atMs: 0 },
      { kind: 'lookUp', reference: 'o3', atMs: 1000, status: 404 },
      { kind: 'purchase', reference: 'o1', atMs: 1000, status: 429 },
      { kind: 'purchase', reference: 'o1', atMs: 1100, status: 201 },
      { kind: 'lookUp', reference: 'o3', atMs: 2500, status: 404 },
      { kind: 'purchase', reference: 'o3', atMs: 2600, status: 201 },
    ],
    provableMs: 2500,
    vendorsRefuseAnyway: false,
    poisoned: ['p1'],
    poisonKept: ['p1'],
    queuesDeleted: false,
    outputs: [{ process: 'worker 1', text: '{"level":30,"msg":"Sent"}\n' }],
    databaseLog: 'LOG:  database system is ready to accept connections\n',
  };
}

const index = (evidence: Evidence, orderId: string): number =>
  evidence.orders.findIndex((order) => order.orderId === orderId);

/** What is planted, and what the checker has to say of it. */
const planted: [what: string, plant: (evidence: Evidence) => void, found: string][] = [
  [
    'an answered order that is not in the database',
    ({ history }) => history.push(bought('k4', created('o4'))),
    'an order that was answered 201 exists',
  ],
  [
    'two answers to one key that name different orders',
    ({ history }) => history[0]!.results.push(created('o3')),
    'a key gives one order',
  ],
  [
    'an answer to a key, and another order in the key’s memory',
    ({ keys }) => (keys[0]!.orderIds = ['o3']),
    'a key gives one order',
  ],
  ['a key that was answered and is not remembered', ({ keys }) => keys.pop(), 'a key gives one order'],
  [
    'two orders for one request that heard nothing',
    ({ orders, books }) => {
      orders.push(ordered('o5'));
      books.push(entered('o5'));
    },
    'an order that no answer names was asked for by somebody who heard nothing',
  ],
  [
    'an order of a client who was told no',
    ({ history }) => (history[2]!.results = [{ kind: 'refused', status: 409, code: 'INSUFFICIENT_STOCK' }]),
    'an order that no answer names was asked for by somebody who heard nothing',
  ],
  [
    'a good order that was refused as unknown',
    ({ history }) => history.push(bought('k6', { kind: 'refused', status: 404, code: 'PRODUCT_NOT_FOUND' })),
    'a good order is refused only for want of stock',
  ],
  ['an order that was bought twice', ({ books }) => books.push(entered('o1')), 'an order is bought once'],
  [
    'an order that was bought again after its cancellation',
    ({ books }) => books.push(entered('o1', { status: 'cancelled' })),
    'an order is bought once',
  ],
  ['a purchase of another quantity', ({ books }) => (books[0]!.quantity = 1), 'what was ordered is bought'],
  ['a purchase of something else', ({ books }) => (books[0]!.sku = 'A-2'), 'what was ordered is bought'],
  ['a purchase at another vendor', ({ books }) => (books[0]!.vendorId = 'globex'), 'what was ordered is bought'],
  [
    'a completed order that no vendor knows',
    ({ books }) => books.shift(),
    'a completed order stands in the vendor’s books',
  ],
  [
    'a completed order that the vendor has cancelled',
    ({ books }) => (books[0]!.status = 'cancelled'),
    'a completed order stands in the vendor’s books',
  ],
  [
    'a failed order that the vendor has accepted',
    ({ books }) => (books[1]!.status = 'accepted'),
    'a failed order does not stand in the vendor’s books',
  ],
  [
    'a purchase that nobody here has ordered',
    ({ books }) => books.push(entered('o7')),
    'what a vendor was asked for is an order of ours',
  ],
  [
    'a vendor that was promised more than it has',
    ({ books }) => (books[1]!.code = 'OUT_OF_STOCK'),
    'what is promised is there',
  ],
  [
    'a purchase that was sent again unasked',
    ({ calls }) => calls.push({ kind: 'purchase', reference: 'o3', atMs: 9000 }),
    'nothing is sent again before it was looked up',
  ],
  [
    'a purchase that was sent again after a look-up that came too early',
    ({ calls }) => (calls[4]!.atMs = 2000),
    'a look-up is believed when it proves something',
  ],
  [
    'an order that was granted beyond what was there',
    ({ orders }) => (orders[0]!.available = 1),
    'an order is granted within what is available',
  ],
  ['a counter that lost a hold', ({ products }) => (products[0]!.openHolds = 6), 'reserved is the sum of open holds'],
  [
    'a counter that lost a hold for a moment',
    ({ products, miscountedMeanwhile }) => miscountedMeanwhile.push({ ...products[0]!, openHolds: 6 }),
    'reserved is the sum of open holds',
  ],
  [
    'stock that is not what is left',
    ({ products }) => (products[0]!.stock = 10),
    'stock is what the vendor has less what is reserved',
  ],
  [
    'a completed order that is pending again',
    ({ sightings }) => sightings.push({ orderId: 'o1', status: 'pending', hold: 'settled' }),
    'states never go back',
  ],
  [
    'a released hold that is held again',
    ({ sightings }) => sightings.push({ orderId: 'o2', status: 'failed', hold: 'held' }),
    'states never go back',
  ],
  ['an order that ended twice', ({ orders }) => orders[0]!.story.push('failed'), 'an order ends once'],
  ['an order that ended untold', ({ orders }) => orders[0]!.story.pop(), 'an order’s events tell its end'],
  [
    'an order that was sent after its end',
    ({ orders }) => orders[0]!.story.push('sent'),
    'nothing is sent after an order’s end',
  ],
  [
    'an order that ended by its events and is pending',
    (evidence) =>
      Object.assign(evidence.orders[index(evidence, 'o1')]!, { status: 'pending', hold: 'held', attentionReason: 'x' }),
    'states never go back',
  ],
  [
    'a pending order without a message',
    ({ orders }) => {
      Object.assign(orders[0]!, { status: 'pending', hold: 'held' });
      orders[0]!.story.pop();
    },
    'every order is decided once it is calm',
  ],
  [
    'a pending order whose message waits for ever',
    ({ orders }) => {
      Object.assign(orders[0]!, { status: 'pending', hold: 'held', hasMessage: true });
      orders[0]!.story.pop();
    },
    'every order is decided once it is calm',
  ],
  [
    'an operator who is asked what the vendor’s books answer',
    ({ orders }) => {
      Object.assign(orders[0]!, { status: 'pending', hold: 'held', attentionReason: 'Unknown.' });
      orders[0]!.story.pop();
    },
    'nobody is asked what the vendor’s books answer',
  ],
  [
    'a message that nobody can read and nobody kept',
    ({ poisoned }) => poisoned.push('p2'),
    'a message that nobody can read is kept',
  ],
  [
    'an unhandled rejection',
    ({ outputs }) => (outputs[0]!.text += '[UnhandledPromiseRejection: This error originated either by throwing …]\n'),
    'no rejection is left unhandled',
  ],
  [
    'an error event that nobody met',
    ({ outputs }) => (outputs[0]!.text += "      throw er; // Unhandled 'error' event\n"),
    'no rejection is left unhandled',
  ],
  ['a deadlock', (evidence) => (evidence.databaseLog += 'ERROR:  deadlock detected\n'), 'no transactions deadlock'],
];

describe('the checker of the fault suite', () => {
  it('finds nothing where nothing is wrong', () => {
    expect(check(harmless())).toEqual([]);
  });

  it('leaves an order to the operator that no vendor knows of', () => {
    const evidence = harmless();
    Object.assign(evidence.orders[0]!, { status: 'pending', hold: 'held', attentionReason: 'Attempts used up.' });
    evidence.orders[0]!.story.pop();
    evidence.books.shift();
    expect(check(evidence)).toEqual([]);
  });

  it('believes no refusal of a vendor that was told to refuse', () => {
    const evidence = harmless();
    evidence.books[1]!.code = 'OUT_OF_STOCK';
    evidence.vendorsRefuseAnyway = true;
    expect(check(evidence)).toEqual([]);
  });

  it.each(planted)('finds %s', (_, plant, found) => {
    const evidence = harmless();
    plant(evidence);
    expect(check(evidence).map((violation) => violation.check)).toContain(found);
  });
});
