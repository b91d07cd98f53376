import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { LostMessages } from '../consistency/lost-messages';
import { RowCheckRepository } from '../consistency/row-check.repository';
import type { Finding, OwnCaseKind } from './case';
import { CaseRepository } from './case.repository';
import { FINDINGS_MAX, OwnBooksRepository } from './own-books.repository';
import type { PartInHand } from './part-in-hand';

/** Products whose counter is compared with their holds by one statement. */
const CHUNK_PRODUCTS = 5000;
/** Cases written in one transaction. */
const BATCH_FINDINGS = 50;
/** A vendor may sell under us for a moment, until the next sync or its own refusals have put it right. */
const SOLD_UNDER_FOR_MS = 3_600_000;
/** The sweeper sends again what has no message for a quarter of a minute. */
const WITHOUT_MESSAGE_FOR_MS = 60_000;

/** Compares our own books with each other: counters, holds, messages, held syncs of one vendor. */
@Injectable()
export class OwnBooks {
  constructor(
    private readonly dataSource: DataSource,
    private readonly repository: OwnBooksRepository,
    private readonly rowChecks: RowCheckRepository,
    private readonly lost: LostMessages,
    private readonly cases: CaseRepository,
  ) {}

  async read(part: PartInHand, signal: AbortSignal): Promise<void> {
    const { vendorId, trigger } = part.claim;
    const on = this.dataSource.manager;
    // An operator who asks wants to know how it is now.
    const soldUnderForMs = trigger === 'manual' ? 0 : SOLD_UNDER_FOR_MS;
    const finders: Record<OwnCaseKind, () => Promise<Finding[] | undefined>> = {
      reservedDiffers: () => this.reservedDiffers(vendorId, signal),
      soldUnderUs: () => this.repository.soldUnderUs(on, vendorId, soldUnderForMs),
      holdsNeverSettle: () => this.repository.holdsNeverSettle(on, vendorId),
      orderWithoutMessage: () => this.ordersWithoutMessage(vendorId),
      messageWithoutOrder: () => this.repository.messagesWithoutOrder(on, vendorId),
      heldSync: () => this.repository.heldSyncs(on, vendorId),
    };
    for (const [kind, find] of Object.entries(finders) as [OwnCaseKind, () => Promise<Finding[] | undefined>][]) {
      signal.throwIfAborted();
      const findings = await find();
      if (findings) await this.file(part, kind, findings);
    }
  }

  private async reservedDiffers(vendorId: string, signal: AbortSignal): Promise<Finding[]> {
    const findings: Finding[] = [];
    for (let after: string | undefined = ''; after !== undefined && findings.length < FINDINGS_MAX;) {
      signal.throwIfAborted();
      const checked: Awaited<ReturnType<RowCheckRepository['productsAfter']>> = await this.rowChecks.productsAfter(
        this.dataSource.manager,
        vendorId,
        after,
        CHUNK_PRODUCTS,
      );
      for (const { invariant, productId, expected, found } of checked.listed) {
        if (invariant === 'reservedIsSumOfOpenHolds') findings.push(differing(productId!, expected, found));
      }
      after = checked.until;
    }
    return findings.slice(0, FINDINGS_MAX);
  }

  /** Undefined where the broker cannot be asked: nobody has looked. */
  private async ordersWithoutMessage(vendorId: string): Promise<Finding[] | undefined> {
    const lost = await this.lost.of(vendorId, WITHOUT_MESSAGE_FOR_MS, FINDINGS_MAX);
    return lost?.oldest.map(({ orderId, productId, since }) => ({
      kind: 'orderWithoutMessage',
      subject: orderId,
      orderId,
      productId,
      essence: '',
      evidence: { since: since.toISOString() },
      resolutions: ['resend'],
      claimToken: null,
    }));
  }

  /** Each finding has its case, and each case that was not found again is closed. Nothing is where nobody has looked. */
  private async file(part: PartInHand, kind: OwnCaseKind, findings: Finding[]): Promise<void> {
    const { vendorId, dryRun } = part.claim;
    if (dryRun) {
      for (const finding of findings) part.tell(finding, await this.cases.foretell(this.dataSource.manager, finding));
      return;
    }
    for (let start = 0; start < findings.length; start += BATCH_FINDINGS) {
      await part.write(async (tx) => {
        for (const finding of findings.slice(start, start + BATCH_FINDINGS))
          part.tell(finding, await this.cases.file(tx, vendorId, finding));
      });
    }
    const found = findings.map(({ subject }) => subject);
    // Beyond the last of so many nobody has looked.
    const until = found.length < FINDINGS_MAX ? null : found.at(-1)!;
    await part.write(async (tx) => {
      part.progress.closed += await this.cases.closeGone(tx, vendorId, kind, { found, until });
    });
  }
}

function differing(productId: string, expected: string, found: string): Finding {
  return {
    kind: 'reservedDiffers',
    subject: productId,
    orderId: null,
    productId,
    essence: '',
    evidence: { openHolds: Number(expected), reservedQuantity: Number(found) },
    resolutions: ['recount'],
    claimToken: null,
  };
}
