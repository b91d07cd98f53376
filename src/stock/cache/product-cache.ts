import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { databaseFailure } from '../../database/database-errors';
import { inTime } from '../../database/in-time';
import { ProductQueries } from '../product-queries';
import { ProductNotFound } from '../stock.errors';
import { FRESH_MS, KeptProduct, type ProductAnswer } from './kept-product';
import { ReadGroups } from './read-groups';
import { SharedProducts } from './shared-products';

/** The most recently read; about a kilobyte each. */
const KEPT_MAX = 50_000;
/** A reader who waited this long for the database is told that it is away: within a second, all in all. */
const READ_MS_MAX = 700;
/** While the database is away it is asked again this often; a reader who can be answered does not wait for that. */
const ASK_AGAIN_MS = 500;

/**
 * Products for those who look at one: kept for less than a second, so that nobody has to tell anybody that one has changed,
 * and beyond that for as long as the database is away. Whether an order fits is never decided by it.
 */
@Injectable()
export class ProductCache {
  private readonly kept = new LRUCache<string, KeptProduct>({ max: KEPT_MAX });
  private readonly groups = new ReadGroups((productIds) => this.read(productIds), FRESH_MS);
  private away = false;
  private askAgainAtMs = 0;

  constructor(
    private readonly queries: ProductQueries,
    private readonly shared: SharedProducts,
  ) {}

  /** Throws `ProductNotFound`, and what the database throws where this product was never read here. */
  async get(productId: string): Promise<ProductAnswer> {
    const nowMs = performance.now();
    const kept = this.kept.get(productId);
    if (kept?.isFresh(nowMs)) return kept.current;
    if (kept && this.away) {
      this.askAgain(productId, nowMs);
      return kept.whileAway(nowMs);
    }
    try {
      const found = await this.groups.want(productId);
      if (found) return found.current;
    } catch (error) {
      if (!kept || !databaseFailure(error)) throw error;
      return kept.whileAway(performance.now());
    }
    throw new ProductNotFound(productId);
  }

  private askAgain(productId: string, nowMs: number): void {
    if (nowMs < this.askAgainAtMs) return;
    this.askAgainAtMs = nowMs + ASK_AGAIN_MS;
    this.groups.want(productId).catch(() => undefined);
  }

  private async read(productIds: string[]): Promise<Map<string, KeptProduct>> {
    const askedAtMs = performance.now();
    const shared = await this.shared.read(productIds);
    const missing = productIds.filter((productId) => !shared.has(productId));
    const own = missing.length === 0 ? [] : await this.ask(missing);
    this.shared.write(own, FRESH_MS - (performance.now() - askedAtMs));
    const found = [...shared.values(), ...own].map((read) => new KeptProduct(read, askedAtMs));
    return new Map(found.map((product) => [product.productId, this.keep(product)]));
  }

  private async ask(productIds: string[]): ReturnType<ProductQueries['findMany']> {
    try {
      const found = await inTime(this.queries.findMany(productIds), READ_MS_MAX);
      this.away = false;
      return found;
    } catch (error) {
      this.away = databaseFailure(error) !== undefined;
      throw error;
    }
  }

  /** A slow read never takes the place of a later one. */
  private keep(product: KeptProduct): KeptProduct {
    const { productId } = product;
    if ((this.kept.peek(productId)?.askedAtMs ?? -Infinity) <= product.askedAtMs) this.kept.set(productId, product);
    return product;
  }
}
