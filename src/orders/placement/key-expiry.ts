import { Injectable, Logger } from '@nestjs/common';
import { Cron, CronExpression } from '@nestjs/schedule';
import { DataSource } from 'typeorm';
import { IdempotencyRepository } from './idempotency.repository';

const BATCH_ROWS = 5000;

/** Forgets expired idempotency keys. Several workers may do so at once: each skips what another has locked. */
@Injectable()
export class KeyExpiry {
  private readonly logger = new Logger(KeyExpiry.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly idempotency: IdempotencyRepository,
  ) {}

  @Cron(CronExpression.EVERY_10_MINUTES, { name: 'idempotency-key-expiry', waitForCompletion: true })
  async runOnce(): Promise<void> {
    try {
      while ((await this.idempotency.forgetExpired(this.dataSource.manager, BATCH_ROWS)) === BATCH_ROWS);
    } catch (error) {
      this.logger.warn({ err: error }, 'Expired idempotency keys could not be removed; tried again in ten minutes');
    }
  }
}
