import type { Call, Reply, Tamper } from './tampering-proxy';

/** What the faults touch of any dialect's bodies. */
interface Body {
  asOf?: string;
  items: Body[];
  reference: string;
  total_items: number;
  [word: string]: unknown;
}

interface PlantedFault {
  kind: 'rest' | 'wholesale' | 'feed';
  fault: string;
  /** The check that tells it. */
  found: string;
  /** A new one for each vendor, since some remember. */
  tamper: () => Tamper;
}

const isStock = ({ path }: Call) => /^\/(stock|inventory|catalogue)/.test(path);
const isDelta = ({ path }: Call) => path.includes('updatedSince=') || path.includes('/changes');
const isLookUp = ({ method, path }: Call) => method === 'GET' && path.startsWith('/orders/');
const isOrder = ({ method }: Call) => method === 'POST';
const isOrderList = ({ method, path }: Call) => method === 'GET' && path.startsWith('/orders?');

/** Changes the JSON of successful answers to some calls. */
function body(calls: (call: Call) => boolean, change: (body: Body, call: Call) => object | void): Tamper {
  return async (call, pass) => {
    const reply = await pass(call);
    if (!calls(call) || reply.status >= 300 || reply.text === '') return reply;
    const before = JSON.parse(reply.text) as Body;
    return { ...reply, text: JSON.stringify(change(before, call) ?? before) };
  };
}

/** Changes the first row of every page. */
const firstRow = (change: object) => () =>
  body(isStock, (page) => {
    if (page.items.length > 0) Object.assign(page.items[0]!, change);
  });

/** Changes the lines of a feed's file. */
function lines(change: (lines: object[]) => object[]): Tamper {
  return async (call, pass) => {
    const reply = await pass(call);
    if (!isStock(call) || reply.status !== 200) return reply;
    const file = reply.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    return {
      ...reply,
      text: change(file)
        .map((line) => `${JSON.stringify(line)}\n`)
        .join(''),
    };
  };
}

/** Answers some calls by itself. */
const answers = (calls: (call: Call) => boolean, reply: Partial<Reply>) => (): Tamper => async (call, pass) =>
  calls(call) ? { status: 200, headers: {}, text: '{}', ...reply } : pass(call);

const referenceIn = ({ path }: Call) => decodeURIComponent(path.split('/').at(-1)!);

/** The same order under a reference of its own. */
function renamed(call: Call, order: Body, times: number): Call {
  const reference = `${order.reference}-${times}`;
  const headers = { ...call.headers, 'idempotency-key': reference };
  return { ...call, headers, body: JSON.stringify({ ...order, reference }) };
}

