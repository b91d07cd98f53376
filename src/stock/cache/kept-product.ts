import { hash } from 'node:crypto';
import type { ProductRead } from '../product-queries';

/**
 * How long an answer is given again, counted from when it was asked for. A second level may add as much once more, and
 * together they stay below the second within which every process shows what changed.
 */
export const FRESH_MS = 400;

/** A product as it is answered: the text and its tag are made once, not for each reader. */
export interface ProductAnswer {
  body: string;
  etag: string;
  /** Where it is stale: how old it is. */
  ageSeconds?: number;
}

/** A product that was read, and what is answered of it now, later, and while the database is away. */
export class KeptProduct {
  readonly current: ProductAnswer;
  private markedStale: ProductAnswer | undefined;

  constructor(
    private readonly read: ProductRead,
    /** Monotonic; before the database was asked, so nothing later than this can be missing by more than it tells. */
    readonly askedAtMs: number,
  ) {
    const { product, stockAgeSeconds } = read;
    this.current = { ...represent(product), ...(product.stale && { ageSeconds: stockAgeSeconds }) };
  }

  get productId(): string {
    return this.read.product.productId;
  }

  isFresh(nowMs: number): boolean {
    return nowMs - this.askedAtMs < FRESH_MS;
  }

  /** Nobody can say whether it still is so: it is stale, whatever its vendor's picture was, and as old as its reading. */
  whileAway(nowMs: number): ProductAnswer {
    const { product, sellableWhenStale, stockAgeSeconds } = this.read;
    this.markedStale ??= represent({ ...product, sellableQuantity: sellableWhenStale, stale: true });
    const sinceRead = Math.floor((nowMs - this.askedAtMs) / 1000);
    return { ...this.markedStale, ageSeconds: product.stale ? stockAgeSeconds + sinceRead : sinceRead };
  }
}

/** A strong tag, of the very text: every process makes the same of the same product. */
function represent(product: ProductRead['product']): ProductAnswer {
  const body = JSON.stringify(product);
  return { body, etag: `"${hash('sha1', body, 'base64url')}"` };
}
