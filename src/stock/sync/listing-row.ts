import { isPrintable } from '../../http/rules';
import type { ListedRow } from '../../vendors/vendor-adapter';
import { isSku, PRODUCT_NAME_LENGTH_MAX } from '../product';

/** A row that may be applied. */
export interface StockRow {
  sku: string;
  name: string;
  quantity: number;
  /** Decimal text with at most two decimals. */
  price: string;
}

const QUANTITY_MAX = 2_147_483_647;
/** NUMERIC(12,2) */
const PRICE = /^\d{1,10}(\.\d{1,2})?$/;

/** The row, or what is wrong with it. */
export function checkRow({ sku, name, quantity, price }: ListedRow): StockRow | { rejected: string } {
  if (typeof sku !== 'string' || !isSku(sku)) return { rejected: 'sku is not 1 to 128 printable characters' };
  if (typeof name !== 'string' || !isPrintable(name, PRODUCT_NAME_LENGTH_MAX)) {
    return { rejected: `${sku}: name is not 1 to ${PRODUCT_NAME_LENGTH_MAX} printable characters` };
  }
  if (typeof quantity !== 'number' || !Number.isInteger(quantity) || quantity < 0 || quantity > QUANTITY_MAX) {
    return { rejected: `${sku}: quantity is not a whole number from 0 to ${QUANTITY_MAX}` };
  }
  const decimal = typeof price === 'number' || typeof price === 'string' ? String(price) : '';
  if (!PRICE.test(decimal)) return { rejected: `${sku}: price is not a decimal with at most two places` };
  return { sku, name, quantity, price: decimal };
}
