import { Client, type QueryConfig } from 'pg';
import { AcceptanceRepository } from '../../../src/orders/fulfilment/acceptance.repository';
import { createApp, type TestApp } from '../../support/app';

interface PlanNode {
  'Relation Name'?: string;
  'Node Type': string;
  'Index Cond'?: string;
  Plans?: PlanNode[];
}

describe('the statement that records an acceptance', () => {
  let app: TestApp;

  beforeEach(async () => {
    app = await createApp();
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await app.close();
  });

  const nodes = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodes)];

  it('finds the attempts of the order by its id, while the table has no statistics', async () => {
    const query = jest.spyOn(Client.prototype, 'query');
    const claim = { vendorId: 'acme', productId: 'acme:A', orderId: 'nobody', token: '1' };
    const accepted = { vendorOrderId: 'v1', acceptedAt: new Date() };
    await app.context
      .get(AcceptanceRepository)
      .complete(
        app.dataSource.manager,
        claim as Parameters<AcceptanceRepository['complete']>[1],
        accepted as never,
        '',
      );
    const { text, values } = (query.mock.calls as unknown as [QueryConfig][])
      .map(([config]) => config)
      .find(({ name }) => name === 'complete-accepted')!;
    const plan: PlanNode = await app.dataSource.transaction(async (tx) => {
      await tx.query('SET LOCAL plan_cache_mode = force_generic_plan');
      return (await tx.query(`EXPLAIN (FORMAT JSON) ${text}`, values))[0]['QUERY PLAN'][0].Plan;
    });
    const reads = nodes(plan).filter(
      (node) => node['Relation Name'] === 'dispatch_attempts' && node['Node Type'] !== 'ModifyTable',
    );
    expect(reads.length).toBeGreaterThanOrEqual(2);
    for (const read of reads)
      expect(JSON.stringify([read['Node Type'], read['Index Cond'], read.Plans])).toContain('(order_id)::text = ');
  });
});
