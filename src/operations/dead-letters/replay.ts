import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import {
  DeadLetterRepository,
  type Decider,
  type LetterPlace,
  type OpenDeadLetter,
  type OpenLetters,
} from '../../messaging/dead-letters/dead-letter.repository';
import { Outbox } from '../../messaging/outbox';
import { DeadLetterQueries } from './dead-letter-queries';
import { DeadLetterNotReplayable } from './dead-letter.errors';
import { Decision, type Fates, lettersOf } from './decision';

/** Letters one request replays at most, the oldest; the next request goes on with the rest. */
export const LETTERS_MAX = 5_000;
/** Letters decided in one transaction: whoever wants one of their orders meanwhile waits some milliseconds. */
const BATCH_LETTERS = 100;

export interface Replayed {
  /** Open letters that the request speaks of. */
  matched: number;
  /** Letters whose order is on its way again; of a dry run: would be. */
  replayed: number;
  dryRun: boolean;
}

/** Replays dead letters: puts their orders back on their way, as far as sending can mend them. */
@Injectable()
export class Replay {
  private readonly logger = new Logger(Replay.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly letters: DeadLetterRepository,
    private readonly queries: DeadLetterQueries,
    private readonly decision: Decision,
    private readonly outbox: Outbox,
  ) {}

  /** At once. One that was decided before is left as it is. Throws `DeadLetterNotFound`, `DeadLetterNotReplayable`. */
  async one(deadLetterId: string, by: Decider): Promise<Replayed> {
    const letter = await this.queries.get(deadLetterId);
    const fates = await this.dataSource.transaction((tx) => this.decision.take(tx, [letter], by, { paced: false }));
    for (const fate of fates.values()) if (fate.kind === 'keep') throw new DeadLetterNotReplayable(fate.why);
    return this.conclude({ matched: fates.size, replayed: resent(fates), dryRun: false }, { deadLetterId }, by);
  }

  /**
   * Those that fit, the oldest first, at most `LETTERS_MAX`, in batches: what was decided before a failure stays so. Their
   * messages are spread over time, each vendor's by itself. A dry run writes nothing, and tells the same numbers.
   */
  async many(which: OpenLetters, dryRun: boolean, by: Decider): Promise<Replayed> {
    const { manager } = this.dataSource;
    const matched = await this.letters.countOpen(manager, which);
    let replayed = 0;
    let last: LetterPlace | undefined;
    for (let walked = 0; walked < LETTERS_MAX; walked += BATCH_LETTERS) {
      const batch = await this.letters.openAfter(manager, which, last, BATCH_LETTERS);
      replayed += resent(dryRun ? await this.decision.foretell(manager, batch) : await this.replayBatch(batch, by));
      last = batch.at(-1);
      if (batch.length < BATCH_LETTERS) break;
    }
    return this.conclude({ matched, replayed, dryRun }, which, by);
  }

  private replayBatch(batch: OpenDeadLetter[], by: Decider): Promise<Fates> {
    return this.dataSource.transaction((tx) => this.decision.take(tx, batch, by, { paced: true }));
  }

  private conclude(told: Replayed, asked: object, { client, apiKeyId }: Decider): Replayed {
    this.outbox.wake();
    this.logger.warn({ ...asked, ...told, client, apiKeyId }, 'Asked to replay dead letters');
    return told;
  }
}

function resent(fates: Fates): number {
  return lettersOf(fates, 'resend').length;
}
