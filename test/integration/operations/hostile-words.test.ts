import { CaseQueries } from '../../../src/operations/reconciliation/case-queries';
import { Reconciliation } from '../../../src/operations/reconciliation/reconciliation';
import { RunQueries } from '../../../src/operations/reconciliation/run-queries';
import { Dispatch } from '../../../src/orders/fulfilment/dispatch';
import { OrderQueries } from '../../../src/orders/order-queries';
import { Placement } from '../../../src/orders/placement/placement';
import { Breaker } from '../../../src/vendors/breaker/breaker';
import { createApp, type TestApp } from '../../support/app';
import { ScriptedVendor } from '../../support/scripted-vendor';
import { DIALECTS, type DialectWords } from '../../support/dialect-words';

/** What no column may take, or no terminal may show. One of the long two has a pair across any place where text is cut. */
const HOSTILE: Record<string, string> = {
  'the first half of a pair': 'a\ud83d',
  'the second half of a pair': '\udea7a',
  'halves in the wrong order': 'a\udea7\ud83db',
  NUL: 'a\0b',
  'orders to a terminal': 'a\u001b[2J\u0007b',
  'C1 controls': 'a\u009b2Jb\u0085',
  'turned writing': 'a\u202eb\u2066c\u200f',
  'escapes that look like characters': String.raw`a\u0000\ud83d`,
  'pairs everywhere': '🚧'.repeat(700),
  'pairs everywhere, one place on': `x${'🚧'.repeat(700)}`,
};
/** Some 5 s on a machine with nothing else to do. */
const FORTY_ORDERS_MS_MAX = 180_000;
const UNSAFE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;
const WRITTEN = [
  'order_events',
  'dispatch_attempts',
  'reconciliation_cases',
  'reconciliation_parts',
  'stock_sync_runs',
  'dead_letters',
  'orders',
];

