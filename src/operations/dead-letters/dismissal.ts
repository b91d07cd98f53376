import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import {
  DeadLetterRepository,
  type Decider,
  type OpenLetters,
} from '../../messaging/dead-letters/dead-letter.repository';
import { DeadLetterQueries } from './dead-letter-queries';
import { DeadLetterNotDismissable } from './dead-letter.errors';

/** Letters one request dismisses at most, the oldest; the next request goes on with the rest. */
export const DISMISSED_MAX = 5_000;

export interface Dismissed {
  /** Open letters that the request speaks of. */
  matched: number;
  /** Letters that were closed; of a dry run: would be. */
  dismissed: number;
  dryRun: boolean;
}

/** Closes letters about no order of ours: there is nothing to send, and nobody waits for them. */
@Injectable()
export class Dismissal {
  private readonly logger = new Logger(Dismissal.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly letters: DeadLetterRepository,
    private readonly queries: DeadLetterQueries,
  ) {}

  /** One that was decided before is left as it is. Throws `DeadLetterNotFound`, `DeadLetterNotDismissable`. */
  async one(deadLetterId: string, by: Decider): Promise<Dismissed> {
    await this.queries.get(deadLetterId);
    const dismissed = await this.letters.dismissOrphans(this.dataSource.manager, { deadLetterId }, by, 1);
    if (dismissed === 0) {
      const { status, orderId } = await this.queries.get(deadLetterId);
      if (status === 'open') throw new DeadLetterNotDismissable(orderId!);
    }
    return this.conclude({ matched: dismissed, dismissed, dryRun: false }, { deadLetterId }, by);
  }

  /** Those that fit, the oldest first, at most `DISMISSED_MAX`. A dry run writes nothing, and tells the same numbers. */
  async many(which: OpenLetters, dryRun: boolean, by: Decider): Promise<Dismissed> {
    const { manager } = this.dataSource;
    const matched = await this.letters.countOpen(manager, which);
    const dismissed = dryRun
      ? await this.letters.countOrphans(manager, which, DISMISSED_MAX)
      : await this.letters.dismissOrphans(manager, which, by, DISMISSED_MAX);
    return this.conclude({ matched, dismissed, dryRun }, which, by);
  }

  private conclude(told: Dismissed, asked: object, { client, apiKeyId }: Decider): Dismissed {
    this.logger.warn({ ...asked, ...told, client, apiKeyId }, 'Asked to dismiss dead letters');
    return told;
  }
}
