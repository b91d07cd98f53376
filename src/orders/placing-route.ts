import { applyDecorators, createParamDecorator, type ExecutionContext, type Type } from '@nestjs/common';
import { ApiCreatedResponse, ApiHeader } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../auth/access';
import { ApiProblems } from '../http/api-problems';
import { ValidationFailed } from '../http/refusal';
import type { PlacementContext } from './placement/placement';

const IDEMPOTENCY_KEY = /^[\x20-\x7e]{1,255}$/;
/** W3C trace context: version, trace id, parent id, flags. */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** What the headers of a placing request say. Throws `ValidationFailed`. */
export const PlacingRequest = createParamDecorator((_: unknown, execution: ExecutionContext): PlacementContext => {
  const { headers, caller } = execution.switchToHttp().getRequest<FastifyRequest & { caller: Caller }>();
  const { traceparent } = headers;
  return {
    client: caller.client,
    idempotencyKey: readKey(headers['idempotency-key']),
    traceparent: typeof traceparent === 'string' && TRACEPARENT.test(traceparent) ? traceparent : undefined,
  };
});

/** Documents what placing routes have in common. */
export const ApiPlacing = (type: Type): MethodDecorator =>
  applyDecorators(
    ApiProblems(
      'MALFORMED_JSON',
      'VALIDATION_FAILED',
      'BODY_TOO_LARGE',
      'UNSUPPORTED_MEDIA_TYPE',
      'PRODUCT_NOT_FOUND',
      'INSUFFICIENT_STOCK',
      'STOCK_STALE',
      'VENDOR_DISABLED',
      'IDEMPOTENCY_IN_PROGRESS',
      'IDEMPOTENCY_KEY_REUSED',
    ),
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description: "1 to 255 printable characters; belongs to the API key's client and to the route",
      schema: { type: 'string', minLength: 1, maxLength: 255 },
    }),
    ApiCreatedResponse({
      type,
      headers: {
        Location: { description: 'Where it is', schema: { type: 'string' } },
        'Idempotency-Replayed': { description: '`true` on a repeated answer', schema: { type: 'string' } },
      },
    }),
  );

export function placedAt(reply: FastifyReply, location: string, replayed: boolean): void {
  void reply.header('location', location);
  if (replayed) void reply.header('idempotency-replayed', 'true');
}

function readKey(key: string | string[] | undefined): string | undefined {
  if (key === undefined) return undefined;
  if (typeof key === 'string' && IDEMPOTENCY_KEY.test(key)) return key;
  throw new ValidationFailed([{ field: 'Idempotency-Key', message: 'must be 1 to 255 printable ASCII characters' }]);
}
