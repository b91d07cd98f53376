import { figure, type Report } from '../report';
import type { StopSteps, Testbed } from '../testbed';
import { ORDER_CASES, SYNC_CASES, type SyncCase } from './cases';
import { deadlocksSoFar, type OrdersBeside, placeBeside, prepareOrders } from './orders';
import { keepRows, mergeRaw } from './raw-merge';
import { emptyProducts, openSurroundings, type Surroundings, tidyProducts, VENDOR_ID } from './surroundings';
import { measureSync, type MeasuredSync } from './sync';
import { type Loads, type StockFound, tablesOf } from './tables';

/**
 * How fast a vendor's stock becomes ours, how little a sync costs that brings nothing, what the database alone would
 * need, and what orders notice of it.
 */
export async function benchStock(
  testbed: Testbed,
  stopSteps: StopSteps,
  { skus, runs, seconds }: { skus: number; runs: number; seconds: number },
): Promise<Report> {
  const surroundings = await openSurroundings(testbed, stopSteps, skus);
  const loads = await measureLoads(surroundings, runs);
  const syncs = await measureSyncs(surroundings, runs);
  const orders = await measureOrders(surroundings, runs, seconds);
  const found: StockFound = { skus, loads, syncs, orders, deadlocks: await deadlocksSoFar(surroundings) };
  return {
    tables: tablesOf(found),
    data: { ...found, syncs: Object.fromEntries(syncs), orders: Object.fromEntries(orders) },
  };
}

/** Loads the vendor once for nothing: a worker compiles its code first, and the rows are needed for what it is held against. */
async function measureLoads(surroundings: Surroundings, runs: number): Promise<Loads> {
  const { testbed, skus } = surroundings;
  const everything = { seen: skus, written: skus };
  const loads: Loads = { first: [], raw: [], rawWithoutTextIndex: [] };
  expectRows('the warm-up', await measureSync(surroundings, VENDOR_ID, 'changes'), everything);
  await keepRows(testbed, VENDOR_ID);
  for (let round = 0; round < runs; round++) {
    loads.raw.push(told('PostgreSQL alone', await mergeRaw(testbed, { textIndex: true })));
    const without = await mergeRaw(testbed, { textIndex: false });
    loads.rawWithoutTextIndex.push(told('PostgreSQL alone, without the text index', without));
    await emptyProducts(testbed);
    const first = told('first load', await measureSync(surroundings, VENDOR_ID, 'everything'));
    expectRows('first load', first, everything);
    loads.first.push(first);
  }
  return loads;
}

async function measureSyncs(surroundings: Surroundings, runs: number): Promise<StockFound['syncs']> {
  const syncs = new Map<string, MeasuredSync[]>(SYNC_CASES.map(({ name }) => [name, []]));
  for (let round = 0; round < runs; round++) {
    for (const of of SYNC_CASES) syncs.get(of.name)!.push(told(of.what, await syncOnce(of, surroundings)));
  }
  return syncs;
}

async function syncOnce({ what, touched, asked }: SyncCase, surroundings: Surroundings): Promise<MeasuredSync> {
  const { testbed, vendor, skus } = surroundings;
  const count = Math.round(touched * skus);
  if (count > 0) await vendor.touch({ count });
  await tidyProducts(testbed);
  const sync = await measureSync(surroundings, VENDOR_ID, asked);
  expectRows(what, sync, { seen: { everything: skus, changes: count, confirmation: 0 }[asked], written: count });
  return sync;
}

/** Quiet and not in the same round, so that a machine that slows down does so to both. */
async function measureOrders(surroundings: Surroundings, runs: number, seconds: number): Promise<StockFound['orders']> {
  const orders = new Map<string, OrdersBeside[]>(ORDER_CASES.map(({ name }) => [name, []]));
  const productIds = await prepareOrders(surroundings);
  for (let round = 0; round < runs; round++) {
    for (const of of ORDER_CASES) {
      const found = await placeBeside(of, surroundings, { productIds, seconds, round });
      console.log(`orders beside ${of.what}: p95 ${figure(found.load.latencyMs.p95, 1)} ms`);
      orders.get(of.name)!.push(found);
    }
  }
  return orders;
}

/** A sync that was not told or has not written what it should is no measurement. */
function expectRows(what: string, { seen, written }: MeasuredSync, expected: { seen: number; written: number }): void {
  if (seen === expected.seen && written === expected.written) return;
  const found = `${seen} rows sent and ${written} written`;
  throw new Error(`${what}: ${found}, ${expected.seen} and ${expected.written} expected`);
}

function told<Timed extends { seconds: number }>(what: string, timed: Timed): Timed {
  console.log(`${what}: ${figure(timed.seconds, 2)} s`);
  return timed;
}
