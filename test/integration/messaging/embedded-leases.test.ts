import { row } from '../../../src/database/sql';
import { isTransientDatabaseError as isTransient } from '../../../src/database/database-errors';
import { EmbeddedBroker } from '../../../src/messaging/brokers/embedded/embedded.broker';
import { Leases } from '../../../src/messaging/brokers/embedded/leases';
import { eventually, Inbox, MessagingFixture, signal } from './messaging-fixture';

/** No heartbeat within a test: what a process looks like that hangs. */
const NEVER_MS = 2 ** 31 - 1;
const SHORT = { leaseMs: 50, heartbeatMs: NEVER_MS };
const LONG = { leaseMs: 60_000, heartbeatMs: NEVER_MS };
const room = [{ vendorId: 'acme', places: 5 }];
const fixture = new MessagingFixture();

beforeAll(() => fixture.open());
afterAll(() => fixture.close());
beforeEach(() => fixture.clear());

function leases(times: { leaseMs: number; heartbeatMs: number }): Leases {
  return new Leases(fixture.dataSource, fixture.repository, fixture.deadLetters, times);
}

async function deadLetterCount(): Promise<number> {
  return (await row<{ count: number }>(fixture.dataSource.manager, 'SELECT count(*)::int AS count FROM dead_letters'))!
    .count;
}

it('are kept by a heartbeat for as long as a handler takes', async () => {
  const { dataSource, outbox, repository, deadLetters } = fixture;
  const options = {
    dataSource,
    outbox,
    repository,
    deadLetters,
    vitals: fixture.vitals,
    isTransient,
    leaseTimes: { leaseMs: 300, heartbeatMs: 50 },
  };
  const [busy, idle] = [new EmbeddedBroker(options), new EmbeddedBroker(options)];
  const [inbox, other] = [new Inbox(), new Inbox()];
  const release = signal();
  await busy.start();
  await idle.start();
  await busy.consume('acme', 1, inbox.handlerUntil(release));
  await fixture.send(['acme']);
  await eventually(() => inbox.atWork === 1);
  await idle.consume('acme', 1, other.handler);
  const takenAt = await leasedUntil();
  await eventually(async () => (await leasedUntil()) > takenAt + 3 * options.leaseTimes.leaseMs);
  expect(other.started).toHaveLength(0);
  release.resolve();
  await eventually(async () => (await fixture.outboxCount()) === 0);
  await Promise.all([busy.stop(0), idle.stop(0)]);
});

it('that ended do not let a late finisher delete what somebody else has in hand', async () => {
  await fixture.send(['acme']);
  const [late, quick] = [leases(SHORT), leases(LONG)];
  const [taken] = await late.take(room);
  const again = await takenBy(quick);
  expect(again.messageId).toBe(taken!.messageId);
  await late.finish(taken!);
  expect(await fixture.outboxCount()).toBe(1);
  await late.bury(taken!, 'too late as well');
  expect(await deadLetterCount()).toBe(0);
  await quick.finish(again);
  expect(await fixture.outboxCount()).toBe(0);
});

it('that ended do not bring a message a second time to the process that still has it in hand', async () => {
  await fixture.send(['acme']);
  const slow = leases(SHORT);
  await slow.take(room);
  const other = await fixture.repository.claimForRoom(fixture.dataSource.manager, 'nobody', 1, []);
  expect(other).toEqual([]);
  await eventually(
    async () =>
      (await row<{ over: boolean }>(fixture.dataSource.manager, 'SELECT leased_until < now() AS over FROM outbox'))!
        .over,
  );
  expect(await slow.take(room)).toEqual([]);
  expect(slow.count('acme')).toBe(1);
});

it('of what is given up end with the message among the dead letters, about its order', async () => {
  const [sent] = await fixture.send(['acme']);
  const holder = leases(LONG);
  const [taken] = await holder.take(room);
  await holder.bury(taken!, `TypeError: ${'x'.repeat(2_000)}\0`);
  expect(await fixture.outboxCount()).toBe(0);
  const letter = await row(
    fixture.dataSource.manager,
    'SELECT vendor_id, order_id, status, length(cause) AS length, payload FROM dead_letters',
  );
  expect(letter).toEqual({ vendor_id: 'acme', order_id: sent!.subject, status: 'open', length: 1_000, payload: sent });
  expect(holder.count('acme')).toBe(0);
});

it('survive a database that is away when a message has been handled: settling is tried again', async () => {
  const { dataSource, outbox, deadLetters } = fixture;
  const repository = Object.create(fixture.repository) as typeof fixture.repository;
  let failures = 3;
  repository.delete = (...args) => {
    failures -= 1;
    if (failures >= 0) return Promise.reject(new Error('Connection terminated unexpectedly'));
    return fixture.repository.delete(...args);
  };
  const broker = new EmbeddedBroker({
    dataSource,
    outbox,
    repository,
    deadLetters,
    vitals: fixture.vitals,
    isTransient,
    retryDelayMs: () => 5,
  });
  const inbox = new Inbox();
  await broker.start();
  await broker.consume('acme', 1, inbox.handler);
  await fixture.send(['acme']);
  await eventually(async () => (await fixture.outboxCount()) === 0);
  expect(inbox.started).toHaveLength(1);
  await broker.stop(0);
});

async function takenBy(other: Leases) {
  let taken: Awaited<ReturnType<Leases['take']>> = [];
  await eventually(async () => (taken = await other.take(room)).length === 1);
  return taken[0]!;
}

async function leasedUntil(): Promise<number> {
  const lease = await row<{ until: Date }>(fixture.dataSource.manager, 'SELECT leased_until AS until FROM outbox');
  return lease!.until.getTime();
}
