import { rows } from '../../../src/database/sql';
import { eventually, MessagingFixture } from './messaging-fixture';

const LEASE_MS = 60_000;
const fixture = new MessagingFixture();
const { repository } = fixture;

beforeAll(() => fixture.open());
afterAll(() => fixture.close());
beforeEach(() => fixture.clear());

describe('a message', () => {
  it('exists exactly if the transaction that sent it was committed', async () => {
    const sending = fixture.dataSource.transaction(async (tx) => {
      await fixture.outbox.enqueue(tx, [fixture.message('acme')]);
      throw new Error('the order was not placed');
    });
    await expect(sending).rejects.toThrow('the order was not placed');
    expect(await fixture.outboxCount()).toBe(0);
  });

  it('is given an id, a first attempt and a time', async () => {
    const { type, vendorId, subject, payload } = fixture.message('acme');
    await fixture.enqueue([{ type, vendorId, subject, payload }]);
    const [message] = await repository.claimForRoom(fixture.dataSource.manager, 'me', LEASE_MS, [
      { vendorId, places: 1 },
    ]);
    expect(message).toMatchObject({ type, vendorId, subject, payload, attempt: 1, traceparent: null });
    expect(message!.messageId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('wakes the transports of this process until they stop listening', () => {
    let woken = 0;
    const stop = fixture.outbox.onWake(() => (woken += 1));
    fixture.outbox.wake();
    stop();
    fixture.outbox.wake();
    expect(woken).toBe(1);
  });
});

describe('a claim', () => {
  it('takes the oldest of each vendor first and no more than there is room for', async () => {
    const sent = await fixture.send(['acme', 'globex', 'acme', 'globex', 'acme']);
    const room = [
      { vendorId: 'acme', places: 2 },
      { vendorId: 'globex', places: 1 },
      { vendorId: 'nobody', places: 5 },
    ];
    const claimed = await repository.claimForRoom(fixture.dataSource.manager, 'me', LEASE_MS, room);
    expect(ids(claimed)).toEqual(ids([sent[0]!, sent[1]!, sent[2]!]));
  });

  it('leaves what is leased to others, and takes it once the lease has ended', async () => {
    await fixture.send(['acme']);
    const room = [{ vendorId: 'acme', places: 1 }];
    expect(await repository.claimForRoom(fixture.dataSource.manager, 'one', 100, room)).toHaveLength(1);
    expect(await repository.claimForRoom(fixture.dataSource.manager, 'two', LEASE_MS, room)).toHaveLength(0);
    await eventually(
      async () => (await repository.claimForRoom(fixture.dataSource.manager, 'two', LEASE_MS, room)).length === 1,
    );
  });

  it('skips rows that another transaction has locked, and does not wait for them', async () => {
    const [, second] = await fixture.send(['acme', 'acme']);
    await fixture.dataSource.transaction(async (tx) => {
      await tx.query('SELECT * FROM outbox ORDER BY outbox_id LIMIT 1 FOR UPDATE');
      const claimed = await repository.claimForRoom(fixture.dataSource.manager, 'me', LEASE_MS, [
        { vendorId: 'acme', places: 2 },
      ]);
      expect(ids(claimed)).toEqual(ids([second!]));
    });
  });

  it('for all vendors gives each its share, so that a long backlog delays nobody', async () => {
    await fixture.send(Array<string>(300).fill('acme'));
    await fixture.send(['globex', 'zeta']);
    const claimed = await repository.claimShared(fixture.dataSource.manager, 'me', LEASE_MS, 90, []);
    expect(countOf(claimed)).toEqual({ acme: 30, globex: 1, zeta: 1 });
  });

  it('for all vendors gives the whole of it to one when the others have nothing due, and leaves out the excepted', async () => {
    await fixture.send([...Array<string>(300).fill('acme'), 'globex']);
    await fixture.enqueue([{ ...fixture.message('later'), delayMs: 60_000 }]);
    const claimed = await repository.claimShared(fixture.dataSource.manager, 'me', LEASE_MS, 90, ['globex']);
    expect(countOf(claimed)).toEqual({ acme: 90 });
  });

  it('reads the due index and not the backlog, however long', async () => {
    await fixture.dataSource.query(
      `INSERT INTO outbox (message_id, vendor_id, subject, type, payload)
       SELECT gen_random_uuid()::text, 'vendor-' || n % 50, 'order', 'order.placed.v1', '{}' FROM generate_series(1, 20000) n`,
    );
    await fixture.dataSource.query('ANALYZE outbox');
    const explained = jest.fn();
    const explaining = {
      query: async (statement: string, values: unknown[]) => {
        const plan = await rows<{ 'QUERY PLAN': string }>(
          fixture.dataSource.manager,
          `EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) ${statement}`,
          values,
        );
        explained(plan.map((line) => line['QUERY PLAN']).join('\n'));
        return [];
      },
    } as unknown as Parameters<typeof repository.claimShared>[0];
    await repository.claimShared(explaining, 'me', LEASE_MS, 100, []);
    await repository.claimForRoom(explaining, 'me', LEASE_MS, [{ vendorId: 'vendor-7', places: 3 }]);
    for (const [plan] of explained.mock.calls as [string][]) {
      expect(plan).toContain('outbox_due');
      expect(plan).not.toContain('Seq Scan on outbox');
    }
    expect(explained).toHaveBeenCalledTimes(2);
  });
});

describe('a lease', () => {
  it('is extended, given back and used to delete by its owner only', async () => {
    await fixture.send(['acme', 'acme']);
    const on = fixture.dataSource.manager;
    const room = [{ vendorId: 'acme', places: 1 }];
    const [mine] = await repository.claimForRoom(on, 'me', LEASE_MS, room);
    const [theirs] = await repository.claimForRoom(on, 'they', LEASE_MS, room);
    const both = [mine!.outboxId, theirs!.outboxId];

    expect(await repository.extend(on, 'me', LEASE_MS, both)).toEqual([mine!.outboxId]);
    await repository.release(on, 'me', both);
    expect(await repository.claimForRoom(on, 'me', LEASE_MS, [{ vendorId: 'acme', places: 2 }])).toHaveLength(1);
    expect(await repository.delete(on, 'me', both)).toBe(1);
    expect(await fixture.outboxCount()).toBe(1);
  });
});

function ids(messages: { messageId: string }[]): string[] {
  return messages.map(({ messageId }) => messageId).toSorted();
}

function countOf(messages: { vendorId: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { vendorId } of messages) counts[vendorId] = (counts[vendorId] ?? 0) + 1;
  return counts;
}
