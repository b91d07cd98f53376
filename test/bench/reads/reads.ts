import { ApiClient } from '../../support/client';
import { CATALOGUE, resetOrders } from '../catalogue';
import type { LoadOutcome } from '../load/outcome';
import { figure, type Report, spreadText, type Table } from '../report';
import { medianOf, shuffled, spreadOf } from '../statistics';
import type { Testbed } from '../testbed';

/** One thing to measure: which products are read, and how. */
interface ReadCase {
  name: string;
  what: string;
  /** So many different products: the fewer, the more often the cache has what is asked for. */
  products: number;
  known?: boolean;
  /** Reads a second it should at least do. */
  min?: number;
}

const CONNECTIONS = 64;
const WARM_UP_SECONDS = 2;
const CASES: ReadCase[] = [
  { name: 'cached', what: 'cached: 100 wanted products', products: 100, min: 8000 },
  { name: 'known', what: '304: 100 wanted products', products: 100, known: true, min: 8000 },
  { name: 'uncached', what: 'uncached: 10,000 products in turn', products: CATALOGUE.length },
];

/** How many single products can be read, with a key and over HTTP, and how long one takes at full load. */
export async function benchReads(
  testbed: Testbed,
  { seconds, runs }: { seconds: number; runs: number },
): Promise<Report> {
  await resetOrders(testbed.database);
  const found = new Map<string, LoadOutcome[]>(CASES.map(({ name }) => [name, []]));
  for (let round = 0; round < runs; round++) {
    for (const of of round % 2 === 0 ? CASES : CASES.toReversed()) {
      await run(of, testbed, WARM_UP_SECONDS);
      const outcome = await run(of, testbed, seconds);
      console.log(`${of.what}: ${figure(rateOf(outcome))} reads/s, p95 ${outcome.latencyMs.p95.toFixed(1)} ms`);
      found.get(of.name)!.push(outcome);
    }
  }
  return { tables: [rates(found)], data: Object.fromEntries(found) };
}

async function run({ what, products, known }: ReadCase, testbed: Testbed, seconds: number): Promise<LoadOutcome> {
  const { url } = testbed.apis[0];
  const paths = shuffled(CATALOGUE.slice(0, products)).map(
    ({ productId }) => `/v1/products/${encodeURIComponent(productId)}`,
  );
  const client = new ApiClient(url, testbed.apiKey);
  const requests = await Promise.all(
    paths.map(async (path) => ({
      path,
      ...(known && { ifNoneMatch: (await client.get(path)).headers.get('etag')! }),
    })),
  );
  const { answer } = await testbed.generator.run({
    kind: 'reading',
    url,
    apiKey: testbed.apiKey,
    connections: CONNECTIONS,
    seconds,
    requests,
    expectedStatus: known ? 304 : 200,
  });
  const others = Object.entries(answer.others).map(([status, count]) => `${count} × ${status}`);
  if (others.length > 0) throw new Error(`${what}: not every read was answered as expected: ${others.join(', ')}`);
  return answer;
}

function rates(found: Map<string, LoadOutcome[]>): Table {
  const rows = CASES.map(({ name, what, min }) => {
    const runs = found.get(name)!;
    const rate = medianOf(runs.map(rateOf));
    return [
      what,
      spreadText(spreadOf(runs.map(rateOf))),
      spreadText(spreadOf(runs.map(({ latencyMs }) => latencyMs.p50)), 1),
      spreadText(spreadOf(runs.map(({ latencyMs }) => latencyMs.p95)), 1),
      min === undefined ? '' : `≥ ${figure(min)}`,
      min === undefined ? '' : rate >= min ? 'met' : 'missed',
    ];
  });
  const title = `Single products, ${CONNECTIONS} connections: median (min–max)`;
  return { title, columns: ['', 'reads/s', 'p50 ms', 'p95 ms', 'target', ''], rows };
}

function rateOf({ created, elapsedSeconds }: LoadOutcome): number {
  return created / elapsedSeconds;
}
