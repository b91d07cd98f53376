/**
 * Orders that a vendor has taken in, each decided when its time has come. What is queued stands in the ledger, so a
 * simulator that stops or is killed decides it after the next start.
 */
import type { OpenVendor } from './exchange';

export class OrderQueue {
  constructor(private readonly vendor: OpenVendor) {}

  /** Goes on with what was queued when the simulator ended. */
  resume(): void {
    for (const reference of this.vendor.shop.queuedReferences) this.decideLater(reference);
  }

  decideLater(reference: string): void {
    void this.decide(reference);
  }

  private async decide(reference: string): Promise<void> {
    const { shop, faults, settings, waits } = this.vendor;
    if (!(await waits.pass(settings.decidedAfterMs))) return;
    try {
      // Struck here and not when it was taken in: a refusal that comes late is the harder one to hear of.
      shop.decideQueued(reference, () => (faults.strikes('outOfStock', 'order') ? 'OUT_OF_STOCK' : undefined));
    } catch {
      // The ledger stopped and has said so; what is queued there is decided after the next start.
    }
  }
}