export const FAULTS: PlantedFault[] = [
  rest('no asOf', 'stock-time', () => body(isStock, (page) => void delete page.asOf)),
  rest('an asOf in words', 'stock-time', () => body(isStock, (page) => void (page.asOf = 'just now'))),
  rest('an asOf in local time', 'stock-time', () =>
    body(isStock, (page) => void (page.asOf = page.asOf!.slice(0, -1))),
  ),
  rest('an asOf of each page', 'stock-time-constant', () => {
    let pages = 0;
    return body(isStock, (page) => void (page.asOf = new Date(Date.parse(page.asOf!) + ++pages).toISOString()));
  }),
  rest('an asOf that runs ahead of its stock', 'stock-contains-order', () =>
    body(isStock, (page) => ({ ...page, items: page.items.map((row) => ({ ...row, quantity: 50 })) })),
  ),
  rest('a cursor that leads back', 'stock-pages', () =>
    body(
      (call) => call.path.includes('cursor='),
      (page, { path }) => {
        page.nextCursor = new URL(path, 'http://vendor').searchParams.get('cursor');
      },
    ),
  ),
  rest('pages that lose a row', 'stock-pages', () =>
    body(
      (call) => call.path.includes('cursor='),
      (page) => void page.items.shift(),
    ),
  ),
  rest('a SKU that comes twice', 'skus-once', () => body(isStock, (page) => void page.items.push(page.items[0]!))),
  rest('an empty SKU', 'skus', firstRow({ sku: '' })),
  rest('a price with three decimals', 'prices', firstRow({ price: 19.999 })),
  rest('a negative price', 'prices', firstRow({ price: '-1.00' })),
  rest('a negative quantity', 'quantities', firstRow({ quantity: -1 })),
  rest('half a piece', 'quantities', firstRow({ quantity: 0.5 })),
  rest('a validator that changes each time', 'etag-holds', () => {
    let times = 0;
    return async ({ headers: { 'if-none-match': _, ...headers }, ...call }, pass) => {
      const reply = await pass({ ...call, headers });
      return { ...reply, headers: { ...reply.headers, etag: `"${++times}"` } };
    };
  }),
  rest('a validator that holds for ever', 'etag-follows-stock', () => async (call, pass) => {
    if (call.headers['if-none-match'] !== undefined) return { status: 304, headers: {}, text: '' };
    const reply = await pass(call);
    return isStock(call) ? { ...reply, headers: { ...reply.headers, etag: '"for-ever"' } } : reply;
  }),
  rest('deltas that lack a change', 'delta-names-change', () => body(isDelta, (page) => void (page.items = []))),
  rest(
    'deltas that begin from the beginning',
    'delta-goes-on',
    () => async (call, pass) => pass({ ...call, path: call.path.replace(/&updatedSince=[^&]*/, '') }),
  ),
  rest('a listing for people', 'stock-answers', answers(isStock, { text: '<h1>Stock</h1>' })),
  rest('a listing that is an error', 'errors-have-status', answers(isStock, { text: '{"error":"try again"}' })),
  rest('orders that are errors', 'errors-have-status', answers(isOrder, { text: '{"error":"try again"}' })),
  rest('a listing elsewhere', 'no-redirects', answers(isStock, { status: 302, headers: { location: '/elsewhere' } })),
  rest('a listing that hangs now and then', 'answers-in-time', () => {
    let calls = 0;
    return async (call, pass) => (++calls === 1 ? 'hang' : pass(call));
  }),
  rest('a rate limit without Retry-After', 'retry-after', () => {
    let calls = 0;
    return async (call, pass) => (++calls === 1 ? { status: 429, headers: {}, text: '{}' } : pass(call));
  }),
  rest(
    'no lock on its door',
    'credential-asked-for',
    () => async (call, pass) => pass({ ...call, headers: { ...call.headers, authorization: 'Bearer secret-4711' } }),
  ),
  rest('a second purchase for a repeated reference', 'order-repeated', () => {
    const seen: string[] = [];
    return async (call, pass) => {
      if (!isOrder(call)) return pass(call);
      const order = JSON.parse(call.body) as Body;
      seen.push(order.reference);
      const times = seen.filter((reference) => reference === order.reference).length;
      return pass(times > 1 ? renamed(call, order, times) : call);
    };
  }),
  rest('books that show nothing', 'order-found', answers(isLookUp, { status: 404 })),
  rest('refusals without a code', 'refusal-has-code', () => async (call, pass) => {
    const reply = await pass(call);
    return reply.status === 422 ? { ...reply, text: '{"message":"no"}' } : reply;
  }),
  rest('orders accepted beyond its stock', 'out-of-stock-refused', () => async (call, pass) => {
    const reply = await pass(call);
    const sold = { vendorOrderId: 'V-1', acceptedAt: '2026-01-01T00:00:00.000Z' };
    return reply.text.includes('OUT_OF_STOCK') ? { ...reply, status: 201, text: JSON.stringify(sold) } : reply;
  }),
  rest(
    'cancellations that it only says',
    'order-cancelled',
    answers(({ method }) => method === 'DELETE', { status: 204 }),
  ),
  rest('cancelled references that buy', 'cancelled-stays-closed', () => {
    const closed = new Set<string>();
    return async (call, pass) => {
      if (call.method === 'DELETE') closed.add(referenceIn(call));
      if (!isOrder(call)) return pass(call);
      const order = JSON.parse(call.body) as Body;
      return pass(closed.has(order.reference) ? renamed(call, order, 2) : call);
    };
  }),
  rest('unseen references that only seem closed', 'unseen-closes', () => async (call, pass) => {
    const reply = call.method === 'DELETE' ? await pass({ ...call, method: 'GET' }) : undefined;
    return reply?.status === 404 ? { status: 204, headers: {}, text: '' } : pass(call);
  }),
  rest('a welcome for every reference', 'unseen-not-found', answers(isLookUp, {})),
  rest('a page for every order it does not have', 'not-found-has-code', () => async (call, pass) => {
    const reply = await pass(call);
    return reply.status === 404 ? { ...reply, text: '<h1>Not Found</h1>' } : reply;
  }),
  {
    kind: 'wholesale',
    fault: 'cents in fractions',
    found: 'prices',
    tamper: firstRow({ price_cents: 1999.5 }),
  },
  {
    kind: 'wholesale',
    fault: 'a count that is wrong',
    found: 'stock-pages',
    tamper: () =>
      body(
        (call) => isStock(call) && !isDelta(call),
        (page) => void (page.total_items += 1),
      ),
  },
  {
    kind: 'wholesale',
    fault: 'changes that begin from the beginning',
    found: 'delta-goes-on',
    tamper: () => async (call, pass) => {
      if (!isDelta(call)) return pass(call);
      const whole = await pass({ ...call, path: '/inventory?page=1&page_size=1000' });
      return { ...whole, text: JSON.stringify({ ...(JSON.parse(whole.text) as Body), has_more: false }) };
    },
  },
  {
    kind: 'wholesale',
    fault: 'changes that stand still',
    found: 'delta-goes-on',
    tamper: () => body(isDelta, (page) => void (page.has_more = true)),
  },
  { kind: 'feed', fault: 'a file cut short', found: 'stock-pages', tamper: () => lines((file) => file.slice(0, -1)) },
  {
    kind: 'feed',
    fault: 'a file without its time',
    found: 'stock-time',
    tamper: () => lines((file) => [{}, ...file.slice(1)]),
  },
  {
    kind: 'feed',
    fault: 'a count that is wrong',
    found: 'stock-pages',
    tamper: () => lines((file) => [...file.slice(0, -1), { end: true, count: 1 }]),
  },
  rest('a list of orders with gaps', 'list-shows-order', () => body(isOrderList, (list) => ({ ...list, items: [] }))),
  rest('a list that shows an order twice', 'list-pages', () =>
    body(isOrderList, (list) => ({ ...list, items: [...list.items, ...list.items] })),
  ),
  rest('a list of all orders, whatever time is asked for', 'list-keeps-to-time', () => {
    const all: Body[] = [];
    return body(isOrderList, (list) => {
      all.push(...list.items);
      return { ...list, items: [...all] };
    });
  }),
  rest('a list that knows no cancellation', 'list-shows-cancelled', () =>
    body(isOrderList, (list) => ({ ...list, items: list.items.map((item) => ({ ...item, status: 'accepted' })) })),
  ),
  {
    kind: 'feed',
    fault: 'orders that stay queued for ever',
    found: 'order-accepted',
    tamper: () =>
      body(
        ({ path }) => path.startsWith('/orders/'),
        (order) => ({ orderRef: order.orderRef, state: 'perhaps' }),
      ),
  },
];

function rest(fault: string, found: string, tamper: () => Tamper): PlantedFault {
  return { kind: 'rest', fault, found, tamper };
}