describe.each(Object.entries(DIALECTS))('words of a %s vendor', (kind, words: DialectWords) => {
  let app: TestApp;
  let vendor: ScriptedVendor;

  beforeEach(async () => {
    app = await createApp({ VENDOR_TIMEOUT_MS: '2000', DELIVERY_ATTEMPTS_MAX: '1' });
    // It would be left alone for what it says, and then nobody would ask for more of it.
    jest.spyOn(Breaker.prototype, 'note').mockResolvedValue(undefined);
    vendor = await ScriptedVendor.listen();
    await app.register({ vendorId: 'acme', baseUrl: vendor.baseUrl, kind });
    stock({ sku: 'A-1' });
    await app.sync('acme');
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await vendor.close();
    await app.close();
  });

  function stock(...rows: Parameters<DialectWords['listing']>[0]): void {
    const answer = words.listing(rows);
    vendor.onStock = () => answer;
    vendor.onLookUp = ({ path }) => (path.includes('order') ? { status: 500 } : answer);
  }

  const referenceOf = (path: string) => decodeURIComponent(path.split('/').at(-1)!);

  async function place(): Promise<string> {
    const placement = app.context.get(Placement);
    const { order } = await placement.place({ productId: 'acme:A-1', quantity: 1 }, { client: 'test' });
    for (const message of await app.takeMessages()) await app.context.get(Dispatch).dispatch(message);
    return order.orderId;
  }

  async function reconcile() {
    const runId = await app.context.get(RunQueries).request('acme', false, 'desk');
    const reconciliation = app.context.get(Reconciliation);
    await reconciliation.run((await reconciliation.claim())!, new AbortController().signal);
    return app.context.get(RunQueries).get(runId);
  }

  async function seeThatAllIsSafe(): Promise<void> {
    for (const table of WRITTEN) {
      const found = await app.dataSource.query<{ row: object }[]>(`SELECT to_jsonb(t) AS row FROM ${table} t`);
      for (const text of textsIn(found))
        expect({ table, text, unsafe: UNSAFE.test(text) }).toMatchObject({ unsafe: false });
    }
    const queries = app.context.get(OrderQueries);
    for (const { order_id: orderId } of await app.dataSource.query<{ order_id: string }[]>(
      'SELECT order_id FROM orders',
    )) {
      for (const text of textsIn([await queries.get(orderId), await queries.events(orderId)])) {
        expect(UNSAFE.test(text)).toBe(false);
      }
    }
    for (const text of textsIn(await app.context.get(CaseQueries).list({ limit: 200 }))) {
      expect(UNSAFE.test(text)).toBe(false);
    }
  }

  it('are kept where they name what it accepted, the same each time it is asked', async () => {
    const ids: string[] = [];
    for (const hostile of Object.values(HOSTILE)) {
      vendor.onPurchase = ({ body }) => ({
        status: 201,
        body: words.accepted(words.referenceIn(body), hostile.slice(0, 30)),
      });
      ids.push(await place());
    }
    const names = new Map(ids.map((orderId, index) => [orderId, Object.values(HOSTILE)[index]!.slice(0, 30)]));
    vendor.onLookUp = ({ path }) => {
      const reference = referenceOf(path);
      return { status: 200, body: words.accepted(reference, names.get(reference)!) };
    };
    expect(await reconcile()).toMatchObject({ status: 'succeeded', compared: ids.length, found: 0 });
    await seeThatAllIsSafe();
  });

  it('are told where it refuses', async () => {
    for (const hostile of Object.values(HOSTILE)) {
      vendor.onPurchase = () => ({ status: 409, body: words.refused(hostile, hostile) });
      const orderId = await place();
      expect(await app.context.get(OrderQueries).get(orderId)).toMatchObject({ status: 'failed' });
    }
    await seeThatAllIsSafe();
  });

  it(
    'are evidence of a case, whatever they are',
    async () => {
      const said = Object.values(HOSTILE).flatMap((hostile) => [
        () => ({ status: 200, body: hostile }),
        () => ({ status: 200, body: 'x'.repeat(246) + hostile }),
        (reference: string) => ({ status: 200, body: words.rejected(reference, hostile, hostile) }),
        (reference: string) => ({ status: 200, body: words.accepted(reference, hostile.slice(0, 30)) }),
      ]);
      const answers = new Map<string, (typeof said)[number]>();
      vendor.onPurchase = () => ({ status: 500, body: HOSTILE['the first half of a pair'] });
      for (const answer of said) answers.set(await place(), answer);
      await app.dataSource.query(
        `UPDATE orders SET needs_attention = true, attention_reason = 'It was given up.', claimed_until = NULL`,
      );
      await app.dataSource.query(`UPDATE dispatch_attempts SET deadline_at = deadline_at - interval '1 hour'`);
      vendor.onLookUp = ({ path }) => answers.get(referenceOf(path))!(referenceOf(path));
      expect(await reconcile()).toMatchObject({ status: 'succeeded', failed: 0, opened: said.length });
      // Asked again, it says the same of each.
      expect(await reconcile()).toMatchObject({ status: 'succeeded', failed: 0, opened: 0, found: said.length });
      await seeThatAllIsSafe();
    },
    FORTY_ORDERS_MS_MAX,
  );

  it('reject their row of a listing, and end no sync', async () => {
    const hostile = Object.values(HOSTILE);
    stock(
      { sku: 'A-1' },
      ...hostile.flatMap((text, index) => [
        { sku: text },
        { sku: `N-${index}`, name: text },
        { sku: `Q-${index}`, quantity: text },
        { sku: `P-${index}`, price: text },
        { sku: `${text.slice(0, 30)}-${index}`, price: text },
      ]),
    );
    const result = await app.sync('acme');
    expect(result).toMatchObject({ status: 'succeeded', seen: 1 + 5 * hostile.length });
    await seeThatAllIsSafe();
  });
});

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}
