import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ApiClient } from '../support/client';
import { run } from '../support/command';
import { newDataDir } from '../support/data-dir';
import { freePort, startProcess } from '../support/processes';

describe('--mode=vendors', () => {
  it('answers probes, prints how to register its vendors, and keeps its books over kill -9', async () => {
    const dataDir = newDataDir();
    const env = { HOLDFAST_DATA_DIR: dataDir, VENDORS_PORT: String(await freePort()) };
    const first = await startProcess('vendors', env);
    for (const probe of ['live', 'ready']) {
      expect(await (await fetch(`${first.url}/health/${probe}`)).json()).toMatchObject({ status: 'ok' });
    }
    const registrations = first.output().match(/curl -sS -X PUT \S+\/v1\/vendors\/\S+/g);
    expect(registrations).toHaveLength(3);

    const vendor = new ApiClient(`${first.url}/alpine-outdoor`, undefined);
    const order = { reference: 'r-1', sku: (await vendor.get('/stock?limit=1')).body.items[0].sku, quantity: 1 };
    const bought = await vendor.post('/orders', order, { 'idempotency-key': 'r-1' });
    expect(bought.status).toBe(201);
    await first.kill();

    const second = await startProcess('vendors', env);
    const again = await new ApiClient(`${second.url}/alpine-outdoor`, undefined).get('/orders/r-1');
    expect(again.body).toMatchObject({ vendorOrderId: bought.body.vendorOrderId, status: 'accepted' });
    expect(await second.stop()).toBe(0);
    rmSync(dataDir, { recursive: true });
  });

  it('says which directory it cannot use', async () => {
    const file = join(newDataDir(), 'a-file');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '');
    const env = { HOLDFAST_DATA_DIR: file, VENDORS_PORT: String(await freePort()) };
    const { code, stderr } = await run('main.js', ['--mode=vendors'], env);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^HOLDFAST_DATA_DIR: .*a-file\/vendors cannot be written .*\n$/),
    ]);
    rmSync(dirname(file), { recursive: true });
  });
});
