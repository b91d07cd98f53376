import { parseArgs } from 'node:util';
import { Config } from '../config/config';
import type { Verdict } from '../vendors/conformance/check';
import { checkVendor } from '../vendors/conformance/conformance';
import { RecordedHttp } from '../vendors/conformance/recorded-http';
import { PRODUCTS_MAX_DEFAULT, type Vendor } from '../vendors/vendor';
import { adaptersOver } from '../vendors/vendors.module';
import { runCommand } from './command';
import { UsageError } from './flags';

const USAGE = `Usage:
  npm run vendor:check -- --kind <rest|wholesale|feed> --url <base URL>
    [--token-env VENDOR_TOKEN_…]  the environment variable with the vendor's token
    [--buy]                       orders single units, and cancels them
    [--sku <sku>]                 what is ordered; the first SKU in stock without it
    [--lag-ms <ms>]               how long after an order the vendor's books may not show it (5000)
A call may take VENDOR_TIMEOUT_MS.`;
const MARKS = { passed: 'ok  ', failed: 'FAIL', 'not tried': '-   ' };
const LAG_MS_DEFAULT = '5000';

/** `npm run vendor:check`: tells an integrator what a vendor's API gets wrong. Exit code 1 where anything failed. */
runCommand(async () => {
  const { values, vendor } = parseCall();
  const http = new RecordedHttp(Config.read(process.env));
  const adapter = adaptersOver(http).find(({ kind }) => kind === vendor.kind);
  if (!adapter) throw new UsageError(`--kind: there is no dialect ${vendor.kind}\n${USAGE}`);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const counts = { passed: 0, failed: 0, 'not tried': 0 };
  const { buy = false, sku } = values;
  for await (const verdict of checkVendor({ vendor, adapter, http, buy, sku, signal: stop.signal })) {
    counts[verdict.result] += 1;
    console.log(paragraph(verdict));
  }
  await http.onModuleDestroy();
  console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts['not tried']} not tried`);
  if (counts.failed > 0) process.exitCode = 1;
}, USAGE);

function paragraph(verdict: Verdict): string {
  const head = `${MARKS[verdict.result]} ${verdict.name}`;
  switch (verdict.result) {
    case 'passed':
      return head;
    case 'not tried':
      return `${head}: not tried, ${verdict.because}`;
    case 'failed':
      return [
        head,
        `       asked:    ${verdict.asked}`,
        `       came:     ${verdict.came}`,
        `       expected: ${verdict.expects}`,
        `       why:      ${verdict.why}`,
      ].join('\n');
  }
}

function parseCall() {
  try {
    const { values } = parseArgs({
      options: {
        kind: { type: 'string' },
        url: { type: 'string' },
        'token-env': { type: 'string' },
        sku: { type: 'string' },
        'lag-ms': { type: 'string' },
        buy: { type: 'boolean' },
      },
    });
    const { kind, url, 'lag-ms': lagMs = LAG_MS_DEFAULT } = values;
    if (kind === undefined || url === undefined || !/^https?:\/\/[^?#]+$/.test(url) || !/^\d{1,7}$/.test(lagMs)) {
      throw new UsageError(USAGE);
    }
    return { values, vendor: vendorAt(kind, url, Number(lagMs), values['token-env'] ?? null) };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${(error as Error).message}\n${USAGE}`);
  }
}

function vendorAt(kind: string, url: string, consistencyLagMs: number, credentialEnv: string | null): Vendor {
  return {
    vendorId: 'checked',
    name: 'The vendor',
    kind,
    baseUrl: url.replace(/\/+$/, ''),
    enabled: true,
    syncIntervalMs: null,
    productsMax: PRODUCTS_MAX_DEFAULT,
    fullSyncIntervalMs: null,
    maxConcurrentOrders: 1,
    credentialEnv,
    clockMarginMs: 0,
    feedMaxAgeMs: null,
    staleStock: { policy: 'sell', bufferQuantity: 0 },
    consistencyLagMs,
    deliveryAttemptsMax: null,
  };
}
