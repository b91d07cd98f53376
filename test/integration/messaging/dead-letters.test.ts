import { randomUUID } from 'node:crypto';
import { REPLAY_GAP_MS, ReplayPaceRepository } from '../../../src/messaging/dead-letters/replay-pace.repository';
import { eventually, MessagingFixture } from './messaging-fixture';
import { lockWaits } from '../../support/lock-waits';

const BY = { client: 'desk', apiKeyId: 'k' };
const fixture = new MessagingFixture();

beforeAll(() => fixture.open());
afterAll(() => fixture.close());
beforeEach(() => fixture.clear());

describe('storing a dead letter', () => {
  const store = (more: object) =>
    fixture.deadLetters.insert(fixture.dataSource.manager, {
      vendorId: 'acme',
      orderId: null,
      cause: 'why',
      payload: {},
      ...more,
    });

  it('takes text that PostgreSQL does not, as near as it can', async () => {
    const payload = {
      'a\0b': 'c\0d',
      half: '\ud800',
      whole: '😀',
      escaped: String.raw`\u0000 \\u0000`,
      deep: [['\0']],
    };
    await store({ cause: 'a\0b', payload });
    const replaced = { 'a\ufffdb': 'c\ufffdd', half: '\ufffd', whole: '😀', deep: [['\ufffd']] };
    expect(await fixture.buried()).toEqual([
      { vendorId: 'acme', orderId: null, cause: 'a\ufffdb', payload: { ...replaced, escaped: payload.escaped } },
    ]);
  });

  it('with the key of an earlier one does nothing, also at the same time', async () => {
    await Promise.all(Array.from({ length: 8 }, () => store({ sourceKey: 'x' })));
    await store({ sourceKey: 'x' });
    await store({ sourceKey: 'y' });
    expect(await fixture.buried()).toHaveLength(2);
  });

  it('without a key always does', async () => {
    await Promise.all([store({}), store({})]);
    expect(await fixture.buried()).toHaveLength(2);
  });
});

it('a dead letter is decided by the first who holds it; who waited for it finds it decided', async () => {
  await fixture.deadLetters.insert(fixture.dataSource.manager, {
    vendorId: null,
    orderId: null,
    cause: '',
    payload: {},
  });
  const [{ id }] = await fixture.dataSource.query('SELECT dead_letter_id AS id FROM dead_letters');
  let second: Promise<unknown[]> | undefined;
  await fixture.dataSource.transaction(async (tx) => {
    expect(await fixture.deadLetters.lockOpen(tx, [id])).toHaveLength(1);
    second = fixture.dataSource.transaction((other) => fixture.deadLetters.lockOpen(other, [id]));
    await eventually(async () => (await lockWaits(fixture.dataSource)) === 1);
    await fixture.deadLetters.decide(tx, [id], 'replayed', BY);
  });
  expect(await second).toEqual([]);
  await fixture.dataSource.transaction((tx) => fixture.deadLetters.decide(tx, [id], 'dismissed', BY));
  expect(
    await fixture.dataSource.query(
      'SELECT status, decided_by, decided_with, decided_at IS NULL AS never FROM dead_letters',
    ),
  ).toEqual([{ status: 'replayed', decided_by: 'desk', decided_with: 'k', never: false }]);
});

describe('the pace of replays', () => {
  const pace = new ReplayPaceRepository();
  const messages = (vendorId: string, count: number) =>
    Array.from({ length: count }, () => ({ ...fixture.message(vendorId), subject: randomUUID() }));
  const spread = async (vendorIds: string[], count: number): Promise<Record<string, number[]>> => {
    const all = vendorIds.flatMap((vendorId) => messages(vendorId, count));
    const timed = await fixture.dataSource.transaction((tx) => pace.spread(tx, all));
    return Object.fromEntries(
      vendorIds.map((vendorId) => [
        vendorId,
        timed.filter((message) => message.vendorId === vendorId).map(({ delayMs }) => delayMs!),
      ]),
    );
  };

  it('gives each vendor 20 messages a second, beginning at once', async () => {
    const { acme, globex } = await spread(['globex', 'acme'], 3);
    for (const delays of [acme!, globex!]) {
      expect(delays[0]).toBeLessThan(1);
      expect([delays[1]! - delays[0]!, delays[2]! - delays[1]!]).toEqual([REPLAY_GAP_MS, REPLAY_GAP_MS]);
    }
  });

  it('goes on where the last replay for a vendor ended, whoever ran it', async () => {
    const rounds = await Promise.all(Array.from({ length: 10 }, () => spread(['acme', 'globex'], 10)));
    const delays = rounds.flatMap(({ acme }) => acme!).toSorted((a, b) => a - b);
    expect(delays).toHaveLength(100);
    const gaps = delays.slice(1).map((delayMs, index) => delayMs - delays[index]!);
    // The clock has moved a little between one replay and the next.
    expect(Math.min(...gaps)).toBeGreaterThan(0);
    expect(delays.at(-1)).toBeGreaterThan(90 * REPLAY_GAP_MS);
  });
});

it('only a message that nobody has in hand is waiting', async () => {
  const [free, held] = await fixture.send(['acme', 'acme']);
  await fixture.dataSource.query(
    `UPDATE outbox SET leased_by = 'x', leased_until = now() + interval '1 hour' WHERE subject = $1`,
    [held!.subject],
  );
  const subjects = [free!.subject, held!.subject, randomUUID()];
  expect(await fixture.dataSource.transaction((tx) => fixture.outbox.waiting(tx, subjects))).toEqual([free!.subject]);
});
