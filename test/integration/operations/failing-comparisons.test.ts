import { CaseRepository } from '../../../src/operations/reconciliation/case.repository';
import type { Finding } from '../../../src/operations/reconciliation/case';
import { Reconciler } from '../../../src/operations/reconciliation/reconciler';
import { type Desk, openDesk } from '../../support/desk';

/** One order that cannot be compared is that order's matter. */
describe('an order that cannot be compared', () => {
  let desk: Desk;

  beforeEach(async () => {
    desk = await openDesk();
  });

  afterEach(() => desk.close());

  async function giveUp(count: number): Promise<string[]> {
    const orderIds: string[] = [];
    for (let index = 0; index < count; index++) orderIds.push(await desk.place());
    await desk.query('DELETE FROM outbox');
    await desk.query(`UPDATE orders SET needs_attention = true, attention_reason = 'why'`);
    return orderIds;
  }

  /** As PostgreSQL would refuse a text that nobody thought of. */
  function cannotBeFiled(...orderIds: string[]): jest.SpyInstance {
    const repository = desk.app.context.get(CaseRepository);
    const file = repository.file.bind(repository);
    return jest.spyOn(repository, 'file').mockImplementation((tx, vendorId, finding: Finding) => {
      if (!orderIds.includes(finding.orderId!)) return file(tx, vendorId, finding);
      return tx.query<never>(`SELECT '{"d":"\\ud83d"}'::jsonb`);
    });
  }

  it('is noted and skipped, and is compared by a later run', async () => {
    const [first, second, third] = (await giveUp(3)) as [string, string, string];
    const spy = cannotBeFiled(second);
    const run = await desk.reconcile();
    expect(run).toMatchObject({
      status: 'incomplete',
      failed: 1,
      opened: 2,
      parts: [
        {
          failed: 1,
          failures: [{ orderId: second, reason: expect.stringMatching(/invalid input syntax for type json/) }],
          note: expect.stringContaining(second),
        },
      ],
    });
    expect((await desk.open()).map(({ orderId }) => orderId).toSorted()).toEqual([first, third].toSorted());
    spy.mockRestore();
    expect(await desk.reconcile()).toMatchObject({ status: 'succeeded', failed: 0, opened: 1 });
    expect(await desk.query('SELECT FROM reconciliation_failures')).toEqual([]);
  });

  it('is not asked about every quarter of a minute while it waits for an operator', async () => {
    const [only] = (await giveUp(1)) as [string];
    const attention = () => desk.query(`SELECT FROM reconciliation_runs WHERE trigger = 'attention'`);
    const turn = async () => {
      await desk.query(`DELETE FROM leases WHERE name = 'attend'`);
      await desk.app.context.get(Reconciler).scheduleDue();
      await desk.query('DELETE FROM reconciliation_parts');
    };
    // The hourly run first.
    await turn();
    await turn();
    expect(await attention()).toHaveLength(1);
    const spy = cannotBeFiled(only);
    await desk.reconcile();
    await turn();
    expect(await attention()).toHaveLength(1);
    await desk.query(`UPDATE reconciliation_failures SET failed_at = failed_at - interval '1 hour'`);
    spy.mockRestore();
    await turn();
    expect(await attention()).toHaveLength(2);
  });

  it('is no longer the only one where none can be compared: the part is broken off as failed', async () => {
    cannotBeFiled(...(await giveUp(50)));
    await desk.query(
      `INSERT INTO orders SELECT (jsonb_populate_record(o, jsonb_build_object('order_id',
         overlay(o.order_id PLACING 'beef' FROM 33)))).* FROM orders o`,
    );
    const all = (await desk.query<{ id: string }>('SELECT order_id AS id FROM orders')).map(({ id }) => id);
    jest.restoreAllMocks();
    cannotBeFiled(...all);
    const run = await desk.reconcile();
    expect(run).toMatchObject({ status: 'failed', failed: 100 });
    expect(run.parts[0]!.note).toMatch(/100 orders could not be compared/);
  });
});
