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
