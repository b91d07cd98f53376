import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { readTraceparent } from '../../../src/observability/spans';
import { Collector } from '../../support/collector';
import { waitFor } from '../../support/wait';
import type { Done, Wish } from './teller';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const SAMPLED = `00-${TRACE_ID}-b7ad6b7169203331-01`;
const UNSAMPLED = `00-${TRACE_ID}-b7ad6b7169203331-00`;
/** What may wait, and what may be under way. */
const SPANS_KEPT_MAX = 4096 + 512;

/** A process of its own: the exporter imports modules in a way that Jest cannot follow. */
let teller: ChildProcess;
let collector: Collector;

async function wish(wished: Wish): Promise<Done> {
  const done = once(teller, 'message');
  teller.send(wished);
  return ((await done) as [Done])[0];
}

const start = (env: Record<string, string> = {}) =>
  wish({ start: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env } });
const tell = (name: string, parent: string | null = null, times = 1) => wish({ tell: name, parent, times });
const stop = (deadlineMs = 5000) => wish({ stop: deadlineMs });
const names = () => collector.spans.map(({ name }) => name);

describe('spans', () => {
  beforeEach(async () => {
    teller = fork(join(__dirname, '../../support/run-typescript.cjs'), [join(__dirname, 'teller.ts')]);
    collector = await Collector.listen();
  });

  afterEach(async () => {
    const ended = once(teller, 'exit');
    teller.disconnect();
    await ended;
    await collector.close();
  });

  it('are sent at the latest when the process stops, with who sends them and what the collector wants', async () => {
    await start({ OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20t,x-tenant=a', OTEL_SERVICE_NAME: 'shop' });
    await tell('story', SAMPLED);
    await stop();
    expect(collector.spans).toMatchObject([
      {
        name: 'story',
        traceId: TRACE_ID,
        parentSpanId: SAMPLED.slice(36, 52),
        resource: { 'service.name': 'shop', 'service.version': '1.2.3', 'holdfast.mode': 'all' },
      },
    ]);
    expect(collector.headers[0]).toMatchObject({ authorization: 'Bearer t', 'x-tenant': 'a' });
  });

  it('wait for a collector that hangs in a bounded number, and do not make a stop wait longer than it may', async () => {
    collector.answers = 'hang';
    await start();
    await tell('unheard', null, 2 * SPANS_KEPT_MAX);
    await waitFor(() => collector.headers.length > 0, { withinMs: 5000, what: 'a first batch' });
    // One batch alone may take five seconds.
    expect((await stop(300)).tookMs).toBeLessThan(3000);

    collector.answers = 200;
    await start();
    await tell('story', null, 2 * SPANS_KEPT_MAX);
    await stop(10_000);
    // What the first stop no longer waited for may still arrive meanwhile.
    const told = names().filter((name) => name === 'story');
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThanOrEqual(SPANS_KEPT_MAX);
  });

  it('that cannot be sent are mentioned once, and so is that they arrive again', async () => {
    collector.answers = 400;
    await start();
    for (let batch = 1; batch <= 3; batch++) {
      await tell('lost');
      await waitFor(() => collector.headers.length === batch, { withinMs: 5000, what: 'a batch' });
    }
    collector.answers = 200;
    await tell('found');
    await waitFor(() => names().length > 0, { withinMs: 5000, what: 'the good news' });
    expect((await stop()).said).toEqual([
      expect.stringMatching(/^Traces cannot be sent and are dropped: .*400/),
      'Traces are sent again',
    ]);
    expect(names()).toEqual(['found']);
  });

  it.each([
    ['parentbased_always_on', '', ['sampled', 'own']],
    ['parentbased_always_off', '', ['sampled']],
    ['parentbased_traceidratio', '0', ['sampled']],
    ['parentbased_traceidratio', '1', ['sampled', 'own']],
    ['always_on', '', ['sampled', 'unsampled', 'own']],
    ['always_off', '', []],
    ['traceidratio', '0', []],
    ['traceidratio', '1.0', ['sampled', 'unsampled', 'own']],
  ])('are recorded as %s %s says', async (sampler, share, recorded) => {
    await start({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: share });
    await tell('sampled', SAMPLED);
    await tell('unsampled', UNSAMPLED);
    await tell('own');
    await stop();
    expect(names()).toEqual(recorded);
  });

  it('that are not recorded pass on that they are not, and where they belong', async () => {
    await start();
    const sampled = (await tell('story', SAMPLED)).below!;
    const unsampled = (await tell('story', UNSAMPLED)).below!;
    for (const below of [sampled, unsampled]) {
      expect(below.slice(0, 35)).toBe(`00-${TRACE_ID}`);
      expect(below.slice(36, 52)).not.toBe(SAMPLED.slice(36, 52));
    }
    expect([sampled.slice(-2), unsampled.slice(-2)]).toEqual(['01', '00']);
    await stop();
    expect((await tell('story', SAMPLED)).below).toBe(SAMPLED);
  });
});

it.each([
  ['an array', [SAMPLED]],
  ['nothing', undefined],
  ['no trace', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`],
  ['no parent', `00-${TRACE_ID}-${'0'.repeat(16)}-01`],
  ['capitals', SAMPLED.toUpperCase()],
  ['a version that there will never be', `ff${SAMPLED.slice(2)}`],
  ['more than that', `${SAMPLED}-extra`],
])('a traceparent that is %s is none', (_, text) => {
  expect(readTraceparent(text)).toBeNull();
  expect(readTraceparent(SAMPLED)).toBe(SAMPLED);
});
