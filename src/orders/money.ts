/** Money is decimal text with two places. It is added and multiplied in whole cents: exact, where floating point is not. */
export function timesPrice(unitPrice: string, quantity: number): string {
  return decimalOf(centsOf(unitPrice) * BigInt(quantity));
}

export function sumOf(prices: string[]): string {
  return decimalOf(prices.reduce((sum, price) => sum + centsOf(price), 0n));
}

function centsOf(price: string): bigint {
  return BigInt(price.replace('.', ''));
}

function decimalOf(cents: bigint): string {
  const digits = cents.toString().padStart(3, '0');
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
