import { Injectable } from '@nestjs/common';
import type { Transaction } from '../../database/sql';
import { Cancellation } from '../../orders/fulfilment/cancellation';
import { StockRepository } from '../../stock/stock.repository';
import type { Case, Resolution } from './case';

/** Holds settled in one transaction, about 0.1 ms each: whoever buys the product waits so long. The others open a new case. */
const HOLDS_MAX = 5000;

/** What can be done about a product's counter and holds, in the transaction that resolves the case: the product is locked. */
@Injectable()
export class StockFixes {
  constructor(
    private readonly stock: StockRepository,
    private readonly cancellation: Cancellation,
  ) {}

  async apply(tx: Transaction, { vendorId, evidence }: Case, productId: string, resolution: Resolution): Promise<void> {
    switch (resolution) {
      case 'recount':
        return this.stock.recount(tx, vendorId, productId);
      case 'settle': {
        const until = evidence['acknowledgedUntil'] as string;
        return void (await this.stock.settleUntil(tx, { vendorId, productId }, until, HOLDS_MAX));
      }
      case 'cancelNewest': {
        const excess = await this.stock.excess(tx, vendorId, productId);
        return void (await this.cancellation.cancelNewest(tx, vendorId, productId, excess));
      }
      default:
      // Dismissed: it stays as it is.
    }
  }
}
