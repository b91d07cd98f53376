import { type DeadLetterFilter, DeadLetterQueries } from '../../../src/operations/dead-letters/dead-letter-queries';
import { DeadLetterRepository } from '../../../src/messaging/dead-letters/dead-letter.repository';
import { createApp, type TestApp } from '../../support/app';

const LETTERS = 200_000;
/** Of 8 KiB: a page of 51 letters that lie apart takes one for each, and some for the index. */
const BUFFERS_MAX = 400;

/**
 * Many letters, ten of each instant. The first are an old vendor's, decided; then half are a flooded vendor's, open, and
 * half a big vendor's, decided but for a few; a small vendor has one in a thousand.
 */
describe('listing two hundred thousand dead letters', () => {
  let app: TestApp;
  let queries: DeadLetterQueries;

  beforeAll(async () => {
    app = await createApp();
    queries = app.context.get(DeadLetterQueries);
    await app.dataSource.query(
      `INSERT INTO dead_letters (dead_letter_id, vendor_id, order_id, cause, payload, status, decided_at, created_at)
       SELECT '00000000-0000-7000-8000-' || lpad(n::text, 12, '0'), vendor, gen_random_uuid(), 'why', '{}', status,
              CASE WHEN status <> 'open' THEN now() END, timestamptz '2030-01-01' + (n / 10) * interval '1.000001 second'
       FROM (SELECT n, vendor, CASE WHEN vendor = 'flooded' OR n % 20000 = 11 OR n % 2000 = 7 THEN 'open'
                                    WHEN n % 4 = 0 THEN 'replayed' ELSE 'dismissed' END AS status
             FROM (SELECT n, CASE WHEN n % 1000 = 7 THEN 'small' WHEN n < 30000 THEN 'old'
                                  WHEN n % 2 = 0 THEN 'flooded' ELSE 'big' END AS vendor
                   FROM generate_series(0, $1 - 1) n) of_vendor) l`,
      [LETTERS],
    );
    await app.dataSource.query('VACUUM ANALYZE dead_letters');
  });

  afterAll(() => app.close());

  /** What the statement that the query really runs does. */
  async function planOf(filter: Omit<DeadLetterFilter, 'limit'>): Promise<Plan> {
    const query = jest.spyOn(queries['lists'].manager, 'query');
    await queries.list({ ...filter, limit: 51 });
    const [statement, values] = query.mock.calls[0] as unknown as [string, unknown[]];
    query.mockRestore();
    const [explained] = await app.dataSource.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${statement}`, values);
    return explained['QUERY PLAN'][0].Plan;
  }

  const after = ['2030-01-01T02:46:40.010000Z', '00000000-0000-7000-8000-000000100000'] as const;
  const filters: [string, Omit<DeadLetterFilter, 'limit'>, string][] = [
    ['nothing', {}, 'dead_letters_by_created'],
    ['a cursor', { after }, 'dead_letters_by_created'],
    ['open', { status: 'open' }, 'dead_letters_by_'],
    ['replayed', { status: 'replayed' }, 'dead_letters_by_status'],
    ['dismissed, and a cursor', { status: 'dismissed', after }, 'dead_letters_by_'],
    ['a small vendor', { vendorId: 'small' }, 'dead_letters_by_vendor'],
    ['an old vendor', { vendorId: 'old' }, 'dead_letters_by_vendor'],
    ['a big vendor, and a cursor', { vendorId: 'big', after }, 'dead_letters_by_'],
    ['open at a big vendor that has few', { vendorId: 'big', status: 'open' }, 'dead_letters_by_vendor_and_status'],
    [
      'replayed at a vendor that has none',
      { vendorId: 'flooded', status: 'replayed' },
      'dead_letters_by_vendor_and_status',
    ],
    ['open at a small vendor, and a cursor', { vendorId: 'small', status: 'open', after }, 'dead_letters_by_'],
  ];

  it.each(filters)('by %s reads an index and no more than a page of it', async (_, filter, index) => {
    const plan = await planOf(filter);
    expect([...nodesOf(plan)].map((node) => node['Index Name']).join()).toContain(index);
    expect([...nodesOf(plan)].map((node) => node['Node Type'])).not.toContain('Seq Scan');
    expect(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']).toBeLessThan(BUFFERS_MAX);
  });

  it.each([
    ['all', {}, undefined],
    ['a small vendor', { vendorId: 'small' }, undefined],
    ['a big vendor that has few', { vendorId: 'big' }, undefined],
    ['a vendor that has none', { vendorId: 'old' }, undefined],
    ['all, from a place', {}, { createdAt: after[0], deadLetterId: after[1] }],
  ])('of which %s are open reads no more than a batch of them', async (_, which, place) => {
    const query = jest.spyOn(app.dataSource.manager, 'query');
    const letters = app.context.get(DeadLetterRepository);
    await letters.openAfter(app.dataSource.manager, which, place, 100);
    const [statement, values] = query.mock.calls[0] as unknown as [string, unknown[]];
    query.mockRestore();
    const [explained] = await app.dataSource.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${statement}`, values);
    const plan: Plan = explained['QUERY PLAN'][0].Plan;
    expect([...nodesOf(plan)].map((node) => node['Node Type'])).not.toContain('Seq Scan');
    expect(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']).toBeLessThan(BUFFERS_MAX);
  });

  it('shows every letter exactly once, newest first, though ten share each instant', async () => {
    const seen: string[] = [];
    let cursor: readonly string[] | undefined;
    do {
      const page = await queries.list({ vendorId: 'small', after: cursor as typeof after | undefined, limit: 7 });
      seen.push(...page.map(({ letter }) => letter.deadLetterId));
      cursor = page.at(-1)?.sortKey;
    } while (cursor !== undefined);
    expect(seen).toHaveLength(LETTERS / 1000);
    expect(seen).toEqual([...new Set(seen)].toSorted().toReversed());
  });
});

interface Plan {
  'Node Type': string;
  'Index Name'?: string;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: Plan[];
}

function* nodesOf(plan: Plan): Generator<Plan> {
  yield plan;
  for (const inner of plan.Plans ?? []) yield* nodesOf(inner);
}
