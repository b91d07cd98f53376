import { type Listing, speaksFor } from './books';
import { SKUS } from './history';
import type { PlacingAnswer, PlayedRound } from './play';
import type { Stage } from './stage';

/** What a key was answered first, and to which request. */
export interface RememberedKey {
  body: string;
  answer: PlacingAnswer;
}

/** What the outside knows after the rounds so far: clients by their answers, vendors by their books. */
export class World {
  /** Every order somebody was told of. */
  readonly orders = new Map<string, { productId: string; quantity: number }>();
  readonly keys = new Map<string, RememberedKey>();
  /** The same before the last round. */
  keysBefore: ReadonlyMap<string, RememberedKey> = new Map();
  /** Orders whose clients were told that they are cancelled. */
  readonly cancelled = new Set<string>();
  /** Milliseconds, vendor's clock: the latest listing a vendor ever gave that speaks for a product; by product. */
  readonly listedUntilMs = new Map<string, number>();

  constructor(readonly vendors: Stage['vendors']) {
    for (const [vendorId, { served }] of Object.entries(vendors)) this.noteListings(vendorId, served);
  }

  /** Takes in what a round told the outside, before it is judged. */
  learn({ requests, cancels, served }: PlayedRound): void {
    this.keysBefore = new Map(this.keys);
    for (const { answer, lines, keyId } of requests) {
      for (const { orderId, productId, quantity } of answer.orders) this.orders.set(orderId, { productId, quantity });
      if (keyId !== null && !answer.replayed && isRemembered(answer) && !this.keys.has(keyId)) {
        this.keys.set(keyId, { body: JSON.stringify(lines), answer });
      }
    }
    for (const { orderId, answer } of cancels) if (answer === 'decided') this.cancelled.add(orderId);
    for (const [vendorId, listings] of served) this.noteListings(vendorId, listings);
  }

  private noteListings(vendorId: string, listings: readonly Listing[]): void {
    for (const sku of SKUS) {
      const productId = `${vendorId}:${sku}`;
      const times = listings.filter((listing) => speaksFor(listing, sku)).map(({ asOfMs }) => asOfMs);
      this.listedUntilMs.set(productId, Math.max(this.listedUntilMs.get(productId) ?? -Infinity, ...times));
    }
  }
}

export function isRemembered({ code }: PlacingAnswer): boolean {
  return code === 'CREATED' || code === 'INSUFFICIENT_STOCK';
}
