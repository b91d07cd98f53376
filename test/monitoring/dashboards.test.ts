import { createDatabase, type TestDatabase } from '../support/database';
import { completed, type Installation, install } from '../support/installation';
import { type Metrics, scrape } from '../support/metrics';
import { freePort } from '../support/ports';
import { canStartBroker, type PrivateBroker, privateBroker } from '../support/rabbitmq';
import { waitFor } from '../support/wait';
import { panels, readYaml, type Rule, rules } from './files';
import { canStartPrometheus, TestPrometheus } from './prometheus';
import { namesIn } from './promql';

/** A panel that shows nothing while there is nothing to see says so. */
const EMPTY_WHEN_WELL = 'Empty while all is well.';
/** What Prometheus itself tells. */
const OF_PROMETHEUS = ['up', 'ALERTS'];
const LABELS_OF_PROMETHEUS = ['job', 'instance', 'le', 'alertstate', 'alertname', 'severity'];
/** Counted with what reconciliation and consistency store, or absent while all is well; with their labels. */
const AWAITED = new Map<string, string[]>([
  ['holdfast_consistency_violations', []],
  ['holdfast_reconciliation_cases_open', []],
  ['holdfast_reconciliation_orders_skipped', ['vendor']],
]);
/** Counted for each vendor with what is shared. */
const COUNTED = ['holdfast_queue_depth', 'holdfast_stock_age_seconds', 'holdfast_reconciliation_behind_seconds'];

describe('what dashboards and rules ask for', () => {
  let database: TestDatabase;
  let installation: Installation;
  let labels: Map<string, Set<string>>;

  beforeAll(async () => {
    database = await createDatabase();
    installation = await install(database.url, {}, 1000);
    await installation.client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1 });
    await completed(installation, 1, 10_000);
    const { api, worker } = installation;
    // What is shared is counted every few seconds; the first count may come before the vendor's first stock.
    await waitFor(
      async () => {
        labels = labelsOf([await scrape(api.url), await scrape(worker.url)]);
        return COUNTED.every((name) => labels.get(name)?.has('vendor'));
      },
      { withinMs: 30_000, what: 'a count of the vendor' },
    );
  });

  afterAll(async () => {
    await installation?.stop();
    await database?.drop();
  });

  const recorded = new Map(rules().flatMap((rule) => (rule.record === undefined ? [] : [[rule.record, rule.expr]])));

  /** Labels of a metric, or of what a rule records of others; undefined where nobody exports it. */
  function labelsOfMetric(name: string): Set<string> | undefined {
    const expr = recorded.get(name);
    if (expr !== undefined) return new Set(namesIn(expr).metrics.flatMap((each) => [...(labelsOfMetric(each) ?? [])]));
    return labels.get(name) ?? labels.get(name.replace(/_(bucket|sum|count)$/, ''));
  }

  const asked = [
    ...panels().flatMap(({ dashboard, title, exprs }) => exprs.map((expr) => [`${dashboard}, ${title}`, expr])),
    ...rules().map((rule) => [(rule as Rule & { alert: string }).alert ?? rule.record, rule.expr]),
  ] as [string, string][];

  it.each(asked)('is there: %s', (_, expr) => {
    const names = namesIn(expr);
    const ours = names.metrics.filter((name) => !name.startsWith('rabbitmq_') && !OF_PROMETHEUS.includes(name));
    const missing = ours.filter((name) => labelsOfMetric(name) === undefined && !AWAITED.has(name));
    expect(missing).toEqual([]);
    if (names.metrics.length > ours.length) return;
    const known = new Set([
      ...ours.flatMap((name) => [...(labelsOfMetric(name) ?? []), ...(AWAITED.get(name) ?? [])]),
      ...LABELS_OF_PROMETHEUS,
    ]);
    expect(names.labels.filter((label) => !known.has(label))).toEqual([]);
  });
});

/** Of each metric that is declared, the labels that its samples have. */
function labelsOf(scraped: Metrics[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { types, samples } of scraped) {
    for (const name of types.keys()) found.set(name, found.get(name) ?? new Set());
    for (const sample of samples) {
      const name = types.has(sample.name) ? sample.name : sample.name.replace(/_(bucket|sum|count)$/, '');
      for (const label of Object.keys(sample.labels)) found.get(name)?.add(label);
    }
  }
  return found;
}

/** Two processes, and RabbitMQ at two paths. */
const TARGETS = 4;

const withServers = canStartPrometheus() && canStartBroker() ? describe : describe.skip;

withServers('a real Prometheus', () => {
  let database: TestDatabase;
  let broker: PrivateBroker;
  let installation: Installation;
  let prometheus: TestPrometheus;

  beforeAll(async () => {
    const metricsPort = await freePort();
    broker = await privateBroker({ metricsPort });
    database = await createDatabase();
    installation = await install(database.url, { RABBITMQ_URL: broker.url }, 1000);
    interface Scrapes {
      scrape_configs: { job_name: string; params?: Record<string, string[]> }[];
    }
    const { scrape_configs: jobs } = readYaml<Scrapes>('docker/prometheus/prometheus.yml');
    const { params } = jobs.find(({ job_name: name }) => name === 'rabbitmq-queues')!;
    const rabbitmq = `http://127.0.0.1:${metricsPort}`;
    prometheus = await TestPrometheus.start([
      { job: 'holdfast-api', url: installation.api.url },
      { job: 'holdfast-worker', url: installation.worker.url },
      { job: 'rabbitmq', url: rabbitmq },
      { job: 'rabbitmq-queues', url: rabbitmq, path: '/metrics/detailed', params },
    ]);
    await trade();
  });

  afterAll(async () => {
    await prometheus?.stop();
    await installation?.stop();
    await database?.drop();
    await broker?.remove();
  });

  /** Of the target that was scraped least often. */
  async function scrapes(): Promise<number> {
    const counts = await prometheus.query('count_over_time(up[1h])');
    return counts.length < TARGETS ? 0 : Math.min(...counts);
  }

  /** A little of everything, twice: a rate needs two scrapes. */
  async function trade(): Promise<void> {
    const { client } = installation;
    for (let round = 1; round <= 2; round++) {
      for (let order = 1; order <= 5; order++) await client.post('/v1/orders', { productId: 'acme:A-1', quantity: 1 });
      await client.post('/v1/orders', { productId: 'acme:A-2', quantity: 1000 });
      await completed(installation, round * 5, 20_000);
      const before = await scrapes();
      await waitFor(async () => (await scrapes()) >= before + 2, { withinMs: 20_000, what: 'two scrapes' });
    }
  }

  const asked = panels().flatMap(({ dashboard, title, description, exprs }) =>
    exprs.map((expr): [string, string, boolean] => [
      `${dashboard}, ${title}`,
      expr,
      description.includes(EMPTY_WHEN_WELL),
    ]),
  );
  const isAwaited = (expr: string) => namesIn(expr).metrics.some((name) => AWAITED.has(name));

  it.each(asked.filter(([, expr]) => !isAwaited(expr)))('answers %s', async (_, expr, mayBeEmpty) => {
    const answered = async () => (await prometheus.query(expr)).some((value) => !Number.isNaN(value));
    if (mayBeEmpty) return void (await prometheus.query(expr));
    await waitFor(answered, { withinMs: 15_000, what: `an answer to ${expr}` });
  });

  it('finds nothing to alert about in an installation that is well', async () => {
    expect(await prometheus.query('ALERTS{alertstate="firing"}')).toEqual([]);
  });
});
