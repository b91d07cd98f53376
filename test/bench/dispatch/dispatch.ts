import { resetOrders } from '../catalogue';
import { figure, type Report, spreadText, type Table } from '../report';
import { type Percentiles, spreadOf } from '../statistics';
import type { StopSteps, Testbed } from '../testbed';
import { brokerLimit } from './broker-limit';
import { bodiesOf, type Dispatched, place } from './placing';
import { ANSWER_MS, BESIDE, openSurroundings, type Surroundings } from './surroundings';

/** More than can be dispatched: what is completed a second then is all that can be. */
const FLOOD_PER_SECOND = 1200;
const STEADY_PER_SECOND = 200;
const BROKER_MESSAGES = 5000;
/** Orders that wait for the vendor beside. */
const BACKLOG = 10_000;
/** The vendor beside answers so late that none of its slots is ever free. */
const HANGING_MS = 60_000;
const THROUGHPUT_MIN = 500;

interface Latency {
  name: 'quiet' | 'hanging' | 'backlog';
  what: string;
  /** p95 at most, in milliseconds. */
  p95Max: number;
}

const LATENCIES: Latency[] = [
  { name: 'quiet', what: 'nothing beside', p95Max: 100 },
  { name: 'hanging', what: 'a vendor beside that hangs', p95Max: 100 },
  { name: 'backlog', what: `${figure(BACKLOG)} messages waiting for another vendor`, p95Max: 1000 },
];

/** How many orders reach their vendors over RabbitMQ, how soon, and what a vendor notices of another's trouble. */
export async function benchDispatch(
  testbed: Testbed,
  stopSteps: StopSteps,
  { seconds, runs }: { seconds: number; runs: number },
): Promise<Report> {
  await resetOrders(testbed.database);
  const surroundings = await openSurroundings(testbed, stopSteps);
  const limits: number[] = [];
  const floods: Dispatched[] = [];
  const steady = new Map<string, Dispatched[]>(LATENCIES.map(({ name }) => [name, []]));
  await place(surroundings, FLOOD_PER_SECOND, seconds);
  for (let round = 0; round < runs; round++) {
    limits.push(await brokerLimit(surroundings, BROKER_MESSAGES));
    floods.push(await place(surroundings, FLOOD_PER_SECOND, seconds));
    console.log(`broker alone ${figure(limits.at(-1))}/s; orders dispatched ${figure(floods.at(-1)!.perSecond)}/s`);
    steady.get('quiet')!.push(await place(surroundings, STEADY_PER_SECOND, seconds));
  }
  await surroundings.answersIn(BESIDE, HANGING_MS);
  await flood(surroundings, 100);
  for (let round = 0; round < runs; round++)
    steady.get('hanging')!.push(await place(surroundings, STEADY_PER_SECOND, seconds));
  await flood(surroundings, BACKLOG);
  for (let round = 0; round < runs; round++)
    steady.get('backlog')!.push(await place(surroundings, STEADY_PER_SECOND, seconds));
  return {
    tables: [throughput(limits, floods), latencies(steady)],
    data: { limits, floods, steady: Object.fromEntries(steady) },
  };
}

/** Orders at the vendor beside, as fast as they are taken. */
async function flood({ testbed, productIds }: Surroundings, orders: number): Promise<void> {
  const { generator, apis, apiKey } = testbed;
  const seconds = orders / FLOOD_PER_SECOND;
  const load = { kind: 'open' as const, url: apis[0].url, path: '/v1/orders', apiKey, seconds };
  await generator.run({ ...load, ratePerSecond: FLOOD_PER_SECOND, bodies: bodiesOf(productIds([BESIDE])) });
}

function throughput(limits: number[], floods: Dispatched[]): Table {
  const rate = spreadOf(floods.map(({ perSecond }) => perSecond));
  const share = spreadOf(floods.map(({ perSecond }, round) => perSecond / limits[round]!));
  return {
    title: `Orders placed over HTTP and bought over RabbitMQ, vendors answering in ${ANSWER_MS} ms: median (min–max)`,
    columns: ['', 'a second', 'target', ''],
    rows: [
      ['RabbitMQ alone: published, taken and acknowledged', spreadText(spreadOf(limits)), '', ''],
      ['orders completed', spreadText(rate), `≥ ${THROUGHPUT_MIN}`, rate.median >= THROUGHPUT_MIN ? 'met' : 'missed'],
      ['orders / RabbitMQ alone', spreadText(share, 3), '', ''],
    ],
  };
}

function latencies(steady: Map<string, Dispatched[]>): Table {
  const rows = LATENCIES.map(({ name, what, p95Max }) => {
    const runs = steady.get(name)!;
    const spread = (rank: keyof Percentiles) => spreadOf(runs.map(({ latencyMs }) => latencyMs[rank]));
    const verdict = spread('p95').median <= p95Max ? 'met' : 'missed';
    return [
      what,
      ...(['p50', 'p95', 'p99'] as const).map((rank) => spreadText(spread(rank), 1)),
      `≤ ${p95Max}`,
      verdict,
    ];
  });
  return {
    title: `From commit to acceptance at ${STEADY_PER_SECOND} orders a second, in milliseconds: median (min–max)`,
    columns: ['', 'p50', 'p95', 'p99', 'p95', ''],
    rows,
  };
}
