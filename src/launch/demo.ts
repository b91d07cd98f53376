import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Config } from '../config/config';
import { type RunningSimulator, startSimulator } from '../simulator/simulator';
import type { Product } from '../stock/product';
import { PRODUCTS_MAX_DEFAULT } from '../vendors/vendor';
import { ProductQueries } from '../stock/product-queries';
import { VendorRegistry } from '../vendors/vendor-registry';
import { listenOn } from './listen';
import { simulatorOptions } from './run-vendors';

/** The demo's vendors are near and fast; an order's stock should be seen to settle. */
const SYNC_INTERVAL_MS = 5000;
/** How long the first poll may take before the welcome is printed without an example. */
const FIRST_SYNC_MS_MAX = 20_000;
const LOOK_EVERY_MS = 50;

/** Starts the simulated vendors in this process. */
export async function startDemoVendors(config: Config): Promise<RunningSimulator> {
  const { listener } = await listenOn(
    { key: 'VENDORS_PORT', host: config.host, port: config.vendorsPort, mayMove: !config.isSet('VENDORS_PORT') },
    (port) => startSimulator(simulatorOptions(config, port)),
  );
  return listener;
}

/** Registers the simulated vendors, waits for their stock, and says how to place an order. */
export async function welcome(
  app: NestFastifyApplication,
  { adminApiKey }: Config,
  url: string,
  { vendors }: RunningSimulator,
): Promise<void> {
  for (const { vendorId, name, kind, baseUrl } of vendors) {
    // Their books are in the data directory, whatever port they listen on this time.
    await app.get(VendorRegistry).put({ ...demoVendor, vendorId, name, kind, baseUrl }, { moved: true });
  }
  const product = await firstProduct(app);
  const seller = vendors.find(({ vendorId }) => vendorId === product?.vendorId) ?? vendors[0]!;
  console.log(welcomeText(url, adminApiKey, product?.productId, seller.baseUrl));
}

const demoVendor = {
  enabled: true,
  syncIntervalMs: SYNC_INTERVAL_MS,
  productsMax: PRODUCTS_MAX_DEFAULT,
  fullSyncIntervalMs: null,
  feedMaxAgeMs: null,
  staleStock: { policy: 'sell' as const, bufferQuantity: 0 },
  maxConcurrentOrders: 4,
  credentialEnv: null,
  clockMarginMs: 0,
  consistencyLagMs: 5000,
  deliveryAttemptsMax: null,
};

async function firstProduct(app: NestFastifyApplication): Promise<Product | undefined> {
  const products = app.get(ProductQueries);
  for (let waitedMs = 0; waitedMs < FIRST_SYNC_MS_MAX; waitedMs += LOOK_EVERY_MS) {
    const [product] = await products.list({ listed: true, inStock: true, limit: 1 });
    if (product) return product;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return undefined;
}

/** Without `ADMIN_API_KEY` an external database has keys of its own, of which nobody can be told. */
function welcomeText(
  url: string,
  apiKey: string | undefined,
  productId: string | undefined,
  vendorUrl: string,
): string {
  const example = [
    `curl -sS -X POST ${url}/v1/orders`,
    apiKey === undefined ? `-H "Authorization: Bearer $API_KEY"` : `-H 'Authorization: Bearer ${apiKey}'`,
    `-H 'Content-Type: application/json'`,
    `-d '${JSON.stringify({ productId, quantity: 1 }).replaceAll("'", String.raw`'\''`)}'`,
  ].join(' ');
  return `
Holdfast is ready.

  Swagger UI   ${url}/docs
  API key      ${apiKey ?? 'one of yours, as API_KEY; npm run keys -- create makes one'}

${productId === undefined ? 'The vendors have not been polled yet; see /v1/products in a moment.' : `Place an order:\n\n  ${example}`}

Its vendor's own books: ${vendorUrl}/_ledger
Ctrl-C stops everything; the data stays.
`;
}
