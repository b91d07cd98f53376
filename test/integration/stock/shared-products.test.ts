import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { Logger } from '@nestjs/common';
import { Config } from '../../../src/config/config';
import { ProductCache } from '../../../src/stock/cache/product-cache';
import { SharedProducts } from '../../../src/stock/cache/shared-products';
import type { ProductQueries, ProductRead } from '../../../src/stock/product-queries';
import { freePort } from '../../support/ports';
import { randomPrefix } from '../../support/rabbitmq';
import { waitFor } from '../../support/wait';

const PRODUCT = {
  productId: 'acme:A',
  vendorId: 'acme',
  sku: 'A',
  name: 'Käse „Brie“',
  price: '1.00',
  currency: 'USD',
  stockQuantity: 10,
  sellableQuantity: 10,
  vendorQuantity: 10,
  reservedQuantity: 0,
  listed: true,
  stale: false,
  observedAt: '2030-01-01T12:00:00.000Z',
  updatedAt: '2030-01-01T12:00:00.000Z',
};
const READ: ProductRead = { product: PRODUCT, sellableWhenStale: 1, stockAgeSeconds: 5 };
/** A read, its wait for Redis included, with room for a busy machine. */
const SLOW_MS = 250;

const opened: SharedProducts[] = [];

beforeAll(() => Logger.overrideLogger(false));

afterEach(async () => {
  await Promise.all(opened.splice(0).map((shared) => shared.onApplicationShutdown()));
});

async function open(url: string, prefix = 'holdfast'): Promise<SharedProducts> {
  const shared = await SharedProducts.of(Config.read({ REDIS_URL: url, RABBITMQ_PREFIX: prefix }));
  opened.push(shared);
  return shared;
}

/** A cache over it, and what the database was asked. */
function cacheOver(shared: SharedProducts) {
  const findMany = jest.fn(() => Promise.resolve([READ]));
  return { cache: new ProductCache({ findMany } as unknown as ProductQueries, shared), findMany };
}

async function tookMs(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

describe('a Redis that does not answer', () => {
  let server: Server;

  it('neither fails nor slows a read when nobody listens', async () => {
    const { cache, findMany } = cacheOver(await open(`redis://127.0.0.1:${await freePort()}`));
    expect(await tookMs(() => cache.get('acme:A'))).toBeLessThan(SLOW_MS);
    expect(findMany).toHaveBeenCalledTimes(1);
  });

  it('neither fails nor slows a read when it is silent, and is left alone after that', async () => {
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const shared = await open(`redis://127.0.0.1:${port}`);
    const { cache } = cacheOver(shared);
    expect(await tookMs(() => cache.get('acme:A'))).toBeLessThan(SLOW_MS);
    const asked = jest.spyOn(shared['redis']!.products, 'getMany');
    await shared.read(['acme:A']);
    expect(asked).not.toHaveBeenCalled();
    server.close();
  });
});

const withRedis = spawnSync('redis-server', ['--version']).error ? describe.skip : describe;

withRedis('a Redis of the test', () => {
  let redis: ChildProcess;
  let port: number;

  const listens = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
        .on('connect', () => resolve((socket.destroy(), true)))
        .on('error', () => resolve(false));
    });

  async function start(): Promise<void> {
    const args = ['--port', String(port), '--save', '', '--appendonly', 'no', '--bind', '127.0.0.1', '--dir', tmpdir()];
    redis = spawn('redis-server', args, { stdio: 'ignore' });
    await waitFor(listens, { withinMs: 10_000, what: 'Redis to listen' });
  }

  async function stop(): Promise<void> {
    if (redis.exitCode !== null || redis.signalCode !== null) return;
    const exited = once(redis, 'exit');
    redis.kill('SIGKILL');
    await exited;
  }

  beforeEach(async () => {
    port = await freePort();
    await start();
  });
  afterEach(stop);

  const url = () => `redis://127.0.0.1:${port}`;
  const shows = async (shared: SharedProducts, expected: ProductRead | undefined, withinMs: number): Promise<void> =>
    waitFor(
      async () => JSON.stringify((await shared.read(['acme:A', 'acme:B'])).get('acme:A')) === JSON.stringify(expected),
      { withinMs, what: () => `Redis to show ${expected === undefined ? 'nothing' : 'the product'}` },
    );

  /** Writes until it is there: right after the start it may be connecting still. */
  async function share(from: SharedProducts, to: SharedProducts, forMs: number, read = READ): Promise<void> {
    const { productId } = read.product;
    await waitFor(
      async () => {
        from.write([read], forMs);
        return (await to.read([productId])).has(productId);
      },
      { withinMs: 10_000, what: 'a product to be shared' },
    );
  }

  it('gives one process what another has read, and forgets it in time', async () => {
    const prefix = randomPrefix();
    const [mine, other] = [await open(url(), prefix), await open(url(), prefix)];
    await share(mine, other, 400);
    await shows(other, undefined, 1000);
  });

  it('keeps installations apart by their prefix', async () => {
    const [mine, same, stranger] = [await open(url(), 'one'), await open(url(), 'one'), await open(url(), 'two')];
    await share(mine, same, 10_000);
    const other = { ...READ, product: { ...PRODUCT, productId: 'acme:B' } };
    await share(stranger, stranger, 10_000, other);
    expect([...(await stranger.read(['acme:A', 'acme:B'])).keys()]).toEqual(['acme:B']);
  });

  it('is waited for once when it hangs, and not for long', async () => {
    const shared = await open(url());
    await share(shared, shared, 60_000);
    redis.kill('SIGSTOP');
    expect(await tookMs(() => cacheOver(shared).cache.get('acme:A'))).toBeLessThan(SLOW_MS);
    const asked = jest.spyOn(shared['redis']!.products, 'getMany');
    await shared.read(['acme:A']);
    expect(asked).not.toHaveBeenCalled();
    redis.kill('SIGCONT');
    await share(shared, shared, 60_000);
  });

  it('is missed by nobody when it dies, and used again when it is back', async () => {
    const shared = await open(url());
    await share(shared, shared, 60_000);
    await stop();
    const { cache, findMany } = cacheOver(shared);
    expect(await tookMs(() => cache.get('acme:A'))).toBeLessThan(SLOW_MS);
    expect(findMany).toHaveBeenCalledTimes(1);
    await start();
    await share(shared, shared, 60_000);
  });
});
