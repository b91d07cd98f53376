import { execFileSync, execSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiClient } from '../support/client';
import { newDataDir, removeDataDir } from '../support/data-dir';
import { type AppProcess, freePort, startProcess } from '../support/processes';
import { waitFor } from '../support/wait';

const WELCOME_MS_MAX = 30_000;

describe('npm start, on a machine with nothing but Node', () => {
  const started: AppProcess[] = [];
  const directories: string[] = [];

  afterEach(async () => {
    for (const app of started.splice(0)) await app.kill();
    // The embedded server follows its owner within two seconds; its directory is removed once it is gone.
    directories.splice(0).forEach(removeDataDir);
  });

  async function startDemo(dataDir: string, port: string): Promise<AppProcess & { welcome: Welcome }> {
    const vendorsPort = String(await freePort());
    const env = { HOLDFAST_DATA_DIR: dataDir, PORT: port, VENDORS_PORT: vendorsPort };
    const app = await startProcess('all', env, ['--demo']);
    started.push(app);
    await waitFor(() => app.output().includes('Ctrl-C') || !app.running(), {
      withinMs: WELCOME_MS_MAX,
      what: () => `the welcome; it printed:\n${app.output()}`,
    });
    return Object.assign(app, { welcome: welcomeIn(app.output()) });
  }

  function keptDataDir(): string {
    const directory = newDataDir();
    directories.push(directory);
    return directory;
  }

  it('prints a curl that places an order as pasted, which stands once in the vendor’s books within two seconds', async () => {
    const app = await startDemo(keptDataDir(), String(await freePort()));
    const order = JSON.parse(execSync(app.welcome.curl, { encoding: 'utf8' })) as { orderId: string };
    const api = new ApiClient(app.url, app.welcome.apiKey);
    await waitFor(async () => (await api.get(`/v1/orders/${order.orderId}`)).body.status === 'completed', {
      withinMs: 2000,
      what: 'the order to complete',
    });
    expect(await purchases(app.welcome.ledgerUrl)).toEqual([order.orderId]);
  });

  it('stops cleanly on a Ctrl-C, which npm sends once more, and finds everything again', async () => {
    const dataDir = keptDataDir();
    const first = await startDemo(dataDir, String(await freePort()));
    const { orderId } = JSON.parse(execSync(first.welcome.curl, { encoding: 'utf8' })) as { orderId: string };
    first.signal('SIGINT');
    // The output stands beside the code so that a failure says what it died of.
    expect([await first.stop(), first.output()]).toEqual([0, expect.any(String)]);
    const second = await startDemo(dataDir, String(await freePort()));
    expect(second.welcome.apiKey).toBe(first.welcome.apiKey);
    const api = new ApiClient(second.url, second.welcome.apiKey);
    await waitFor(async () => (await api.get(`/v1/orders/${orderId}`)).body.status === 'completed', {
      withinMs: 30_000,
      what: 'the order of before to complete',
    });
  });

  it('tells its key also without the demo, as a line of its log', async () => {
    const dataDir = keptDataDir();
    const env = { HOLDFAST_DATA_DIR: dataDir, PORT: String(await freePort()), LOG_LEVEL: 'info' };
    const app = await startProcess('all', env);
    started.push(app);
    await waitFor(() => app.output().includes('API key, with every scope'), { withinMs: 10_000, what: 'the key' });
    const lines = app
      .output()
      .split('\n')
      .filter((line) => line.includes('API key'));
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      `API key, with every scope: ${readFileSync(join(dataDir, 'admin-api-key'), 'utf8').trim()}`,
    ]);
  });

  it('refuses a second process on the same data, naming the first one and its address', async () => {
    const dataDir = keptDataDir();
    const first = await startDemo(dataDir, String(await freePort()));
    const second = await startProcess('all', { HOLDFAST_DATA_DIR: dataDir, PORT: String(await freePort()) });
    started.push(second);
    expect(await second.stop()).toBe(1);
    expect(second.output()).toContain(first.url);
    expect(second.output()).toMatch(/in use by process \d+/);
    expect(first.running()).toBe(true);
  });

  it('lets commands, and an API process, attach to the running database', async () => {
    const dataDir = keptDataDir();
    const first = await startDemo(dataDir, String(await freePort()));
    const env = { ...process.env, HOLDFAST_DATA_DIR: dataDir, DATABASE_URL: '' };
    expect(execFileSync(process.execPath, ['dist/launch/migrate.command.js'], { env, encoding: 'utf8' })).toBe(
      'Nothing to migrate.\n',
    );
    const api = await startProcess('api', { HOLDFAST_DATA_DIR: dataDir, PORT: String(await freePort()) });
    started.push(api);
    await waitFor(async () => (await fetch(`${api.url}/health/ready`)).ok, {
      withinMs: 10_000,
      what: 'the API to be ready',
    });
    const listed = await new ApiClient(api.url, first.welcome.apiKey).get('/v1/products?limit=1');
    expect(listed.status).toBe(200);
    expect(listed.body.items).toHaveLength(1);
  });

  it('completes all of 50 orders that were pending at kill -9, each bought once', async () => {
    const dataDir = keptDataDir();
    const port = String(await freePort());
    const first = await startDemo(dataDir, port);
    const api = new ApiClient(first.url, first.welcome.apiKey);
    // Slow enough that most are not bought yet when the process dies.
    await fetch(first.welcome.ledgerUrl.replace('_ledger', '_faults'), {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ latency: { ms: 300, operation: 'order' } }),
    });
    const placed = await Promise.all(
      Array.from({ length: 50 }, () => api.post('/v1/orders', { productId: first.welcome.productId, quantity: 1 })),
    );
    expect(placed.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 201));
    await first.kill();

    const second = await startDemo(dataDir, port);
    const again = new ApiClient(second.url, second.welcome.apiKey);
    await waitFor(async () => (await again.get('/v1/orders?status=completed&limit=200')).body.items.length === 50, {
      withinMs: 50_000,
      what: 'all 50 orders to complete',
    });
    // The welcome shows the vendor that was polled first, which may be another one this time.
    const ledgerUrl = new URL(new URL(first.welcome.ledgerUrl).pathname, second.welcome.ledgerUrl).toString();
    expect((await purchases(ledgerUrl)).toSorted()).toEqual(
      placed.map(({ body }) => body.orderId as string).toSorted(),
    );
    // Two starts of a whole installation come on top of the wait.
  }, 120_000);

  it('makes its key anew where somebody died while writing it', async () => {
    const dataDir = keptDataDir();
    mkdirSync(dataDir, { recursive: true, mode: 0o711 });
    chmodSync(dataDir, 0o711);
    writeFileSync(join(dataDir, 'admin-api-key'), '');
    const app = await startDemo(dataDir, String(await freePort()));
    expect(app.welcome.apiKey).toMatch(/^hf_[\w-]{43}$/);
    expect(readFileSync(join(dataDir, 'admin-api-key'), 'utf8').trim()).toBe(app.welcome.apiKey);
    expect((await new ApiClient(app.url, app.welcome.apiKey).get('/v1/orders')).status).toBe(200);
  });

  it('ends when its database server does, so that whoever looks after it starts both again', async () => {
    const dataDir = keptDataDir();
    const port = String(await freePort());
    const first = await startDemo(dataDir, port);
    const [server] = readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n');
    process.kill(Number(server), 'SIGKILL');
    await waitFor(() => !first.running(), { withinMs: 10_000, what: 'it to end' });
    expect([await first.stop(), first.output()]).toEqual([1, expect.stringContaining('ended by itself')]);
    const second = await startDemo(dataDir, port);
    expect(second.welcome.apiKey).toBe(first.welcome.apiKey);
  });
});

interface Welcome {
  curl: string;
  apiKey: string;
  productId: string;
  ledgerUrl: string;
}

function welcomeIn(output: string): Welcome {
  return {
    curl: /^ {2}(curl .*)$/m.exec(output)?.[1] ?? '',
    apiKey: /API key\s+(\S+)/.exec(output)?.[1] ?? '',
    productId: /"productId":"([^"]+)"/.exec(output)?.[1] ?? '',
    ledgerUrl: /own books: (\S+)/.exec(output)?.[1] ?? '',
  };
}

async function purchases(ledgerUrl: string): Promise<string[]> {
  const { items } = (await (await fetch(ledgerUrl)).json()) as { items: { reference: string; status: string }[] };
  return items.filter(({ status }) => status === 'accepted').map(({ reference }) => reference);
}
