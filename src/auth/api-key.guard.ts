import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { type Caller, IS_PUBLIC, REQUIRED_SCOPE, type Scope } from './access';
import { ApiKeys } from './api-keys.service';
import { InsufficientScope, Unauthenticated } from './auth.errors';

const BEARER = /^Bearer ([\x21-\x7e]{1,255})$/i;

type AuthenticatedRequest = FastifyRequest & { caller?: Caller };

/** Lets a request through when its key has the scope the route asks for. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly apiKeys: ApiKeys,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const route = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>(IS_PUBLIC, route)) return true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const secret = BEARER.exec(request.headers.authorization ?? '')?.[1];
    const caller = secret === undefined ? undefined : await this.apiKeys.verify(secret);
    if (caller === undefined) throw new Unauthenticated();
    const scope = this.reflector.getAllAndOverride<Scope>(REQUIRED_SCOPE, route);
    if (!caller.scopes.includes(scope)) throw new InsufficientScope(scope);
    request.caller = caller;
    return true;
  }
}
