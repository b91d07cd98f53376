/**
 * The simulated vendors: a program of its own that plays companies which sell, with a ledger each that survives
 * `kill -9`. For development and tests: no TLS, and whoever reaches its port can switch faults.
 */
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { Books } from './books';
import { checkVendors, dialectOf, type SimulatedVendor } from './catalogue';
import { controlRoutes } from './control-routes';
import { demoVendors } from './demo-catalogue';
import type { DialectName } from './dialects/dialect-name';
import type { Manners, OpenVendor } from './dialects/exchange';
import { feedDialect, feedManners } from './dialects/feed-dialect';
import { restDialect, restManners } from './dialects/rest-dialect';
import { wholesaleDialect, wholesaleManners } from './dialects/wholesale-dialect';
import { Faults } from './faults';
import { offerProcessMetrics } from './process-metrics';
import { Settings } from './settings';
import { BooksFull, Shop } from './shop';
import { Stockroom } from './stockroom';
import { StockTraffic } from './stock-traffic';
import { machineTime } from './vendor-clock';
import { Waits } from './waits';

export type { CatalogueItem, GeneratedCatalogue, SimulatedVendor } from './catalogue';
export type { DialectName } from './dialects/dialect-name';
export { demoVendors } from './demo-catalogue';

/** The longest body is one order or the settings of all faults. */
const BODY_BYTES_MAX = 64 * 1024;
/** 128 characters of four bytes, percent-encoded. */
const PARAMETER_CHARACTERS_MAX = 1_536;
const CONNECTIONS_MAX = 2_000;
const REQUEST_MS_MAX = 30_000;
/** Above the idle time of usual clients, so that a request never meets a connection that is just being closed. */
const KEEP_ALIVE_MS = 75_000;
/** What is still being answered may finish within this time when the simulator stops. */
const STOP_MS_MAX = 3_000;

type Dialect = { open: (app: FastifyInstance, vendor: OpenVendor) => void; manners: Manners };

const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  rest: { open: restDialect, manners: restManners },
  wholesale: { open: wholesaleDialect, manners: wholesaleManners },
  feed: { open: feedDialect, manners: feedManners },
};

export interface SimulatorOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Where the ledgers are kept, one file for each vendor. Two simulators must not share it. */
  readonly dataDir: string;
  /** The three demo vendors, when absent. */
  readonly vendors?: readonly SimulatedVendor[];
  readonly onNotice?: (sentence: string) => void;
}

export interface RunningSimulator {
  readonly port: number;
  readonly vendors: { vendorId: string; name: string; kind: DialectName; baseUrl: string }[];
  /** Resolves once every ledger is on disk and the port is free. */
  stop(): Promise<void>;
}

/** @throws Error if a vendor makes no sense, a ledger cannot be read, or (with its `code`) the port cannot be had. */
export async function startSimulator(options: SimulatorOptions): Promise<RunningSimulator> {
  const profiles = options.vendors ?? demoVendors;
  checkVendors(profiles);
  const notice = options.onNotice ?? (() => undefined);
  const waits = new Waits();
  const opened: Opened[] = [];
  const app = buildServer(profiles, notice);

  const stop = async () => {
    for (const { traffic } of opened) for (const each of traffic) each.stop();
    waits.stop();
    const deadline = setTimeout(() => app.server.closeAllConnections(), STOP_MS_MAX);
    await app.close();
    clearTimeout(deadline);
    await Promise.all(opened.map(({ books }) => books.close()));
  };

  try {
    for (const profile of profiles) {
      const each = await openVendor(profile, options.dataDir, waits, notice);
      opened.push(each);
      await app.register(async (scope) => openDoors(scope, each), { prefix: `/${profile.vendorId}` });
    }
    await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    await stop();
    throw error;
  }

  const { port } = app.server.address() as AddressInfo;
  let stopped: Promise<void> | undefined;
  return {
    port,
    vendors: profiles.map((profile) => ({
      vendorId: profile.vendorId,
      name: profile.name,
      kind: dialectOf(profile),
      baseUrl: `http://${reachable(options.host)}:${port}/${profile.vendorId}`,
    })),
    stop: () => (stopped ??= stop()),
  };
}

interface Opened {
  readonly vendor: OpenVendor;
  readonly books: Books;
  readonly traffic: readonly StockTraffic[];
}

async function openVendor(
  profile: SimulatedVendor,
  dataDir: string,
  waits: Waits,
  notice: (sentence: string) => void,
): Promise<Opened> {
  const faults = new Faults();
  const books = await Books.open(profile, dataDir, { skewMs: () => faults.skewMs(), time: machineTime, notice });
  const stockroom = new Stockroom(books);
  const settings = new Settings(dialectOf(profile), profile.settings);
  const vendor = { profile, shop: new Shop(profile, books), stockroom, settings, faults, waits, notice };
  const traffic = [
    new StockTraffic('outsideSales', faults, (place) => stockroom.sellOutside(place)),
    new StockTraffic('restocking', faults, (place) => stockroom.restock(place)),
  ];
  return { vendor, books, traffic };
}

/** One door for customers, in the vendor's dialect, and one behind the counter, which is the same for all. */
async function openDoors(app: FastifyInstance, { vendor, traffic }: Opened): Promise<void> {
  const { open, manners } = DIALECTS[dialectOf(vendor.profile)];
  await app.register(async (scope) => {
    scope.setErrorHandler(answerErrors(manners.error, vendor.notice));
    open(scope, vendor);
  });
  controlRoutes(app, vendor, () => traffic.forEach((each) => each.follow()));
}

function buildServer(profiles: readonly SimulatedVendor[], notice: (sentence: string) => void): FastifyInstance {
  const app = Fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    routerOptions: { maxParamLength: PARAMETER_CHARACTERS_MAX },
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  const vendorIds = profiles.map(({ vendorId }) => vendorId).join(', ');
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      // No dialect's code: whoever asks at the wrong door is not told by a vendor that it has no such order.
      problem: 'UNKNOWN_PATH',
      message: `${request.method} ${request.url} is nothing here. The vendors are: ${vendorIds}.`,
    }),
  );
  app.setErrorHandler(answerErrors(restManners.error, notice));
  // Probes ask every mode the same way, and read the same format.
  for (const path of ['/health/live', '/health/ready']) {
    app.get(path, () => ({ status: 'ok', info: {}, error: {}, details: {} }));
  }
  offerProcessMetrics(app);
  return app;
}

function answerErrors(error: Manners['error'], notice: (sentence: string) => void) {
  return (thrown: Error & { statusCode?: number }, request: FastifyRequest, reply: FastifyReply) => {
    const status = thrown instanceof BooksFull ? 503 : (thrown.statusCode ?? 500);
    if (status === 500) notice(`${request.method} ${request.url} failed: ${thrown.message}`);
    const code = thrown instanceof BooksFull ? 'BOOKS_FULL' : status < 500 ? 'BAD_REQUEST' : 'INTERNAL';
    return reply.code(status).send(error(status, code, thrown.message).body);
  };
}

/** The address others on this machine can use for what it listens to. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
