import { Injectable, Logger } from '@nestjs/common';
import { labelsOf, type Message } from '../../messaging/message';
import type { CancelAnswer, LookUpAnswer } from '../../vendors/vendor-adapter';
import { Breaker } from '../../vendors/breaker/breaker';
import { VendorRegistry } from '../../vendors/vendor-registry';
import type { OrderInHand } from './orders-in-hand';
import { Outcome } from './outcome';
import { Patience, seconds } from './patience';

/**
 * Asks a vendor to cancel an order that may have been sent. It ends cancelled when the vendor says so, or has proved
 * never to have had it; completed when the vendor has it and will not cancel. Nothing is sent meanwhile, or ever again.
 * An order that had failed here when its vendor accepted it is cancelled in the same way.
 */
@Injectable()
export class CancellationAtVendor {
  private readonly logger = new Logger(CancellationAtVendor.name);

  constructor(
    private readonly registry: VendorRegistry,
    private readonly breaker: Breaker,
    private readonly outcome: Outcome,
    private readonly patience: Patience,
  ) {}

  async ask(inHand: OrderInHand, message: Message): Promise<void> {
    const { claim, vendor, leave, history } = inHand;
    // It was in hand when the cancellation was asked for, and then was not sent after all.
    if (history.sent === 0 && !claim.recalling) return this.outcome.cancelled(claim, 'Nothing was sent');
    const adapter = this.registry.adapterOf(vendor);
    const answer = await this.breaker.watch(leave, () => adapter.cancel(vendor, claim.orderId));
    this.logger.log({ ...labelsOf(message), outcome: answer.outcome }, 'Asked to cancel');
    switch (answer.outcome) {
      case 'cancelled':
        return this.outcome.cancelled(claim, `${vendor.name} confirmed it`);
      case 'too_late':
      case 'not_found':
        return this.lookUp(inHand, message, answer);
      case 'unknown':
        return this.askLater(inHand, message, answer.detail, answer.retryAfterMs);
    }
  }

  /** The vendor would not cancel it, or could not find it: what its books say of it decides. */
  private async lookUp(inHand: OrderInHand, message: Message, answer: CancelAnswer): Promise<void> {
    const { claim, vendor, leave, history } = inHand;
    const adapter = this.registry.adapterOf(vendor);
    const found = await this.breaker.watch(leave, () => adapter.lookUp(vendor, claim.orderId));
    // Where the vendor did not find it to cancel and then has it, it can be asked again.
    if (found.outcome === 'accepted' && answer.outcome === 'too_late')
      return this.outcome.keptByVendor(claim, message, found);
    if (found.outcome === 'refused') return this.outcome.refused(claim, found);
    const nowhere = found.outcome === 'not_found' && answer.outcome === 'not_found';
    if (nowhere && history.provableInMs <= 0) return this.outcome.cancelled(claim, `${vendor.name} never had it`);
    return this.askLater(inHand, message, saidOf(found), 'retryAfterMs' in found ? found.retryAfterMs : 0);
  }

  private askLater(inHand: OrderInHand, message: Message, said: string, askedForMs = 0): Promise<void> {
    const { claim, vendor, history } = inHand;
    if (claim.tooOld) {
      return this.outcome.giveUp(claim, message, `${vendor.name} was asked to cancel it and ${said}.`);
    }
    const delayMs = this.patience.delayMsToLookUp(message, history, askedForMs);
    const story = `Asked to cancel, ${vendor.name} ${said}; we ask again in ${seconds(delayMs)}.`;
    return this.outcome.putOff(claim, message, undefined, ['cancelUnanswered', story], delayMs);
  }
}

function saidOf(found: LookUpAnswer): string {
  switch (found.outcome) {
    case 'not_found':
      return 'does not have it in its books';
    case 'accepted':
      return 'has it as ' + found.vendorOrderId + ' now';
    default:
      return found.detail;
  }
}
