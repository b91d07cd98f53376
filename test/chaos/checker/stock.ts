import type { Evidence, StoredProduct, Violation } from './evidence';

/** Counters are the sum of what they count, and nothing was granted that was not there. */
export function checkStock({ orders, products, miscountedMeanwhile }: Evidence): Violation[] {
  return [
    ...orders
      .filter(({ available, quantity }) => quantity > available)
      .map(({ orderId, available, quantity }): Violation => {
        const check = 'an order is granted within what is available';
        return { check, harm: 'oversold', orderId, detail: `${quantity} granted of ${available}` };
      }),
    ...products.flatMap((product) => checkProduct(product, 'in the end')),
    ...miscountedMeanwhile.flatMap((product) => checkProduct(product, 'under way')),
  ];
}

function checkProduct(product: StoredProduct, when: string): Violation[] {
  const { productId, vendorQuantity, reserved, stock, openHolds } = product;
  const problems: Violation[] = [];
  if (reserved !== openHolds) {
    const detail = `${productId}, ${when}: reserved ${reserved}, open holds ${openHolds}`;
    problems.push({ check: 'reserved is the sum of open holds', harm: 'other', detail });
  }
  if (stock !== Math.max(0, vendorQuantity - reserved)) {
    const detail = `${productId}, ${when}: ${stock} of ${vendorQuantity} less ${reserved}`;
    problems.push({ check: 'stock is what the vendor has less what is reserved', harm: 'other', detail });
  }
  return problems;
}
