import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../database/sql';
import { ValidationFailed } from '../../http/refusal';
import { Outbox } from '../../messaging/outbox';
import type { Ruling } from '../../orders/fulfilment/intervention';
import { OrderRepository } from '../../orders/order.repository';
import { StockRepository } from '../../stock/stock.repository';
import { Decision } from '../../stock/sync/decision';
import type { Case, Resolution } from './case';
import { CaseQueries } from './case-queries';
import { CaseRepository } from './case.repository';
import { OrderFixes } from './order-fixes';
import { CaseNotOpen, CaseOutdated } from './reconciliation.errors';
import { StockFixes } from './stock-fixes';

/** An operator's decision about a case: the fix and who decided what about it why, in one transaction, once. */
@Injectable()
export class CaseResolution {
  private readonly logger = new Logger(CaseResolution.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly queries: CaseQueries,
    private readonly cases: CaseRepository,
    private readonly stock: StockRepository,
    private readonly orders: OrderRepository,
    private readonly orderFixes: OrderFixes,
    private readonly stockFixes: StockFixes,
    private readonly syncs: Decision,
    private readonly outbox: Outbox,
  ) {}

  /**
   * Throws `CaseNotFound`, `CaseNotOpen`, `CaseOutdated`, `ValidationFailed` where the resolution does not fit, and for a
   * held sync whatever `Decision` does.
   */
  async resolve(caseId: string, resolution: Resolution, ruling: Ruling): Promise<Case> {
    const found = await this.queries.get(caseId);
    if (found.status !== 'open') throw new CaseNotOpen(caseId);
    if (!found.resolutions.includes(resolution)) {
      const message = `must be one that fits this case: ${found.resolutions.join(', ')}`;
      throw new ValidationFailed([{ field: 'resolution', message }]);
    }
    if (found.kind === 'heldSync') await this.decideSync(found, resolution, ruling);
    else await this.dataSource.transaction((tx) => this.apply(tx, found, resolution, ruling));
    this.outbox.wake();
    const { kind, vendorId, orderId, productId } = found;
    const { by, note } = ruling;
    this.logger.warn({ caseId, kind, vendorId, orderId, productId, resolution, note, ...by }, 'A case was resolved');
    return this.queries.get(caseId);
  }

  /** Product, order, case: the one lock order. */
  private async apply(tx: Transaction, found: Case, resolution: Resolution, ruling: Ruling): Promise<void> {
    const { caseId, vendorId, orderId, productId, evidence } = found;
    if (productId !== null) await this.stock.lock(tx, vendorId, productId);
    const order = orderId === null ? undefined : await this.orders.lock(tx, orderId);
    const locked = await this.cases.lockOpen(tx, caseId);
    if (!locked) throw new CaseNotOpen(caseId);
    if (order && locked.claimToken !== null && (await this.orders.lastClaim(tx, order.orderId)) !== locked.claimToken) {
      throw new CaseOutdated(caseId, 'the order was dispatched once more.');
    }
    if (order) await this.orderFixes.apply(tx, found, order, resolution, ruling);
    else if (productId !== null) await this.stockFixes.apply(tx, found, productId, resolution);
    else if (found.kind === 'messageWithoutOrder') await this.outbox.discard(tx, evidence['subject'] as string);
    await this.cases.resolve(tx, caseId, resolution, ruling);
  }

  /** A listing is applied in many transactions, so the case follows the sync's own decision, which is made once. */
  private async decideSync(
    { caseId, vendorId, evidence }: Case,
    resolution: Resolution,
    ruling: Ruling,
  ): Promise<void> {
    const syncRunId = evidence['syncRunId'] as string;
    const decided = { note: ruling.note, by: ruling.by.client };
    if (resolution === 'acceptRun') await this.syncs.accept(vendorId, syncRunId, decided);
    else await this.syncs.reject(vendorId, syncRunId, decided);
    await this.cases.resolve(this.dataSource.manager, caseId, resolution, ruling);
  }
}
