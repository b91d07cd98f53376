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

/** Files what comparing an order with its vendor's books came to. */
@Injectable()
export class Filing {
  constructor(
    private readonly dataSource: DataSource,
    private readonly candidates: CandidateRepository,
    private readonly cases: CaseRepository,
    private readonly orders: OrderRepository,
    private readonly events: OrderEventsRepository,
  ) {}

  /** Answers whether anything could be said: not of an order that has moved on meanwhile. */
  async file(part: PartInHand, order: Candidate, comparison: Comparison): Promise<boolean> {
    if (comparison === 'unsaid') return false;
    if (comparison === 'agree' && !order.hasCase && !order.needsAttention) return true;
    if (part.claim.dryRun) {
      await this.foretell(part, comparison);
      return true;
    }
    return part.write(async (tx) => {
      if (!(await this.candidates.isStill(tx, order))) return false;
      if (comparison === 'agree') await this.agree(tx, part, order);
      else await this.differ(tx, part, order, comparison);
      return true;
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
    // Somebody has said that this is to stay as it is: then neither an operator nor the vendor need be asked again.
    if (filed === 'dismissed') await this.orders.letBe(tx, orderId);
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
    await this.orders.letBe(tx, orderId);
    await this.events.add(tx, orderId, 'recalled', "Compared with the vendor's books: it does not have it any more.");
  }
}
