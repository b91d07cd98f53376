/**
 * A simulated vendor with a generated catalogue in a process of its own, so that it does not share the event loop of
 * who measures: `node test/support/run-typescript.cjs test/support/big-vendor.ts '<JSON of BigVendorOptions>'`. Prints
 * its base URL once it answers.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSimulator } from '../../src/simulator/simulator';
import type { BigVendorOptions } from './vendor';

const { vendorId = 'big', dialect, count, seed = 1, port = 0, settings } = options(process.argv[2]);
const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-big-vendor-'));
process.on('exit', () => rmSync(dataDir, { recursive: true, force: true }));

void startSimulator({
  host: '127.0.0.1',
  port,
  dataDir,
  vendors: [
    { vendorId, name: 'Big Vendor', dialect, catalogue: { generated: { count, seed } }, ...(settings && { settings }) },
  ],
  onNotice: (sentence) => console.error(sentence),
}).then((simulator) => {
  const stop = () => void simulator.stop().then(() => process.exit(0));
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.once(signal, stop);
  console.log(simulator.vendors[0]!.baseUrl);
});

function options(json: string | undefined): BigVendorOptions {
  if (json !== undefined) return JSON.parse(json) as BigVendorOptions;
  throw new Error('Say what to start, such as \'{"dialect":"rest","count":1000000}\'.');
}
