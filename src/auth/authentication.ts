import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Caller } from './access';
import { ApiKeys } from './api-keys.service';
import { Unauthenticated } from './auth.errors';

/** What needs a key. */
const API = '/v1/';
const BEARER = /^Bearer ([\x21-\x7e]{1,255})$/i;

export type AuthenticatedRequest = FastifyRequest & { caller?: Caller };

/** Learns who sends a request to the API, before its body is read: a stranger's is not. */
@Injectable()
export class Authentication implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost,
    private readonly apiKeys: ApiKeys,
  ) {}

  onModuleInit(): void {
    // There is none where the modules are used without HTTP, as by tests.
    const adapter = this.host.httpAdapter as typeof this.host.httpAdapter | undefined;
    adapter?.getInstance<FastifyInstance>().addHook('onRequest', async (request: AuthenticatedRequest) => {
      if (asksApi(request)) request.caller = await this.callerOf(request);
    });
  }

  /** Throws `Unauthenticated`, and what the database throws. */
  private async callerOf({ headers }: FastifyRequest): Promise<Caller> {
    const secret = BEARER.exec(headers.authorization ?? '')?.[1];
    const caller = secret === undefined ? undefined : await this.apiKeys.verify(secret);
    if (caller === undefined) throw new Unauthenticated();
    return caller;
  }
}

/** The router lets a parameter be empty; `/v1/orders/` is told later that it is not here, like every other such address. */
function asksApi({ is404, routeOptions, params }: FastifyRequest): boolean {
  return !is404 && routeOptions.url!.startsWith(API) && !Object.values(params as object).includes('');
}
