import { applyDecorators, createParamDecorator, type ExecutionContext, type Type } from '@nestjs/common';
import { ApiCreatedResponse, ApiHeader } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../auth/access';
import { ApiProblems } from '../http/api-problems';
import { ValidationFailed } from '../http/refusal';
import { nameInLog } from '../observability/request-log';
import type { TracedRequest } from '../observability/request-traces';
import type { PlacementContext } from './placement/placement';

const IDEMPOTENCY_KEY = /^[\x20-\x7e]{1,255}$/;

/** What the headers of a placing request say. Throws `ValidationFailed`. */
export const PlacingRequest = createParamDecorator((_: unknown, execution: ExecutionContext): PlacementContext => {
  const { headers, caller, traceparent, span } = execution
    .switchToHttp()
    .getRequest<TracedRequest & { caller: Caller }>();
  return { client: caller.client, idempotencyKey: readKey(headers['idempotency-key']), traceparent, span };
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

/** `named`: what was placed, as the log calls it. */
export function placedAt(
  reply: FastifyReply,
  location: string,
  named: { orderId: string } | { checkoutId: string; orderIds: string[] },
  replayed: boolean,
): void {
  void reply.header('location', location);
  if (replayed) void reply.header('idempotency-replayed', 'true');
  nameInLog(reply.request, named);
}

function readKey(key: string | string[] | undefined): string | undefined {
  if (key === undefined) return undefined;
  if (typeof key === 'string' && IDEMPOTENCY_KEY.test(key)) return key;
  throw new ValidationFailed([{ field: 'Idempotency-Key', message: 'must be 1 to 255 printable ASCII characters' }]);
}
