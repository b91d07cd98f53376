import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../database/sql';
import { OrderEventsRepository } from '../../orders/order-events.repository';
import { OrderRepository } from '../../orders/order.repository';
import { type Candidate, CandidateRepository } from './candidate.repository';
import { type Finding, ORDER_CASE_KINDS } from './case';
import { CaseRepository } from './case.repository';
import type { Comparison } from './comparison';
import type { PartInHand } from './part-in-hand';

/** Files what comparing an order with its vendor's books came to, unless the order has moved on meanwhile. */
@Injectable()
export class Filing {
  constructor(
    private readonly dataSource: DataSource,
    private readonly candidates: CandidateRepository,
    private readonly cases: CaseRepository,
    private readonly orders: OrderRepository,
    private readonly events: OrderEventsRepository,
  ) {}

  async file(part: PartInHand, order: Candidate, comparison: Comparison): Promise<void> {
    if (comparison === 'unsaid') return;
    if (comparison === 'agree' && !order.hasCase && !order.needsAttention) return;
    if (part.claim.dryRun) return this.foretell(part, comparison);
    await part.write(async (tx) => {
      if (!(await this.candidates.isStill(tx, order))) return;
      return comparison === 'agree' ? this.agree(tx, part, order) : this.differ(tx, part, order, comparison);
    });
  }

  private async foretell(part: PartInHand, comparison: Finding | 'agree'): Promise<void> {
    if (comparison === 'agree') return;
    part.tell(comparison, await this.cases.foretell(this.dataSource.manager, comparison));
  }

  private async differ(
    tx: Transaction,
    part: PartInHand,
    { orderId, claimToken }: Candidate,
    finding: Finding,
  ): Promise<void> {
    const { kind } = finding;
    // What its books had is worth more than that they cannot be read at the moment.
    if (kind === 'givenUpAndUnknown' && (await this.cases.hasAnswer(tx, orderId, claimToken))) return;
    const others = ORDER_CASE_KINDS.filter((other) => other !== kind);
    part.progress.closed += await this.cases.closeOf(tx, orderId, others);
    const filed = await this.cases.file(tx, part.claim.vendorId, finding);
    // Somebody has said that this is to stay as it is: then nobody need be asked again.
    if (filed === 'dismissed') await this.orders.endAttention(tx, orderId);
    part.tell(finding, filed);
  }

  /** A failed order waits because its vendor had it: no longer. */
  private async agree(
    tx: Transaction,
    part: PartInHand,
    { orderId, status, needsAttention }: Candidate,
  ): Promise<void> {
    part.progress.closed += await this.cases.closeOf(tx, orderId, ORDER_CASE_KINDS);
    if (status !== 'failed' || !needsAttention) return;
    await this.orders.endRecall(tx, orderId);
    await this.orders.endAttention(tx, orderId);
    await this.events.add(tx, orderId, 'recalled', "Compared with the vendor's books: it does not have it any more.");
  }
}
