import { Refusal } from '../http/refusal';

export class ProductNotFound extends Refusal {
  readonly code = 'PRODUCT_NOT_FOUND';

  constructor(productId: string) {
    super(`There is no product ${productId}.`);
  }
}
