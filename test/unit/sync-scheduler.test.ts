import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Config } from '../../src/config/config';
import type { Loops } from '../../src/lifecycle/loop';
import type { StockSync } from '../../src/stock/sync/stock-sync';
import type { SyncMetrics } from '../../src/stock/sync/sync-metrics';
import { SyncScheduler } from '../../src/stock/sync/sync-scheduler';

it('ends its turn when it is stopped, though there are always more vendors due than it can poll', async () => {
  let polls = 0;
  const sync = {
    takeDue: async () => {
      await nextTurn();
      return { vendor: { vendorId: 'acme' }, suspect: false };
    },
    run: () => Promise.resolve(void (polls += 1)),
    release: () => Promise.resolve(),
  };
  let turn: Promise<unknown> = Promise.resolve();
  const loops = {
    of: (_: string, runOnce: () => Promise<number>) => ({ start: () => (turn = runOnce()), stop: () => turn }),
  };
  const scheduler = new SyncScheduler(
    sync as unknown as StockSync,
    { stockSyncIntervalMs: 60_000 } as Config,
    { count: () => undefined } as unknown as SyncMetrics,
    loops as unknown as Loops,
  );
  scheduler.start();
  while (polls < 100) await nextTurn();
  await scheduler.stop();
  const atTheEnd = polls;
  await nextTurn();
  expect(polls).toBe(atTheEnd);
});
