import type { Queue, Queues } from './queue-queries';

export class QueueDto implements Queue {
  /** @example "alpine-outdoor" */
  vendorId!: string;
  /**
   * Orders that a worker could take now
   * @example 3
   */
  ready!: number;
  /**
   * Orders in a worker's hand
   * @example 4
   */
  inFlight!: number;
  /**
   * Messages that come at a later time
   * @example 12
   */
  scheduled!: number;
  /**
   * Since the oldest order that is ready or in flight was placed, or replayed; 0 without any
   * @example 2
   */
  oldestSeconds!: number;
  /** Dispatch is stopped by an operator */
  paused!: boolean;
}

export class OutboxStateDto {
  /**
   * Messages that are due and have not reached the broker; without RabbitMQ, that have not been dealt with
   * @example 7
   */
  pending!: number;
  /**
   * Since the oldest of them was due; 0 without any
   * @example 0
   */
  oldestSeconds!: number;
}

export class QueuesDto implements Queues {
  vendors!: QueueDto[];
  outbox!: OutboxStateDto;
  /**
   * Open ones
   * @example 1
   */
  deadLetters!: number;
}
