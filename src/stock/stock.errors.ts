import type { FieldError } from '../http/problem-types';
import { Refusal } from '../http/refusal';

export class ProductNotFound extends Refusal {
  readonly code = 'PRODUCT_NOT_FOUND';

  constructor(
    productId: string,
    override readonly errors?: FieldError[],
  ) {
    super(`There is no product ${productId}.`);
  }
}

export class StockStale extends Refusal {
  readonly code = 'STOCK_STALE';

  constructor(
    vendorId: string,
    override readonly errors?: FieldError[],
  ) {
    super(`The stock of ${vendorId} has not been polled for too long; nothing of it is sold until it is. Try again.`);
  }
}
