import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Agent, type Dispatcher } from 'undici';
import { Config, vendorToken } from '../config/config';
import { type TimeBudgets, timeBudgets } from '../config/time-budgets';
import { traceHeaders } from '../observability/spans';
import { isPrivateAddress, PrivateAddressRefused, publicLookup } from './address-policy';
import type { Vendor } from './vendor';

/** Connections beside the ones orders may use: look-ups and the stock poll. */
const SPARE_CONNECTIONS = 2;
/**
 * A streamed answer may be silent for one time-out at a time, and for so many of them (five minutes, with the default) in
 * all: enough for 300 MB at 1 MB/s, and the end of a vendor that drips.
 */
const STREAM_WAITS_MAX = 30;
/** Of a body that nobody wants, so much is read to keep its connection. */
const DISCARDED_BYTES_MAX = 64 * 1024;
/** Characters; more than anybody shows, so that no token is cut in two where it ends. */
const SHOWN_MAX = 2048;
const ERROR_CODES_NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

export interface VendorRequest {
  method: 'GET' | 'POST' | 'DELETE';
  /** Appended to the vendor's base URL. */
  path: string;
  headers?: Record<string, string>;
  body?: string;
  /** How the vendor wants its token. */
  credential?: keyof typeof CREDENTIAL_HEADERS;
  /** A larger answer is broken off. */
  answerBytesMax: number;
  signal?: AbortSignal;
}

const CREDENTIAL_HEADERS = {
  bearer: (token: string) => ({ authorization: `Bearer ${token}` }),
  apiKey: (token: string) => ({ 'x-api-key': token }),
};

export interface AnswerHead {
  status: number;
  headers: Record<string, string | string[] | undefined>;
}

export interface VendorResponse extends AnswerHead {
  text: string;
  /** The beginning of it, for people: without the token it was asked with, which some echo. */
  shown: string;
}

export interface VendorStream extends AnswerHead {
  /** To be read once, to its end or broken off; throws `NoAnswer`. Null unless the status is 200: the rest is discarded. */
  chunks: AsyncIterable<Buffer> | null;
}

/** The call gave no whole answer. */
export class NoAnswer extends Error {
  constructor(
    message: string,
    /** The request certainly never left: no connection, no address, no credential. */
    readonly notSent: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The call cannot be made at all: trying again changes nothing. */
export class CannotCall extends NoAnswer {
  constructor(message: string, options?: ErrorOptions) {
    super(message, true, options);
  }
}

/**
 * Calls vendors over HTTP: one connection pool each, one deadline for the whole call with its body (a streamed
 * body has limits of its own), no redirects, no retries of orders (those live in the outbox), and the address policy.
 */
@Injectable()
export class VendorHttp implements OnModuleDestroy {
  /** By vendor and origin: of a vendor that has changed its address, some orders are still asked about at the former one. */
  private readonly pools = new Map<string, { connections: number; agent: Agent }>();
  private readonly budgets: TimeBudgets;
  private readonly allowPrivate: boolean;

  constructor({ vendorTimeoutMs, vendorAllowPrivate }: Config) {
    this.budgets = timeBudgets(vendorTimeoutMs);
    this.allowPrivate = vendorAllowPrivate;
  }

  /** Throws `NoAnswer`. */
  async call(vendor: Vendor, request: VendorRequest): Promise<VendorResponse> {
    const deadline = AbortSignal.timeout(this.budgets.vendorTotalMs);
    try {
      const response = await this.poolOf(vendor).request({
        ...this.optionsFor(vendor, request),
        signal: request.signal ? AbortSignal.any([deadline, request.signal]) : deadline,
      });
      const text = await readText(response.body, request.answerBytesMax);
      return { status: response.statusCode, headers: response.headers, text, shown: shownOf(text, vendor) };
    } catch (error) {
      throw this.noAnswer(error as Error, deadline);
    }
  }

  /** For answers too large to hold, which may take longer than one call. Throws `NoAnswer`. */
  async stream(vendor: Vendor, request: VendorRequest): Promise<VendorStream> {
    const late = new AbortController();
    const untilHead = setTimeout(() => late.abort(), this.budgets.vendorTotalMs);
    try {
      const { statusCode, headers, body } = await this.poolOf(vendor).request({
        ...this.optionsFor(vendor, request),
        signal: request.signal ? AbortSignal.any([late.signal, request.signal]) : late.signal,
        bodyTimeout: this.budgets.vendorTotalMs,
      });
      if (statusCode === 200) return { status: statusCode, headers, chunks: this.patientChunks(body, request) };
      await body.dump({ limit: DISCARDED_BYTES_MAX, signal: AbortSignal.timeout(this.budgets.vendorTotalMs) });
      return { status: statusCode, headers, chunks: null };
    } catch (error) {
      throw this.noAnswer(error as Error, late.signal);
    } finally {
      clearTimeout(untilHead);
    }
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all([...this.pools.values()].map(({ agent }) => agent.destroy()));
  }

  /** Waiting for the vendor counts, and our own slowness does not. */
  private async *patientChunks(
    body: Dispatcher.ResponseData['body'],
    { answerBytesMax }: VendorRequest,
  ): AsyncIterable<Buffer> {
    const waitMsMax = this.budgets.vendorTotalMs * STREAM_WAITS_MAX;
    let bytes = 0;
    let waitedMs = 0;
    let since = performance.now();
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        waitedMs += performance.now() - since;
        if (waitedMs > waitMsMax) throw new NoAnswer(`we waited more than ${waitMsMax} ms for its answer`, false);
        bytes += chunk.length;
        if (bytes > answerBytesMax) throw new NoAnswer(`the answer is larger than ${answerBytesMax} bytes`, false);
        yield chunk;
        since = performance.now();
      }
    } catch (error) {
      throw this.noAnswer(error as Error);
    }
  }

