import { Logger } from '@nestjs/common';
import type { ConsumeMessage } from 'amqplib';
import type { DataSource } from 'typeorm';
import type { DeadLetterRepository } from '../../dead-letters/dead-letter.repository';
import { describe, retryDelayMs as usualRetryDelayMs, type RetryDelayMs, waitedFor } from '../../delivery';
import { deadLetterOf } from './dead-message';

/** Stores messages as dead letters; a message that is buried twice is stored once. */
export class Burial {
  private readonly logger = new Logger('RabbitMQ dead letters');

  constructor(
    private readonly dataSource: DataSource,
    private readonly deadLetters: DeadLetterRepository,
    private readonly retryDelayMs: RetryDelayMs = usualRetryDelayMs,
  ) {}

  /** Tries until the letter is stored, and answers false if the signal came first. Never rejects. */
  async bury(
    delivery: ConsumeMessage,
    vendorId: string | undefined,
    cause: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const letter = deadLetterOf(delivery, vendorId, cause);
    for (let tries = 1; ; tries += 1) {
      try {
        await this.deadLetters.insert(this.dataSource.manager, letter);
        return true;
      } catch (error) {
        const labels = { vendorId: letter.vendorId, orderId: letter.orderId };
        this.logger.warn(labels, `A dead letter is not stored yet, try ${tries}: ${describe(error)}`);
        if (!(await waitedFor(this.retryDelayMs(tries), signal))) return false;
      }
    }
  }
}
