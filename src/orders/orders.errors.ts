import type { FieldError } from '../http/problem-types';
import { Refusal } from '../http/refusal';

export class OrderNotFound extends Refusal {
  readonly code = 'ORDER_NOT_FOUND';

  constructor(orderId: string) {
    super(`There is no order ${orderId}.`);
  }
}

export class OrderNotCancellable extends Refusal {
  readonly code = 'ORDER_NOT_CANCELLABLE';

  constructor(orderId: string, state: string) {
    super(`Order ${orderId} is ${state} and can no longer be cancelled.`);
  }
}

export class InsufficientStock extends Refusal {
  readonly code = 'INSUFFICIENT_STOCK';

  /** Each error has `requested` and `available`. */
  constructor(
    detail: string,
    override readonly errors: FieldError[],
  ) {
    super(detail);
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

  constructor(detail = 'Too many orders wait to be placed. Nothing was stored; try again.') {
    super(detail);
  }
}

/** Something else has locked a product's row for longer than an order waits. */
export class ProductsLocked extends Overloaded {
  constructor(productIds: string[]) {
    super(
      `${productIds.join(', ')}: locked by something else, and did not become free in time. Nothing was stored; try again.`,
    );
  }
}

export class CheckoutNotFound extends Refusal {
  readonly code = 'CHECKOUT_NOT_FOUND';

  constructor(checkoutId: string) {
    super(`There is no checkout ${checkoutId}.`);
  }
}