  private optionsFor(vendor: Vendor, request: VendorRequest): Dispatcher.RequestOptions {
    const { origin, pathname, hostname } = new URL(vendor.baseUrl);
    if (!this.allowPrivate && isPrivateAddress(hostname)) throw new PrivateAddressRefused(hostname);
    const token = vendorToken(vendor.credentialEnv);
    if (vendor.credentialEnv !== null && token === undefined) {
      throw new CannotCall(`the environment variable ${vendor.credentialEnv} is not set`);
    }
    return {
      origin,
      path: `${pathname.replace(/\/$/, '')}${request.path}`,
      method: request.method,
      headers: {
        accept: 'application/json',
        ...(request.body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && CREDENTIAL_HEADERS[request.credential ?? 'bearer'](token)),
        ...traceHeaders(),
        ...request.headers,
      },
      body: request.body ?? null,
    };
  }

  private poolOf(vendor: Vendor): Agent {
    const { origin } = new URL(vendor.baseUrl);
    const connections = vendor.maxConcurrentOrders + SPARE_CONNECTIONS;
    const key = `${vendor.vendorId} ${origin}`;
    const pool = this.pools.get(key);
    if (pool?.connections === connections) return pool.agent;
    // Calls under way on the old pool still finish.
    void pool?.agent.close();
    const agent = new Agent({
      connections,
      pipelining: 1,
      headersTimeout: this.budgets.vendorHeadersMs,
      bodyTimeout: this.budgets.vendorTotalMs,
      connect: {
        timeout: this.budgets.vendorConnectMs,
        ...(this.allowPrivate ? {} : { lookup: publicLookup }),
      },
    });
    this.pools.set(key, { connections, agent });
    return agent;
  }

  private noAnswer(error: Error & { code?: string }, deadline?: AbortSignal): NoAnswer {
    if (error instanceof NoAnswer) return error;
    if (error instanceof PrivateAddressRefused) return new CannotCall(error.message, { cause: error });
    if (deadline?.aborted) {
      return new NoAnswer(`no whole answer within ${this.budgets.vendorTotalMs} ms`, false, { cause: error });
    }
    const notSent = ERROR_CODES_NOT_SENT.has(error.code ?? '');
    return new NoAnswer([error.code, error.message].filter(Boolean).join(': '), notSent, { cause: error });
  }
}

function shownOf(text: string, { credentialEnv }: Vendor): string {
  const token = vendorToken(credentialEnv);
  const beginning = text.slice(0, SHOWN_MAX);
  return token === undefined ? beginning : beginning.replaceAll(token, '[token]');
}

async function readText(body: Dispatcher.ResponseData['body'], bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new NoAnswer(`the answer is larger than ${bytesMax} bytes`, false);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
