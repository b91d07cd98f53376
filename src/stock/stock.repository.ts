import { Injectable } from '@nestjs/common';
import { row, rows, type Transaction } from '../database/sql';

/** A product whose counter nobody else can change until the transaction ends. */
export interface LockedProduct {
  price: string;
  /** What can be sold of it now; 0 when unlisted. */
  sellableQuantity: number;
  vendorEnabled: boolean;
}

/**
 * The one counter orders share with each other: `reserved_quantity`. Whoever changes it holds the product's lock, and
 * changes the order row first. Locks are `FOR NO KEY UPDATE`: an order insert's foreign-key check need not wait.
 */
@Injectable()
export class StockRepository {
  async lockForPlacement(tx: Transaction, vendorId: string, productId: string): Promise<LockedProduct | undefined> {
    const found = await row<{ price: string; sellable_quantity: number; enabled: boolean }>(
      tx,
      `SELECT p.price, CASE WHEN p.listed THEN p.stock_quantity ELSE 0 END AS sellable_quantity, v.enabled
       FROM products p JOIN vendors v USING (vendor_id)
       WHERE p.vendor_id = $1 AND p.product_id = $2 FOR NO KEY UPDATE OF p`,
      [vendorId, productId],
    );
    return found && { price: found.price, sellableQuantity: found.sellable_quantity, vendorEnabled: found.enabled };
  }

  async lock(tx: Transaction, vendorId: string, productId: string): Promise<void> {
    await rows(tx, 'SELECT FROM products WHERE vendor_id = $1 AND product_id = $2 FOR NO KEY UPDATE', [
      vendorId,
      productId,
    ]);
  }

  async reserve(tx: Transaction, vendorId: string, productId: string, quantity: number): Promise<void> {
    await this.addReserved(tx, vendorId, productId, quantity);
  }

  /** Lowers the counter: the hold was released, or the vendor's own number contains it now. */
  async unreserve(tx: Transaction, vendorId: string, productId: string, quantity: number): Promise<void> {
    await this.addReserved(tx, vendorId, productId, -quantity);
  }

  /**
   * Whether what we know of a locked product contains an order the vendor accepted at its own clock. The product's row
   * is written only when it differs, so the time of the last complete listing speaks for it too.
   */
  async containsAcceptance(tx: Transaction, vendorId: string, productId: string, acceptedAt: Date): Promise<boolean> {
    const found = await row<{ contained: boolean }>(
      tx,
      `SELECT GREATEST(p.as_of, v.full_as_of) > $3::timestamptz + v.clock_margin_ms * interval '1 ms' AS contained
       FROM products p JOIN vendors v USING (vendor_id) WHERE p.vendor_id = $1 AND p.product_id = $2`,
      [vendorId, productId, acceptedAt],
    );
    return found?.contained ?? false;
  }

  private async addReserved(tx: Transaction, vendorId: string, productId: string, quantity: number): Promise<void> {
    await rows(
      tx,
      `UPDATE products SET reserved_quantity = reserved_quantity + $3, updated_at = now()
       WHERE vendor_id = $1 AND product_id = $2`,
      [vendorId, productId, quantity],
    );
  }
}
