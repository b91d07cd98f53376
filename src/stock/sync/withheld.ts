import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Applying } from './applying';
import type { StagedListing } from './settling';
import type { SyncRunInHand } from './sync-run-in-hand';
import { WithheldRepository } from './withheld.repository';

/** Products locked in one transaction, as where a listing is applied. */
const BATCH_ROWS = 200;

/** Applies what was withheld of a listing that an operator has accepted, and nothing that a later listing may have changed. */
@Injectable()
export class Withheld {
  constructor(
    private readonly dataSource: DataSource,
    private readonly repository: WithheldRepository,
    private readonly applying: Applying,
  ) {}

  /** Answers how many products it wrote. */
  async apply(run: SyncRunInHand, listing: StagedListing): Promise<number> {
    let written = 0;
    for (let after = ''; ;) {
      const keys = await run.gate.pass(() =>
        this.repository.findWithheld(this.dataSource.manager, listing, after, BATCH_ROWS),
      );
      if (keys.length === 0) break;
      written += await run.write((tx) => this.repository.givePrices(tx, listing, keys));
      after = keys.at(-1)!;
    }
    return written + (await this.applying.addNew(run, listing));
  }
}
