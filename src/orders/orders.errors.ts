import type { FieldError } from '../http/problem-types';
import { Refusal } from '../http/refusal';

export class OrderNotFound extends Refusal {
  readonly code = 'ORDER_NOT_FOUND';

  constructor(orderId: string) {
    super(`There is no order ${orderId}.`);
  }
}

export class InsufficientStock extends Refusal {
  readonly code = 'INSUFFICIENT_STOCK';
  override readonly errors: FieldError[];

  constructor(
    readonly productId: string,
    readonly requested: number,
    readonly available: number,
  ) {
    super(`${requested} of ${productId} were asked for, ${available} can be sold.`);
    this.errors = [
      { field: 'quantity', message: `must not be more than ${available}`, productId, requested, available },
    ];
  }
}

export class IdempotencyInProgress extends Refusal {
  readonly code = 'IDEMPOTENCY_IN_PROGRESS';
  override readonly headers = { 'retry-after': '1' };

  constructor() {
    super('Another request with this Idempotency-Key is under way; repeat this one shortly.');
  }
}

export class IdempotencyKeyReused extends Refusal {
  readonly code = 'IDEMPOTENCY_KEY_REUSED';

  constructor() {
    super('This Idempotency-Key was used with another body; use a new key for a new request.');
  }
}

export class Overloaded extends Refusal {
  readonly code = 'OVERLOADED';

  constructor() {
    super('Too many orders wait to be placed. Nothing was stored; try again.');
  }
}
