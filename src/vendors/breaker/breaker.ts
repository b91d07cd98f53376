import { Injectable, Logger } from '@nestjs/common';
import { ConsecutiveBreaker } from 'cockatiel';
import { OutcomesDataSource } from '../../database/pools';
import { Config } from '../../config/config';
import type { CallHealth, CancelAnswer, ChangedOrdersAnswer, LookUpAnswer, PurchaseAnswer } from '../vendor-adapter';
import { BreakerRepository, type Operation, type Pause } from './breaker.repository';
import { healthOf } from './call-health';

/** Calls that fail one after the other, in one process, before the vendor is left alone. */
const FAILURES_MAX: Record<Operation, number> = {
  orders: 5,
  // Each page of a poll has been asked for several times already.
  stock: 3,
};
/** Enough for a restart over there; a shorter one would go unnoticed behind retries. */
const PAUSE_MS_FIRST = 5000;
/** A vendor that was away for long waits no longer than this for its first order. */
const PAUSE_MS_MAX = 60_000;

/** Leave to call a vendor. */
export interface Leave {
  vendorId: string;
  operation: Operation;
  /** The opening of the breaker that this call is the probe of; null while it is closed. */
  opening: string | null;
  /** Monotonic clock: the call began no earlier. */
  givenAt: number;
  /** It is made at a former address of the vendor, and says nothing of how the vendor is now. */
  elsewhere?: boolean;
}

/**
 * Leaves a vendor alone that fails, or turns us away, again and again. Whether it is open is written in the database, so that all workers
 * pause together, and over restarts; the library's instance in each process is only what senses that it should be. Who may
 * call is decided where slots and sync leases are given out, and they are also what makes a probe the only one.
 */
@Injectable()
export class Breaker {
  private readonly logger = new Logger(Breaker.name);
  private readonly sensors = new Map<string, ConsecutiveBreaker>();
  private readonly pause: Pause;

  constructor(
    private readonly dataSource: OutcomesDataSource,
    private readonly repository: BreakerRepository,
    { retryDelayMsMax }: Config,
  ) {
    this.pause = { firstMs: Math.min(PAUSE_MS_FIRST, retryDelayMsMax), maxMs: Math.min(PAUSE_MS_MAX, retryDelayMsMax) };
  }

  /** Makes a call about an order and takes note of what it says of the vendor. */
  async watch<Answer extends PurchaseAnswer | LookUpAnswer | CancelAnswer | ChangedOrdersAnswer>(
    leave: Leave,
    call: () => Promise<Answer>,
  ): Promise<Answer> {
    const answer = await call();
    await this.note(leave, healthOf(answer));
    return answer;
  }

  /**
   * Call it before the leave is given back, so that no second probe begins beside the first one's answer. Never rejects: an
   * answer is worth more than what it says of its vendor.
   */
  async note(leave: Leave, health: CallHealth): Promise<void> {
    if (leave.elsewhere) return;
    try {
      if (health === 'well') await this.well(leave);
      if (health === 'failing' || health === 'turnedAway') await this.failing(leave);
    } catch (error) {
      this.logger.warn({ err: error, vendorId: leave.vendorId }, 'What a call says of its vendor could not be written');
    }
  }

  private async well(leave: Leave): Promise<void> {
    const { vendorId, operation, opening } = leave;
    this.sensorOf(leave).success();
    if (opening === null) return;
    const closed = await this.repository.close(this.dataSource.manager, vendorId, operation, opening);
    if (closed) this.logger.log({ vendorId, operation }, 'Breaker closed: the vendor is well again');
  }

  private async failing(leave: Leave): Promise<void> {
    if (await this.failedAsProbe(leave)) return;
    if (!this.sensorOf(leave).failure()) return;
    const { vendorId, operation, givenAt } = leave;
    const since = { pause: this.pause, sinceMs: performance.now() - givenAt };
    const openMs = await this.repository.open(this.dataSource.manager, vendorId, operation, since);
    this.sensors.delete(keyOf(leave));
    if (openMs !== undefined) this.logger.warn({ vendorId, operation, openMs }, 'Breaker open: the vendor fails');
  }

  /** Where the breaker has closed meanwhile, a call with a probe's leave is one like any other. */
  private async failedAsProbe({ vendorId, operation, opening }: Leave): Promise<boolean> {
    if (opening === null) return false;
    const { pause } = this;
    const openMs = await this.repository.reopen(this.dataSource.manager, vendorId, operation, { opening, pause });
    if (openMs !== undefined) this.logger.warn({ vendorId, operation, openMs }, 'Breaker open: the probe failed');
    return openMs !== undefined;
  }

  private sensorOf(leave: Leave): ConsecutiveBreaker {
    const key = keyOf(leave);
    const sensor = this.sensors.get(key) ?? new ConsecutiveBreaker(FAILURES_MAX[leave.operation]);
    this.sensors.set(key, sensor);
    return sensor;
  }
}

function keyOf({ vendorId, operation }: Leave): string {
  return `${operation} ${vendorId}`;
}
