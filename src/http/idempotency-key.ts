import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ValidationFailed } from './refusal';

const KEY = /^[\x20-\x7e]{1,255}$/;

/** The header `Idempotency-Key`, or undefined. Throws `ValidationFailed`. */
export const IdempotencyKeyHeader = createParamDecorator(
  (_: unknown, context: ExecutionContext): string | undefined => {
    const key = context.switchToHttp().getRequest<FastifyRequest>().headers['idempotency-key'];
    if (key === undefined) return undefined;
    if (typeof key === 'string' && KEY.test(key)) return key;
    throw new ValidationFailed([{ field: 'Idempotency-Key', message: 'must be 1 to 255 printable ASCII characters' }]);
  },
);
