import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Asked } from './verdict';

/** Once a row was found locked for longer, no batch waits for any row for so long: what is locked is left out of it. */
const SKIPPING_MS = 10_000;
/** A product that was found locked is not put into a batch with others for so long. */
const REMEMBERED_MS = 30_000;
/** More than that are found locked again, each by a batch that leaves it out. */
const PRODUCTS_MAX = 10_000;

/** What this process knows of products whose rows something else has locked. Nothing depends on it but time. */
@Injectable()
export class LockedProducts {
  private readonly known = new LRUCache<string, true>({ max: PRODUCTS_MAX, ttl: REMEMBERED_MS });
  private skippingUntil = 0;

  /** Whether batches leave out what is locked instead of waiting for it. */
  get areSkipped(): boolean {
    return performance.now() < this.skippingUntil;
  }

  /** A row stayed locked for longer than `BUSY_MS_MAX`. */
  noteStuck(): void {
    this.skippingUntil = performance.now() + SKIPPING_MS;
  }

  noteLocked(productIds: string[]): void {
    for (const productId of productIds) this.known.set(productId, true);
  }

  noteFree({ lines }: Asked): void {
    if (this.known.size === 0) return;
    for (const { productId } of lines) this.known.delete(productId);
  }

  areAskedFor({ lines }: Asked): boolean {
    return this.known.size > 0 && lines.some(({ productId }) => this.known.has(productId));
  }
}
