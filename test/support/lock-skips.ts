import type { INestApplicationContext } from '@nestjs/common';
import { StockRepository } from '../../src/stock/stock.repository';
import { waitFor } from './wait';

/** Watches for a placement to find that something else has its product, and to leave it for later. */
export function watchForSkips(context: INestApplicationContext): () => Promise<void> {
  const lock = jest.spyOn(context.get(StockRepository), 'lockForPlacement');
  const skipped = async (): Promise<boolean> => {
    const calls = lock.mock.results.map(({ value }) => value as ReturnType<StockRepository['lockForPlacement']>);
    const found = await Promise.allSettled(calls);
    return found.some((call) => call.status === 'fulfilled' && call.value.locked.size > 0);
  };
  return () => waitFor(skipped, { withinMs: 30_000, what: 'a placement to leave out what is locked' });
}
