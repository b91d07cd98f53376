import { join } from 'node:path';
import type { Config } from '../config/config';
import { type SimulatorOptions, startSimulator } from '../simulator/simulator';
import { listenOn, urlAt } from './listen';
import { endWith } from './shutdown';

/** Runs the simulated vendors alone, and prints how to register them. */
export async function runVendors(config: Config): Promise<void> {
  const { listener: simulator } = await listenOn(
    { key: 'VENDORS_PORT', host: config.host, port: config.vendorsPort, mayMove: false },
    (port) => startSimulator(simulatorOptions(config, port)),
  );
  endWith([() => simulator.stop()]);
  const calls = simulator.vendors.map(
    ({ vendorId, name, kind, baseUrl }) =>
      `curl -sS -X PUT ${urlAt(config.host, config.port)}/v1/vendors/${vendorId}` +
      ` -H "Authorization: Bearer $ADMIN_API_KEY" -H 'Content-Type: application/json'` +
      ` -d '${JSON.stringify({ name, kind, baseUrl, syncIntervalMs: 5000 })}'`,
  );
  console.log(`Simulated vendors listen on port ${simulator.port}. Register them:\n\n${calls.join('\n\n')}\n`);
}

export function simulatorOptions({ host, dataDir }: Config, port: number): SimulatorOptions {
  return { host, port, dataDir: join(dataDir, 'vendors'), onNotice: (sentence) => console.log(sentence) };
}
