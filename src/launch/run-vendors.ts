import { accessSync, constants, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Config } from '../config/config';
import { type SimulatorOptions, startSimulator } from '../simulator/simulator';
import { listenOn, urlAt } from './listen';
import { endWith } from './shutdown';
import { StartError } from './start-error';

/** Runs the simulated vendors alone, and prints how to register them. */
export async function runVendors(config: Config): Promise<void> {
  mustBeWritable(config.dataDir);
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

/** Throws `StartError`. */
function mustBeWritable(dataDir: string): void {
  const folder = resolve(dataDir, 'vendors');
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new StartError(
      `HOLDFAST_DATA_DIR: ${folder} cannot be written (${(error as Error).message}): set it to a folder that can.`,
    );
  }
}
