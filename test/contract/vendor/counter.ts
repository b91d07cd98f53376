import { Config } from '../../../src/config/config';
import type { Vendor } from '../../../src/vendors/vendor';
import { NO_MARKS } from '../../../src/vendors/vendor-adapter';
import type { ListedRow, Listing, Poll, PollRequest, VendorAdapter } from '../../../src/vendors/vendor-adapter';
import { VendorHttp } from '../../../src/vendors/vendor-http';
import type { Dialect } from './dialects';
import { ScriptedServer } from './scripted-server';

export const TOKEN_ENV = 'VENDOR_TOKEN_CONTRACT';
export const TOKEN = 'secret-4711';
/** A vendor that says nothing is given up after this long, so that a suite of silences stays short. */
export const TIMEOUT_MS = 250;

/** Where one adapter meets one scripted vendor. */
export class Counter {
  private constructor(
    readonly server: ScriptedServer,
    readonly http: VendorHttp,
    readonly adapter: VendorAdapter,
    readonly vendor: Vendor,
  ) {}

  static async open(dialect: Dialect, timeoutMs = TIMEOUT_MS): Promise<Counter> {
    process.env[TOKEN_ENV] = TOKEN;
    const server = await ScriptedServer.listen();
    const http = new VendorHttp(Config.read({ VENDOR_TIMEOUT_MS: String(timeoutMs) }));
    return new Counter(server, http, dialect.adapter(http), vendorAt(server.baseUrl, dialect.kind));
  }

  /** Polls, and expects a listing. */
  async listing(request: Partial<PollRequest> = {}): Promise<Listing> {
    const poll = await this.poll(request);
    if (poll.outcome !== 'listing') throw new Error(`the poll answered ${poll.outcome}`);
    return poll;
  }

  poll(request: Partial<PollRequest> = {}): Promise<Poll> {
    return this.adapter.poll(this.vendor, {
      kind: 'full',
      marks: NO_MARKS,
      signal: new AbortController().signal,
      ...request,
    });
  }

  /** Polls, and reads it to its end. */
  async rows(request: Partial<PollRequest> = {}): Promise<ListedRow[]> {
    return rowsOf(await this.listing(request));
  }

  async close(): Promise<void> {
    delete process.env[TOKEN_ENV];
    await this.http.onModuleDestroy();
    await this.server.close();
  }
}

export async function rowsOf({ pages }: Listing): Promise<ListedRow[]> {
  const rows: ListedRow[] = [];
  for await (const page of pages) rows.push(...page);
  return rows;
}

export function vendorAt(baseUrl: string, kind: string): Vendor {
  return {
    vendorId: 'vendor',
    name: 'Vendor',
    kind,
    baseUrl,
    enabled: true,
    syncIntervalMs: null,
    fullSyncIntervalMs: null,
    maxConcurrentOrders: 4,
    credentialEnv: TOKEN_ENV,
    clockMarginMs: 0,
    feedMaxAgeMs: null,
    staleStock: { policy: 'sell', bufferQuantity: 0 },
    consistencyLagMs: 0,
    deliveryAttemptsMax: null,
    productsMax: 5_000_000,
  };
}
