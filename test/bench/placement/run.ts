import type { AppProcess } from '../app-process';
import { resetOrders } from '../catalogue';
import type { Helper, Measured } from '../helper';
import type { Load } from '../load/generator';
import type { LoadOutcome } from '../load/outcome';
import { CLIENT, type Testbed } from '../testbed';
import { checkBooks } from './books';
import { bodiesOf, type Case, CONNECTIONS, linesOf, pathOf, productsOf, QUANTITY, RAW_CONNECTIONS } from './cases';
import type { RawOrders } from './raw-orders';

/** One timed run of a case. */
export interface Run {
  requestsPerSecond: number;
  ordersPerSecond: number;
  latencyMs: LoadOutcome['latencyMs'];
  elapsedSeconds: number;
  /** Used by each while time counted. `load`: whatever sent the requests, for a raw case its own client. */
  cpuSeconds: { api?: number; postgres?: number; load: number };
}

export interface Surroundings {
  testbed: Testbed;
  raw: Helper<RawOrders, LoadOutcome>;
  seconds: number;
}

/** Long enough for connections, plans and the compiler's first thoughts. */
const WARM_UP_SECONDS = 1;

/**
 * Runs a case once: from the same tables as every other, a warm-up, then the stretch that counts, then a look into the
 * books. `capacity`: requests a second, for a case at half load.
 */
export async function runCase(of: Case, { testbed, raw, seconds }: Surroundings, capacity?: number): Promise<Run> {
  await resetOrders(testbed.database);
  const loadFor = (time: number): Promise<Measured<LoadOutcome>> =>
    of.kind === 'raw'
      ? raw.run(rawOrders(of, testbed, time))
      : testbed.generator.run(
          of.kind === 'api' ? closedLoop(of, testbed, time) : openLoop(of, testbed, time, capacity!),
        );
  const warmUp = await loadFor(WARM_UP_SECONDS);
  const before = testbed.cpuSeconds();
  const timed = await loadFor(seconds);
  const after = testbed.cpuSeconds();

  refuseOthers(of, warmUp.answer);
  refuseOthers(of, timed.answer);
  const cutOff = of.kind === 'api' ? 2 * CONNECTIONS : 0;
  await checkBooks(testbed.database, of, warmUp.answer.created + timed.answer.created, cutOff);

  const { created, elapsedSeconds, latencyMs } = timed.answer;
  const requestsPerSecond = created / elapsedSeconds;
  return {
    requestsPerSecond,
    ordersPerSecond: requestsPerSecond * linesOf(of.shape),
    latencyMs,
    elapsedSeconds,
    cpuSeconds: {
      ...(before && after && { api: after.api - before.api, postgres: after.postgres - before.postgres }),
      load: timed.cpuSeconds,
    },
  };
}

/** Throws where anything but 201 was answered. */
export function refuseOthers({ name }: Case, { others }: LoadOutcome): void {
  const found = Object.entries(others).map(([answer, count]) => `${count} × ${answer}`);
  if (found.length > 0) throw new Error(`${name}: not every request was answered 201: ${found.join(', ')}`);
}

function rawOrders({ shape }: Case, { databaseUrl }: Testbed, seconds: number): RawOrders {
  const products = productsOf(shape);
  return { databaseUrl, connections: RAW_CONNECTIONS, seconds, products, quantity: QUANTITY, client: CLIENT };
}

export function closedLoop(
  { shape, keyed = false, apis = 1 }: Case,
  testbed: { apis: readonly AppProcess[]; apiKey: string },
  seconds: number,
): Load {
  return {
    kind: 'closed',
    urls: testbed.apis.slice(0, apis).map(({ url }) => url),
    path: pathOf(shape),
    apiKey: testbed.apiKey,
    connections: CONNECTIONS,
    seconds,
    bodies: bodiesOf(shape),
    keyed,
  };
}

function openLoop({ shape }: Case, { apis, apiKey }: Testbed, seconds: number, capacity: number): Load {
  return {
    kind: 'open',
    url: apis[0].url,
    path: pathOf(shape),
    apiKey,
    ratePerSecond: capacity / 2,
    seconds,
    bodies: bodiesOf(shape),
  };
}
