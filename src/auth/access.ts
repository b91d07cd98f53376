import { applyDecorators, createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiProblems } from '../http/api-problems';

export const SCOPES = ['orders:read', 'orders:write', 'catalog:read', 'ops'] as const;
export type Scope = (typeof SCOPES)[number];

export const REQUIRED_SCOPE = 'holdfast:scope';
export const IS_PUBLIC = 'holdfast:public';

/** The route needs a key with this scope. */
export const RequiresScope = (scope: Scope): MethodDecorator & ClassDecorator =>
  applyDecorators(
    SetMetadata(REQUIRED_SCOPE, scope),
    ApiBearerAuth('apiKey'),
    ApiProblems('UNAUTHENTICATED', 'INSUFFICIENT_SCOPE', 'INTERNAL', 'OVERLOADED', 'DATABASE_UNAVAILABLE'),
  );

/** The route needs no key. A route that says neither is refused to everyone. */
export const Public = (): MethodDecorator => SetMetadata(IS_PUBLIC, true);

/** Who sent a request. */
export interface Caller {
  apiKeyId: string;
  /** Owner of idempotency keys; survives the rotation of API keys. */
  client: string;
  scopes: readonly Scope[];
}

/** The caller, for a controller's parameter. */
export const SentBy = createParamDecorator(
  (_: unknown, execution: ExecutionContext) =>
    execution.switchToHttp().getRequest<FastifyRequest & { caller: Caller }>().caller,
);
