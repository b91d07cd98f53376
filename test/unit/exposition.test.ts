import { Logger } from '@nestjs/common';
import { Registry } from 'prom-client';
import { Exposition, type Sample } from '../../src/observability/metrics/exposition';
import { parseMetrics, valueOf } from '../support/metrics';

const gauge = (name: string) => [{ name, help: 'for a test' }];
const labelled = (name: string) => [{ name, help: 'for a test', labelNames: ['vendor'] }];

let exposition: Exposition;

beforeAll(() => Logger.overrideLogger(false));
beforeEach(() => (exposition = new Exposition(new Registry())));

const told = async () => parseMetrics(await exposition.text());

it('reads what this process can tell before it asks anybody, whoever registered first', async () => {
  const order: string[] = [];
  exposition.ask(gauge('asked'), () => {
    order.push('asked');
    return Promise.resolve([]);
  });
  exposition.tell(gauge('told'), () => {
    order.push('told');
    return [];
  });
  await told();
  expect(order).toEqual(['told', 'asked']);
});

it('leaves out what came no more, with its labels or without', async () => {
  let samples: Sample[] = [
    { name: 'plain', value: 1 },
    { name: 'of_vendors', labels: { vendor: 'acme' }, value: 2 },
  ];
  exposition.tell([...gauge('plain'), ...labelled('of_vendors')], () => samples);
  expect((await told()).samples).toEqual([
    { name: 'plain', labels: {}, value: 1 },
    { name: 'of_vendors', labels: { vendor: 'acme' }, value: 2 },
  ]);
  samples = [];
  expect((await told()).samples).toEqual([]);
});

it('leaves out what fails, what comes too late and what it does not know, and tells the rest', async () => {
  let late = (_: Sample[]): void => undefined;
  exposition.ask(gauge('failing'), () => Promise.reject(new Error('no')));
  exposition.tell(gauge('throwing'), () => {
    throw new Error('no');
  });
  exposition.ask(gauge('late'), () => new Promise((resolve) => (late = resolve)));
  exposition.tell(gauge('well'), () => [
    { name: 'of a newer release', value: 1 },
    { name: 'well', value: 1 },
  ]);
  const metrics = await told();
  expect(metrics.samples).toEqual([{ name: 'well', labels: {}, value: 1 }]);
  expect(metrics.types.get('late')).toBe('gauge');
  late([{ name: 'late', value: 1 }]);
  await Promise.resolve();
  expect(valueOf(await told(), 'late')).toBeUndefined();
});

it('asks once for all who scrape at the same time', async () => {
  let asked = 0;
  exposition.ask(gauge('asked'), () => Promise.resolve([{ name: 'asked', value: (asked += 1) }]));
  expect(await exposition.text()).not.toBe(await exposition.text());
  const [one, other] = await Promise.all([exposition.text(), exposition.text()]);
  expect([one, asked]).toEqual([other, 3]);
});
