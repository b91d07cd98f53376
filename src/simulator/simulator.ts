/**
 * The simulated vendors: a program of its own that plays companies which sell, with a ledger each that survives
 * `kill -9`. For development and tests: no TLS, and whoever reaches its port can switch faults.
 */
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { checkVendors, type SimulatedVendor } from './catalogue';
import { controlRoutes } from './control-routes';
import { demoVendors } from './demo-catalogue';
import type { OpenVendor } from './exchange';
import { Faults } from './faults';
import { OutsideSales } from './outside-sales';
import { restDialect } from './rest-dialect';
import { BooksFull, Shop } from './shop';
import { machineTime } from './vendor-clock';
import { Waits } from './waits';

export type { CatalogueItem, SimulatedVendor } from './catalogue';
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
  readonly vendors: { vendorId: string; name: string; kind: 'rest'; baseUrl: string }[];
  /** Resolves once every ledger is on disk and the port is free. */
  stop(): Promise<void>;
}

/** @throws Error if a vendor makes no sense, a ledger cannot be read, or (with its `code`) the port cannot be had. */
export async function startSimulator(options: SimulatorOptions): Promise<RunningSimulator> {
  const profiles = options.vendors ?? demoVendors;
  checkVendors(profiles);
  const notice = options.onNotice ?? (() => undefined);
  const waits = new Waits();
  const vendors: OpenVendor[] = [];
  const sales: OutsideSales[] = [];
  const app = buildServer(profiles, notice);

  const stop = async () => {
    for (const each of sales) each.stop();
    waits.stop();
    const deadline = setTimeout(() => app.server.closeAllConnections(), STOP_MS_MAX);
    await app.close();
    clearTimeout(deadline);
    await Promise.all(vendors.map(({ shop }) => shop.close()));
  };

  try {
    for (const profile of profiles) {
      const vendor = await openVendor(profile, options.dataDir, waits, notice);
      const outsideSales = new OutsideSales(vendor.shop, vendor.faults);
      vendors.push(vendor);
      sales.push(outsideSales);
      await app.register(
        async (scope) => {
          restDialect(scope, vendor);
          controlRoutes(scope, vendor, () => outsideSales.follow());
        },
        { prefix: `/${profile.vendorId}` },
      );
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
    vendors: profiles.map(({ vendorId, name }) => ({
      vendorId,
      name,
      kind: 'rest' as const,
      baseUrl: `http://${reachable(options.host)}:${port}/${vendorId}`,
    })),
    stop: () => (stopped ??= stop()),
  };
}

async function openVendor(
  profile: SimulatedVendor,
  dataDir: string,
  waits: Waits,
  notice: (sentence: string) => void,
): Promise<OpenVendor> {
  const faults = new Faults();
  const shop = await Shop.open(profile, dataDir, { skewMs: () => faults.skewMs(), time: machineTime, notice });
  return { profile, shop, faults, waits, notice };
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
      code: 'UNKNOWN_PATH',
      message: `${request.method} ${request.url} is nothing here. The vendors are: ${vendorIds}.`,
    }),
  );
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error instanceof BooksFull ? 503 : (error.statusCode ?? 500);
    if (status === 500) notice(`${request.method} ${request.url} failed: ${error.message}`);
    const code = error instanceof BooksFull ? 'BOOKS_FULL' : status < 500 ? 'BAD_REQUEST' : 'INTERNAL';
    return reply.code(status).send({ code, message: error.message });
  });
  // Probes ask every mode the same way, and read the same format.
  for (const path of ['/health/live', '/health/ready']) {
    app.get(path, () => ({ status: 'ok', info: {}, error: {}, details: {} }));
  }
  return app;
}

/** The address others on this machine can use for what it listens to. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
