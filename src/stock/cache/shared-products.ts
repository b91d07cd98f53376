import { Logger, type OnApplicationShutdown } from '@nestjs/common';
import type { Config } from '../../config/config';
import type { ProductRead } from '../product-queries';
import { openRedis, type Redis } from './redis';

/** Redis answers within a millisecond; who has to wait longer asks the database instead. */
const ANSWER_MS_MAX = 25;
/** After it failed or was late it is left alone for this long. */
const REST_MS = 1000;

/**
 * What other processes have just read, where there is a Redis (`REDIS_URL`). It never makes a read fail, and slows one
 * down by `ANSWER_MS_MAX` at most, once in `REST_MS`. It forgets by its own clock, so that nobody compares two.
 */
export class SharedProducts implements OnApplicationShutdown {
  private readonly logger = new Logger(SharedProducts.name);
  private restsUntilMs = 0;
  private failing = false;

  private constructor(private readonly redis?: Redis) {
    redis?.products.on('error', (error: unknown) => this.rest(error));
    redis?.connect().catch(() => undefined);
  }

  static async of({ redisUrl, rabbitmqPrefix }: Config): Promise<SharedProducts> {
    if (redisUrl === undefined) return new SharedProducts();
    return new SharedProducts(await openRedis(redisUrl, rabbitmqPrefix));
  }

  /** Those of the products that are there and not older than they may be. */
  async read(productIds: string[]): Promise<Map<string, ProductRead>> {
    if (!this.redis || this.isResting()) return new Map();
    const found = await this.inTime(this.redis.products.getMany<ProductRead>(productIds));
    return new Map((found ?? []).flatMap((read) => (read ? [[read.product.productId, read]] : [])));
  }

  /** Nobody waits for it. */
  write(read: ProductRead[], forMs: number): void {
    const ttl = Math.floor(forMs);
    if (!this.redis || read.length === 0 || ttl <= 0 || this.isResting()) return;
    const { products } = this.redis;
    void this.inTime(products.setMany(read.map((value) => ({ key: value.product.productId, value, ttl }))));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.redis?.disconnect().catch(() => undefined);
  }

  private isResting(): boolean {
    return performance.now() < this.restsUntilMs;
  }

  private async inTime<Result>(work: Promise<Result>): Promise<Result | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`Redis did not answer in ${ANSWER_MS_MAX} ms`)), ANSWER_MS_MAX);
    });
    try {
      const result = await Promise.race([work, late]);
      if (this.failing) this.logger.log('Redis answers again');
      this.failing = false;
      return result;
    } catch (error) {
      this.rest(error);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  private rest(error: unknown): void {
    this.restsUntilMs = performance.now() + REST_MS;
    if (!this.failing) this.logger.warn({ err: error }, 'Redis is left alone; products are read from the database');
    this.failing = true;
  }
}
