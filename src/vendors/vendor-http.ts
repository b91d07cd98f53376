import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Agent, type Dispatcher } from 'undici';
import { Config, vendorToken } from '../config/config';
import { type TimeBudgets, timeBudgets } from '../config/time-budgets';
import { isPrivateAddress, PrivateAddressRefused, publicLookup } from './address-policy';
import type { Vendor } from './vendor';

/** Connections beside the ones orders may use: look-ups and the stock poll. */
const SPARE_CONNECTIONS = 2;
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
  /** A larger answer is broken off. */
  answerBytesMax: number;
  signal?: AbortSignal;
}

export interface VendorResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
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

/**
 * Calls vendors over HTTP: one connection pool each, one deadline for the whole call with its body, no redirects, no
 * retries (those live in the outbox), and the address policy.
 */
@Injectable()
export class VendorHttp implements OnModuleDestroy {
  private readonly pools = new Map<string, { origin: string; connections: number; agent: Agent }>();
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
      const response = await this.poolOf(vendor).request(this.optionsFor(vendor, request, deadline));
      return {
        status: response.statusCode,
        headers: response.headers,
        text: await readText(response.body, request.answerBytesMax),
      };
    } catch (error) {
      throw this.noAnswer(error as Error, deadline);
    }
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all([...this.pools.values()].map(({ agent }) => agent.destroy()));
  }

  private optionsFor(vendor: Vendor, request: VendorRequest, deadline: AbortSignal): Dispatcher.RequestOptions {
    const { origin, pathname, hostname } = new URL(vendor.baseUrl);
    if (!this.allowPrivate && isPrivateAddress(hostname)) throw new PrivateAddressRefused(hostname);
    const token = vendorToken(vendor.credentialEnv);
    if (vendor.credentialEnv !== null && token === undefined) {
      throw new NoAnswer(`the environment variable ${vendor.credentialEnv} is not set`, true);
    }
    return {
      origin,
      path: `${pathname.replace(/\/$/, '')}${request.path}`,
      method: request.method,
      headers: {
        accept: 'application/json',
        ...(request.body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...request.headers,
      },
      body: request.body ?? null,
      signal: request.signal ? AbortSignal.any([deadline, request.signal]) : deadline,
    };
  }

  private poolOf(vendor: Vendor): Agent {
    const { origin } = new URL(vendor.baseUrl);
    const connections = vendor.maxConcurrentOrders + SPARE_CONNECTIONS;
    const pool = this.pools.get(vendor.vendorId);
    if (pool?.origin === origin && pool.connections === connections) return pool.agent;
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
    this.pools.set(vendor.vendorId, { origin, connections, agent });
    return agent;
  }

  private noAnswer(error: Error & { code?: string }, deadline: AbortSignal): NoAnswer {
    if (error instanceof NoAnswer) return error;
    if (deadline.aborted) {
      return new NoAnswer(`no whole answer within ${this.budgets.vendorTotalMs} ms`, false, { cause: error });
    }
    const notSent = error instanceof PrivateAddressRefused || ERROR_CODES_NOT_SENT.has(error.code ?? '');
    return new NoAnswer([error.code, error.message].filter(Boolean).join(': '), notSent, { cause: error });
  }
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
