/** A simulator in a process of its own, to be killed: `<dataDir>`. Prints its base URL. */
import { startSimulator } from '../../../src/simulator/simulator';
import { items, VENDOR_ID } from './simulated-shop';

const dataDir = process.argv[2] as string;
const vendors = [{ vendorId: VENDOR_ID, name: 'Test Shop', catalogue: items(1, 1_000_000) }];

void startSimulator({ host: '127.0.0.1', port: 0, dataDir, vendors }).then((simulator) => {
  process.stdout.write(`${simulator.vendors[0]?.baseUrl}\n`);
});
