import KeyvRedis from '@keyv/redis';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import Keyv from 'keyv';
import { Config } from '../../config/config';
import type { ProductRead } from '../product-queries';

/** Redis answers within a millisecond; who has to wait longer asks the database instead. */
const ANSWER_MS_MAX = 25;
/** After it failed or was late it is left alone for this long. */
const REST_MS = 1000;
const RECONNECT_MS_MAX = 2000;
/** A silent connection is noticed by a ping, and opened anew. */
const PING_EVERY_MS = 1000;
const SILENCE_MS_MAX = 3000;
/** Of the form in which products are kept there. */
const FORM = 1;

/**
 * What other processes have just read, where there is a Redis (`REDIS_URL`). It never makes a read fail, and slows one
 * down by `ANSWER_MS_MAX` at most, once in `REST_MS`. It forgets by its own clock, so that nobody compares two.
 */
@Injectable()
export class SharedProducts implements OnApplicationShutdown {
  private readonly logger = new Logger(SharedProducts.name);
  private readonly store: KeyvRedis<ProductRead> | undefined;
  private readonly redis: Keyv<ProductRead> | undefined;
  private restsUntilMs = 0;
  private failing = false;

  constructor({ redisUrl, rabbitmqPrefix }: Config) {
    if (redisUrl === undefined) return;
    this.store = new KeyvRedis<ProductRead>(
      {
        url: redisUrl,
        disableOfflineQueue: true,
        pingInterval: PING_EVERY_MS,
        socket: {
          socketTimeout: SILENCE_MS_MAX,
          reconnectStrategy: (tries: number) => Math.min(50 * 2 ** tries, RECONNECT_MS_MAX),
        },
      },
      { throwOnErrors: true, throwOnConnectError: true },
    );
    this.redis = new Keyv<ProductRead>({
      store: this.store,
      namespace: `${rabbitmqPrefix}:product:${FORM}`,
      useKeyPrefix: false,
      serialize: JSON.stringify,
      deserialize: JSON.parse,
      throwOnErrors: true,
    });
    this.redis.on('error', (error: unknown) => this.rest(error));
    this.store.getClient().catch(() => undefined);
  }

  /** Those of the products that are there and not older than they may be. */
  async read(productIds: string[]): Promise<Map<string, ProductRead>> {
    if (!this.redis || this.isResting()) return new Map();
    const found = await this.inTime(this.redis.getMany<ProductRead>(productIds));
    return new Map((found ?? []).flatMap((read) => (read ? [[read.product.productId, read]] : [])));
  }

  /** Nobody waits for it. */
  write(read: ProductRead[], forMs: number): void {
    const ttl = Math.floor(forMs);
    if (!this.redis || read.length === 0 || ttl <= 0 || this.isResting()) return;
    void this.inTime(this.redis.setMany(read.map((value) => ({ key: value.product.productId, value, ttl }))));
  }

  async onApplicationShutdown(): Promise<void> {
    // By force: to take leave of a Redis that is silent would take for ever.
    await this.store?.disconnect(true).catch(() => undefined);
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
