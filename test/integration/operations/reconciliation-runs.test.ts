import { setTimeout as pause } from 'node:timers/promises';
import { DeadLetterRepository } from '../../../src/messaging/dead-letters/dead-letter.repository';
import { CandidateRepository } from '../../../src/operations/reconciliation/candidate.repository';
import { Reconciler } from '../../../src/operations/reconciliation/reconciler';
import { ReconciliationMetrics } from '../../../src/operations/reconciliation/reconciliation-metrics';
import { Reconciliation } from '../../../src/operations/reconciliation/reconciliation';
import type { Run } from '../../../src/operations/reconciliation/run';
import { RunQueries } from '../../../src/operations/reconciliation/run-queries';
import { type ClaimedPart, PartRepository } from '../../../src/operations/reconciliation/part.repository';
import { SpareCalls } from '../../../src/vendors/spare-calls';
import { type Desk, openDesk } from '../../support/desk';
import { waitFor } from '../../support/wait';

const letterOf = (orderId: string, payload: Record<string, unknown>) => ({
  vendorId: 'acme',
  orderId,
  cause: 'Its attempts are used up.',
  payload,
});

const NEVER = new AbortController().signal;

describe('a reconciliation run', () => {
  let desk: Desk;

  beforeEach(async () => {
    desk = await openDesk();
  });

  afterEach(() => desk.close());

  const get = <Service>(token: new (...args: never[]) => Service): Service => desk.app.context.get(token);
  const request = (vendorId?: string, dryRun = false) => get(RunQueries).request(vendorId, dryRun, 'desk');
  const runs = async (): Promise<Run[]> => (await get(RunQueries).list({ limit: 50 })).map(({ run }) => run);
  const tables = async () => {
    const digests = await desk.query<{ digest: string }>(
      `SELECT concat_ws(' ', (SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM orders t),
         (SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM order_events t),
         (SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM products t),
         (SELECT count(*) FROM reconciliation_cases), (SELECT count(*) FROM outbox),
         (SELECT count(*) FROM reconciliation_marks), (SELECT count(*) FROM reconciliation_revisits)) AS digest`,
    );
    return digests[0]!.digest;
  };

  /** Takes every part that waits, and runs it to its end. */
  async function work(): Promise<ClaimedPart[]> {
    const parts: ClaimedPart[] = [];
    for (let part = await get(Reconciliation).claim(); part; part = await get(Reconciliation).claim()) {
      parts.push(part);
      await get(Reconciliation).run(part, NEVER);
    }
    return parts;
  }

  const timesStruck = async (fault: string) => {
    const answer = await fetch(`${desk.vendor.baseUrl}/_faults`);
    return ((await answer.json()) as Record<string, { fired: number }>)[fault]!.fired;
  };

  /** A difference of the vendor's books and one of ours. */
  async function plant(): Promise<string> {
    const orderId = await desk.placeAndDispatch();
    await desk.cancelAtVendor(orderId);
    await desk.query(`UPDATE products SET reserved_quantity = reserved_quantity + 1 WHERE sku = 'A-2'`);
    return orderId;
  }

  it('that is dry tells what it would find, and writes nothing', async () => {
    const orderId = await plant();
    const before = await tables();
    const run = await desk.reconcile({ dryRun: true });
    expect(run).toMatchObject({
      dryRun: true,
      status: 'succeeded',
      compared: 1,
      found: 2,
      opened: 2,
      closed: 0,
      requestedBy: 'desk',
      parts: [
        {
          vendorId: 'acme',
          findings: [
            { kind: 'reservedDiffers', orderId: null, productId: 'acme:A-2', case: 'opened' },
            { kind: 'completedButRefused', orderId, productId: 'acme:A-1', case: 'opened' },
          ],
        },
      ],
    });
    expect(await tables()).toBe(before);
    await desk.reconcile();
    expect(await desk.reconcile({ dryRun: true })).toMatchObject({ found: 2, opened: 0 });
  });

  it('that is repeated refreshes the open case, and closes what is no longer so', async () => {
    const orderId = await plant();
    await desk.reconcile();
    const [first] = (await desk.open()).filter((found) => found.kind === 'reservedDiffers');
    await desk.query(`UPDATE products SET reserved_quantity = reserved_quantity + 1 WHERE sku = 'A-2'`);
    expect(await desk.reconcile()).toMatchObject({ found: 2, opened: 0 });
    const [second] = (await desk.open()).filter((found) => found.kind === 'reservedDiffers');
    expect(second).toMatchObject({ caseId: first!.caseId, evidence: { reservedQuantity: 2 } });
    expect(second!.checkedAt > first!.checkedAt).toBe(true);
    await desk.query(`UPDATE products SET reserved_quantity = 0 WHERE sku = 'A-2'`);
    await desk.query(`UPDATE orders SET status = 'failed', failure_reason = 'CANCELLED', hold_state = 'released'`);
    await desk.query(`UPDATE products SET reserved_quantity = 0`);
    expect(await desk.reconcile()).toMatchObject({ found: 0, closed: 2 });
    expect(
      await desk.query('SELECT resolution, actor, note FROM reconciliation_cases WHERE order_id = $1', [orderId]),
    ).toEqual([{ resolution: 'gone', actor: 'system', note: expect.stringContaining('gone') }]);
  });

  it('that waits for a worker is as good as one that asks the same', async () => {
    const asked = await Promise.all(Array.from({ length: 5 }, () => request('acme')));
    expect(new Set(asked).size).toBe(1);
    expect(await request('acme', true)).not.toBe(asked[0]);
    expect(await request()).not.toBe(asked[0]);
    expect(await runs()).toHaveLength(3);
    await work();
    expect(await request('acme')).not.toBe(asked[0]);
    await expect(request('nobody')).rejects.toMatchObject({ code: 'VENDOR_NOT_FOUND' });
  });

  it('over every vendor has a part for each, and one of them that is away does not keep the others', async () => {
    await desk.app.register({ vendorId: 'globex', baseUrl: 'http://127.0.0.1:9' });
    await plant();
    const run = await request();
    expect((await get(RunQueries).get(run)).status).toBe('pending');
    await work();
    expect(await get(RunQueries).get(run)).toMatchObject({
      status: 'incomplete',
      vendorId: null,
      opened: 2,
      parts: [
        { vendorId: 'acme', status: 'succeeded' },
        { vendorId: 'globex', status: 'incomplete', compared: 0, note: expect.stringMatching(/could not be read/) },
      ],
    });
  });

  it('of a vendor is run by one worker at a time, whoever asks', async () => {
    await request('acme');
    await request('acme', true);
    await request();
    const runsBy = [get(PartRepository), (await desk.app.another()).get(PartRepository)];
    const claim = () => Promise.all(runsBy.map((each) => each.claim(desk.app.dataSource.manager, 60_000)));
    const claimed = [...(await claim()), ...(await claim())].filter((part) => part !== undefined);
    expect(claimed).toHaveLength(1);
    await get(PartRepository).giveBack(desk.app.dataSource.manager, claimed[0]!);
    expect((await work()).map(({ vendorId }) => vendorId)).toEqual(['acme', 'acme', 'acme']);
  });

  it('whose worker dies is taken over, from the beginning, and the dead one writes nothing more', async () => {
    const orderId = await plant();
    await request('acme');
    const dead = (await get(Reconciliation).claim())!;
    expect(await get(Reconciliation).claim()).toBeUndefined();
    // It is frozen in the midst of its work, and wakes up when another has its part.
    const candidates = get(CandidateRepository);
    const before = candidates.before.bind(candidates);
    let wake = (): void => undefined;
    const frozen = new Promise<void>((resolve) => (wake = resolve));
    let isFrozen = false;
    jest.spyOn(candidates, 'before').mockImplementationOnce(async (...args) => {
      isFrozen = true;
      await frozen;
      return before(...args);
    });
    const running = get(Reconciliation).run(dead, NEVER);
    await waitFor(() => isFrozen, { withinMs: 5000, what: 'the worker to freeze' });
    await desk.query(`UPDATE reconciliation_parts SET leased_until = now() - interval '1 s'`);
    const another = (await desk.app.another()).get(Reconciliation);
    const part = (await another.claim())!;
    expect(part).toMatchObject({ reconciliationRunId: dead.reconciliationRunId, vendorId: 'acme' });
    await another.run(part, NEVER);
    const [run] = await runs();
    expect(run).toMatchObject({ status: 'succeeded', compared: 1 });
    wake();
    await running;
    expect((await runs())[0]).toEqual(run);
    expect((await desk.open()).filter((found) => found.orderId === orderId)).toHaveLength(1);
  });

  it('that is broken off by a shutdown is left to others', async () => {
    await plant();
    await request('acme');
    const stopping = new AbortController();
    stopping.abort();
    await get(Reconciliation).run((await get(Reconciliation).claim())!, stopping.signal);
    expect((await runs())[0]).toMatchObject({ status: 'pending', finishedAt: null });
    await work();
    expect((await runs())[0]).toMatchObject({ status: 'succeeded', opened: 2 });
  });

  it('that breaks off says why', async () => {
    await desk.placeAndDispatch();
    jest.spyOn(get(CandidateRepository), 'before').mockRejectedValue(new Error('no such thing'));
    expect(await desk.reconcile()).toMatchObject({
      status: 'failed',
      parts: [{ note: 'It broke off: no such thing' }],
    });
  });

  describe('keeps to what the vendor allows:', () => {
    it('it is not asked while it is paused, or its breaker is open', async () => {
      const orderId = await desk.placeAndDispatch();
      await desk.cancelAtVendor(orderId);
      await desk.query('UPDATE vendors SET paused = true');
      expect(await desk.reconcile()).toMatchObject({
        status: 'incomplete',
        compared: 0,
        found: 0,
        parts: [{ note: expect.stringContaining('paused') }],
      });
      await desk.query('UPDATE vendors SET paused = false');
      await desk.query(
        `INSERT INTO vendor_breakers (vendor_id, operation, opening, pauses, open_until)
         VALUES ('acme', 'orders', 1, 1, now() + interval '1 minute')`,
      );
      expect(await desk.reconcile()).toMatchObject({ status: 'incomplete', compared: 0 });
      await desk.query(`UPDATE vendor_breakers SET open_until = now()`);
      // Half open: the look-up is the probe.
      expect(await desk.reconcile()).toMatchObject({ status: 'succeeded', compared: 1, opened: 1 });
      expect(await desk.query('SELECT open_until FROM vendor_breakers')).toEqual([{ open_until: null }]);
    });

    it('each look-up has one of its slots', async () => {
      await desk.placeAndDispatch();
      await desk.query('UPDATE vendors SET max_concurrent_orders = 1');
      await desk.query(`UPDATE vendor_slots SET token = 1, leased_until = now() + interval '1 minute'`);
      let ended = false;
      const run = desk.reconcile().finally(() => (ended = true));
      await waitFor(
        async () => (await desk.query(`SELECT FROM reconciliation_parts WHERE status = 'running'`)).length === 1,
        {
          withinMs: 5000,
          what: 'the part to run',
        },
      );
      expect(ended).toBe(false);
      await desk.query('UPDATE vendor_slots SET token = NULL, leased_until = NULL');
      expect(await run).toMatchObject({ status: 'succeeded', compared: 1 });
      expect(await desk.query('SELECT FROM vendor_slots WHERE token IS NOT NULL')).toEqual([]);
    });

    it('after a rate limit or two it is left alone', async () => {
      for (let order = 0; order < 6; order++) await desk.placeAndDispatch();
      await desk.vendor.faults({ tooManyRequests: { operation: 'lookup' } });
      expect(await desk.reconcile()).toMatchObject({
        status: 'incomplete',
        compared: 0,
        parts: [{ note: 'Not every order was compared: acme asks us to wait.' }],
      });
      // All six at once, and then one by one, not all of them again and again.
      expect(await timesStruck('tooManyRequests')).toBeLessThan(2 * 6);
      await desk.vendor.faults({});
      await desk.vendor.faults({ tooManyRequests: { operation: 'lookup', count: 7 } });
      // What was limited was not answered: it is asked again.
      expect(await desk.reconcile()).toMatchObject({ status: 'succeeded', compared: 6 });
    });

    it('several are asked for at once while another slot is free for orders, and one beside orders', async () => {
      for (let order = 0; order < 12; order++) await desk.placeAndDispatch();
      const used = async (slots: number, byOrders: number, expected: number) => {
        await desk.query('UPDATE vendors SET max_concurrent_orders = $1', [slots]);
        await desk.query(
          `UPDATE vendor_slots SET token = CASE WHEN slot <= $1 THEN 1 END,
             leased_until = CASE WHEN slot <= $1 THEN now() + interval '1 minute' END`,
          [byOrders],
        );
        const most = watchLookUps(expected);
        expect(await desk.reconcile()).toMatchObject({ status: 'succeeded', compared: 12 });
        return most();
      };
      expect(await used(8, 0, 8)).toBe(8);
      // The fourth is the one that waits its turn, and rests.
      expect(await used(4, 0, 4)).toBe(4);
      expect(await used(4, 3, 1)).toBe(1);
      expect(await used(1, 0, 1)).toBe(1);
    });

    /** Answers how many look-ups were under way at once at most. The first ones wait for each other. */
    function watchLookUps(expected: number): () => number {
      let now = 0;
      let most = 0;
      const count = <Call extends () => Promise<unknown>>(call: Call) =>
        (async () => {
          most = Math.max(most, ++now);
          for (let turns = 0; most < expected && turns < 500; turns++) await pause(10);
          await pause(10);
          return call().finally(() => (now -= 1));
        }) as Call;
      const calls = get(SpareCalls);
      jest.restoreAllMocks();
      const [make, makeIfIdle] = [calls.make.bind(calls), calls.makeIfIdle.bind(calls)];
      jest.spyOn(calls, 'make').mockImplementation((vendor, call, signal) => make(vendor, count(call), signal));
      jest.spyOn(calls, 'makeIfIdle').mockImplementation((vendor, call) => makeIfIdle(vendor, count(call)));
      return () => most;
    }

    it('one that fails is left to its breaker', async () => {
      await desk.query('UPDATE vendors SET max_concurrent_orders = 1');
      for (let order = 0; order < 8; order++) await desk.placeAndDispatch();
      await desk.vendor.faults({ error5xx: { operation: 'lookup' } });
      expect(await desk.reconcile()).toMatchObject({ status: 'incomplete', compared: 5, found: 0 });
    });
  });

  describe('by itself', () => {
    const dueAgain = () => desk.query(`UPDATE leases SET leased_until = now()`);
    const age = (orderId: string, by: string) =>
      desk.query(
        `UPDATE orders SET created_at = created_at - $2::interval, updated_at = updated_at - $2::interval WHERE order_id = $1`,
        [orderId, by],
      );

    it('is begun every hour, for vendors for which none waits, by one worker', async () => {
      const another = await desk.app.another();
      await Promise.all([get(Reconciler).scheduleDue(), another.get(Reconciler).scheduleDue()]);
      expect(await runs()).toMatchObject([{ trigger: 'schedule', requestedBy: null, parts: [{ vendorId: 'acme' }] }]);
      await dueAgain();
      await get(Reconciler).scheduleDue();
      expect((await runs()).map(({ parts }) => parts.length)).toEqual([0, 1]);
    });

    it('compares each order once, an hour after it was decided', async () => {
      const [old, late, fresh] = [
        await desk.placeAndDispatch(),
        await desk.placeAndDispatch(),
        await desk.placeAndDispatch(),
      ];
      await age(old, '2 hours');
      await desk.query(`UPDATE orders SET created_at = created_at - interval '3 hours' WHERE order_id = $1`, [late]);
      const scheduled = async () => {
        await dueAgain();
        await get(Reconciler).scheduleDue();
        await work();
        return (await runs()).find(({ trigger }) => trigger === 'schedule')!;
      };
      expect(await scheduled()).toMatchObject({ compared: 1, status: 'succeeded' });
      expect(await scheduled()).toMatchObject({ compared: 0 });
      await desk.cancelAtVendor(late);
      await age(late, '1 hour');
      expect(await scheduled()).toMatchObject({ compared: 1, opened: 1 });
      expect(await desk.only('completedButRefused')).toMatchObject({ orderId: late });
      await age(fresh, '90 minutes');
      // The case is looked at again, and the third order for the first time.
      expect(await scheduled()).toMatchObject({ compared: 2, opened: 0 });
      expect(await scheduled()).toMatchObject({ compared: 1 });
    });

    it('comes back to an order of which its vendor could say nothing', async () => {
      const orderId = await desk.placeAndDispatch();
      await age(orderId, '2 hours');
      await desk.vendor.faults({ error5xx: { operation: 'lookup' } });
      await get(Reconciler).scheduleDue();
      await work();
      await desk.vendor.faults({});
      await desk.cancelAtVendor(orderId);
      await dueAgain();
      await get(Reconciler).scheduleDue();
      await work();
      await desk.only('completedButRefused');
      expect(await desk.query('SELECT FROM reconciliation_revisits')).toEqual([]);
    });

    /** Does something beside a look-up. */
    function beside(lookUp: (count: number) => Promise<unknown>): void {
      const calls = get(SpareCalls);
      const make = calls.make.bind(calls);
      let count = 0;
      jest.spyOn(calls, 'makeIfIdle').mockResolvedValue('busy');
      jest.spyOn(calls, 'make').mockImplementation(async (...args) => {
        await lookUp(++count);
        return make(...args);
      });
    }

    it('goes on where its vendor asked us to wait, and not from the start', async () => {
      for (let order = 0; order < 6; order++) await age(await desk.placeAndDispatch(), '2 hours');
      // The first call asks for the list of changed orders.
      beside(async (count) => count === 5 && desk.vendor.faults({ tooManyRequests: { operation: 'lookup' } }));
      await get(Reconciler).scheduleDue();
      await work();
      expect(await runs()).toMatchObject([{ status: 'incomplete', compared: 3 }]);
      jest.restoreAllMocks();
      await desk.vendor.faults({});
      await dueAgain();
      await get(Reconciler).scheduleDue();
      await work();
      // Those that were not reached.
      expect((await runs())[0]).toMatchObject({ status: 'succeeded', compared: 3 });
    });

    it('goes on at once, and not in an hour, where it ended at a limit of its own', async () => {
      for (let order = 0; order < 4; order++) await age(await desk.placeAndDispatch(), '2 hours');
      const attendAgain = () => desk.query(`UPDATE leases SET leased_until = now() WHERE name = 'attend'`);
      await get(Reconciler).scheduleDue();
      const hurried = (await get(Reconciliation).claim())!;
      await get(Reconciliation).run(hurried, NEVER, 0);
      expect(await runs()).toMatchObject([
        { status: 'incomplete', parts: [{ note: expect.stringMatching(/too long/) }] },
      ]);
      await attendAgain();
      await get(Reconciler).scheduleDue();
      await work();
      expect((await runs())[0]).toMatchObject({ trigger: 'schedule', status: 'succeeded', compared: 4 });
      await attendAgain();
      await get(Reconciler).scheduleDue();
      expect(await runs()).toHaveLength(2);
    });

    it('says what it passes over because it is too old, once, and tells the metrics', async () => {
      const metrics = async () => {
        const samples = await get(ReconciliationMetrics).count(desk.app.dataSource.manager);
        return Object.fromEntries(samples.map(({ name, labels, value }) => [`${name} ${labels!['vendor']}`, value]));
      };
      for (let order = 0; order < 3; order++) await age(await desk.placeAndDispatch(), '8 days');
      await age(await desk.placeAndDispatch(), '2 hours');
      expect((await metrics())['holdfast_reconciliation_behind_seconds acme']).toBeGreaterThan(7.9 * 86_400);
      await get(Reconciler).scheduleDue();
      await work();
      expect((await runs())[0]).toMatchObject({
        status: 'incomplete',
        compared: 1,
        skipped: 3,
        parts: [
          { skipped: 3, note: expect.stringMatching(/^3 orders placed before .* were passed over: .* 7 days\.$/) },
        ],
      });
      const told = await metrics();
      expect(told['holdfast_reconciliation_orders_skipped acme']).toBe(3);
      expect(told).not.toHaveProperty(['holdfast_reconciliation_behind_seconds acme']);
      await desk.query(`UPDATE reconciliation_progress SET skipped_at = skipped_at - interval '1 day'`);
      await dueAgain();
      await get(Reconciler).scheduleDue();
      await work();
      expect((await runs())[0]).toMatchObject({ status: 'succeeded', skipped: 0 });
      const later = await metrics();
      expect(later).not.toHaveProperty(['holdfast_reconciliation_orders_skipped acme']);
      const ageSeconds = Date.now() / 1000 - later['holdfast_reconciliation_last_success_timestamp_seconds acme']!;
      expect(Math.abs(ageSeconds)).toBeLessThan(60);
    });

    it('does not call a vendor compared with which it could not compare', async () => {
      await desk.query(`UPDATE vendors SET created_at = now() - interval '3 hours'`);
      await age(await desk.placeAndDispatch(), '2 hours');
      await desk.query('UPDATE vendors SET paused = true');
      await get(Reconciler).scheduleDue();
      await work();
      const samples = await get(ReconciliationMetrics).count(desk.app.dataSource.manager);
      const succeededAt = samples.find(({ name }) => name.endsWith('last_success_timestamp_seconds'))!.value;
      expect(Date.now() / 1000 - succeededAt).toBeGreaterThan(2.9 * 3600);
      expect(samples.find(({ name }) => name.endsWith('behind_seconds'))!.value).toBeGreaterThan(7000);
    });

    it('does not leave who begins to wait for an operator until a long reading has ended', async () => {
      for (let order = 0; order < 3; order++) await age(await desk.placeAndDispatch(), '2 hours');
      const waiting = await desk.place();
      await desk.app.takeMessages();
      // One order a batch, and a quarter of a minute for each.
      const since = get(CandidateRepository).since.bind(get(CandidateRepository));
      jest
        .spyOn(get(CandidateRepository), 'since')
        .mockImplementation((on, vendor, after) => since(on, vendor, after, 1));
      const clock = performance.now.bind(performance);
      let aheadMs = 0;
      jest.spyOn(performance, 'now').mockImplementation(() => clock() + (aheadMs += 4000));
      let openWhileReading = 0;
      beside(async (count) => {
        if (count === 1)
          await desk.query(`UPDATE orders SET needs_attention = true, attention_reason = 'why' WHERE order_id = $1`, [
            waiting,
          ]);
        openWhileReading = (await desk.open()).length;
      });
      await get(Reconciler).scheduleDue();
      await work();
      expect(openWhileReading).toBe(1);
      await desk.only('givenUpAndNotBought');
    });

    it('comes back to an order that moved on while its vendor was asked', async () => {
      const orderId = await desk.placeAndDispatch();
      await age(orderId, '2 hours');
      await desk.cancelAtVendor(orderId);
      beside(() => desk.query(`UPDATE orders SET updated_at = updated_at + interval '1 ms'`));
      await get(Reconciler).scheduleDue();
      await work();
      expect(await desk.open()).toEqual([]);
      jest.restoreAllMocks();
      await dueAgain();
      await get(Reconciler).scheduleDue();
      await work();
      await desk.only('completedButRefused');
    });

    it('leaves open what an operator found when it was younger than it looks for itself', async () => {
      await desk.place('A-1', 3);
      await desk.app.takeMessages();
      await desk.vendor.setStock('A-1', 2);
      await desk.app.sync('acme');
      await desk.reconcile();
      await get(Reconciler).scheduleDue();
      await work();
      await desk.only('soldUnderUs');
    });

    it('looks once more an hour later at what an operator let fail', async () => {
      const orderId = await desk.place();
      await desk.app.takeMessages();
      await desk.query(`UPDATE orders SET needs_attention = true, attention_reason = 'why'`);
      await desk.reconcile();
      await desk.resolve(await desk.only('givenUpAndNotBought'), 'fail');
      // Only now the purchase arrives that everybody had given up.
      const bought = await fetch(`${desk.vendor.baseUrl}/orders`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': orderId },
        body: JSON.stringify({ reference: orderId, sku: 'A-1', quantity: 1 }),
      });
      expect(bought.status).toBe(201);
      await age(orderId, '61 minutes');
      await dueAgain();
      await get(Reconciler).scheduleDue();
      await work();
      await desk.resolve(await desk.only('boughtThoughFailed'), 'cancelAtVendor');
      await desk.dispatchAll();
      expect(await desk.inBooks(orderId)).toBe('cancelled');
    });

    it('opens a case for each order that waits for an operator, soon and once', async () => {
      const orderId = await desk.place();
      await desk.app.takeMessages();
      await get(Reconciler).scheduleDue();
      await work();
      expect(await runs()).toHaveLength(1);
      await desk.query(`UPDATE orders SET needs_attention = true, attention_reason = 'why'`);
      await desk.query(`UPDATE leases SET leased_until = now() WHERE name = 'attend'`);
      await get(Reconciler).scheduleDue();
      await work();
      expect((await runs())[0]).toMatchObject({ trigger: 'attention', opened: 1, compared: 1 });
      expect(await desk.only('givenUpAndNotBought')).toMatchObject({ orderId });
      await desk.query(`UPDATE leases SET leased_until = now() WHERE name = 'attend'`);
      await get(Reconciler).scheduleDue();
      expect(await runs()).toHaveLength(2);
    });

    it('closes the dead letters of orders that were decided meanwhile, and of no others', async () => {
      const [pending, failed] = [await desk.place(), await desk.place()];
      await desk.app.takeMessages();
      await desk.query(`UPDATE orders SET needs_attention = true, attention_reason = 'why'`);
      const letters = get(DeadLetterRepository);
      for (const orderId of [pending, failed])
        await letters.insert(desk.app.dataSource.manager, letterOf(orderId, { orderId }));
      // What could not be read tells of whoever sent it, whatever has become of the order.
      await letters.insert(desk.app.dataSource.manager, letterOf(failed, { rubbish: true }));
      await desk.query(
        `UPDATE orders SET status = 'failed', failure_reason = 'CANCELLED', hold_state = 'released',
         needs_attention = false, attention_reason = NULL WHERE order_id = $1`,
        [failed],
      );
      await get(Reconciler).scheduleDue();
      const found = await desk.query(
        'SELECT order_id, status, decided_by FROM dead_letters ORDER BY created_at, dead_letter_id',
      );
      expect(found).toEqual([
        { order_id: pending, status: 'open', decided_by: null },
        { order_id: failed, status: 'dismissed', decided_by: 'system' },
        { order_id: failed, status: 'open', decided_by: null },
      ]);
    });

    it('closes the cases of what was decided elsewhere: replayed, or accepted as a sync', async () => {
      const orderId = await desk.place();
      await desk.app.takeMessages();
      await desk.query(`UPDATE orders SET needs_attention = true, attention_reason = 'why'`);
      await desk.vendor.faults({ emptySnapshot: {} });
      await desk.app.sync('acme');
      await desk.reconcile();
      expect((await desk.open()).map(({ kind }) => kind).toSorted()).toEqual(['givenUpAndNotBought', 'heldSync']);
      await get(Reconciler).scheduleDue();
      expect(await desk.open()).toHaveLength(2);
      await desk.query('UPDATE orders SET needs_attention = false, attention_reason = NULL');
      // Accepted, it is applied: should that fail, it is held again.
      await desk.query(`UPDATE stock_sync_runs SET status = 'running', finished_at = NULL WHERE status = 'held'`);
      await dueAgain();
      await get(Reconciler).scheduleDue();
      await desk.only('heldSync');
      await desk.query(`UPDATE stock_sync_runs SET status = 'rejected', finished_at = now() WHERE status = 'running'`);
      await dueAgain();
      await get(Reconciler).scheduleDue();
      expect(await desk.open()).toEqual([]);
      expect(await desk.order(orderId)).toMatchObject({ status: 'pending' });
    });

    it('ends the wait of a failed order that its vendor does not have any more', async () => {
      const orderId = await desk.placeAndDispatch();
      await desk.cancelAtVendor(orderId);
      await desk.query(`UPDATE orders SET status = 'failed', failure_reason = 'REFUSED', hold_state = 'released',
        needs_attention = true, attention_reason = 'It has it, and will not cancel it.'`);
      await desk.query('UPDATE products SET reserved_quantity = 0');
      await get(Reconciler).scheduleDue();
      await work();
      expect(await desk.order(orderId)).toMatchObject({ status: 'failed', needsAttention: false });
      expect((await desk.storyOf(orderId)).at(-1)).toBe('recalled');
      expect(await desk.open()).toEqual([]);
    });
  });
});
