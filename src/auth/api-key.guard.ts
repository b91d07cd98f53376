import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { IS_PUBLIC, REQUIRED_SCOPE, type Scope } from './access';
import { InsufficientScope, Unauthenticated } from './auth.errors';
import type { AuthenticatedRequest } from './authentication';

/** Lets a request through when its key has the scope the route asks for. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const route = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>(IS_PUBLIC, route)) return true;
    const { caller } = context.switchToHttp().getRequest<AuthenticatedRequest>();
    if (caller === undefined) throw new Unauthenticated();
    const scope = this.reflector.getAllAndOverride<Scope>(REQUIRED_SCOPE, route);
    if (!caller.scopes.includes(scope)) throw new InsufficientScope(scope);
    return true;
  }
}
