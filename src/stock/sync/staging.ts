import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Listing } from '../../vendors/vendor-adapter';
import type { Progress } from './progress';
import { copyLines, StagingRepository } from './staging.repository';
import type { SyncRunInHand } from './sync-run-in-hand';
import { SyncRunRepository } from './sync-run.repository';

/** Rows copied in one transaction. A run holds two such chunks at most. */
const CHUNK_ROWS = 5000;
/** How often a run that goes on says how far it has come. */
const PROGRESS_EVERY_MS = 1000;

/** Brings a listing whole into the run's own table. The next rows are fetched while the last are being copied. */
@Injectable()
export class Staging {
  private readonly logger = new Logger(Staging.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly staging: StagingRepository,
    private readonly runs: SyncRunRepository,
  ) {}

  /** Throws `VendorCallFailed`, and `SyncLeaseLost`. */
  async stage(run: SyncRunInHand, listing: Listing, progress: Progress, signal: AbortSignal): Promise<void> {
    await run.write((tx) => this.staging.create(tx, run.syncRunId));
    // As bytes outside the heap: kept as rows they would grow old in it, a million of them a hundred megabytes.
    let chunk: Buffer[] = [];
    let [position, copied] = [0, 0];
    let copying: Promise<void> = Promise.resolve();
    let saidAt = performance.now();
    try {
      for await (const page of endingWith(signal, listing.pages)) {
        const rows = progress.take(page);
        chunk.push(copyLines(run.lease.vendor.vendorId, rows, position));
        position += rows.length;
        if (position - copied < CHUNK_ROWS && performance.now() - saidAt < PROGRESS_EVERY_MS) continue;
        await copying;
        const said = performance.now() - saidAt >= PROGRESS_EVERY_MS;
        if (said) saidAt = performance.now();
        copying = this.copy(run, chunk, said ? progress : undefined);
        // Whoever awaits it sees its failure; until then it is nobody's unhandled rejection.
        copying.catch(() => undefined);
        chunk = [];
        copied = position;
      }
    } finally {
      await copying.catch(() => undefined);
    }
    await copying;
    await this.copy(run, chunk, progress);
    await run.gate.pass(() => this.staging.index(this.dataSource.manager, run.syncRunId, position));
  }

  private async copy(run: SyncRunInHand, chunk: Buffer[], progress: Progress | undefined): Promise<void> {
    const { vendorId } = run.lease.vendor;
    await run.write(async (tx) => {
      if (chunk.length > 0) await this.staging.copy(tx, run.syncRunId, chunk);
      if (progress) await this.runs.note(tx, run.syncRunId, progress);
    });
    if (progress)
      this.logger.debug({ vendorId, syncRunId: run.syncRunId, ...howFar(run, progress) }, 'Stock sync goes on');
  }
}

function howFar({ startedAt }: SyncRunInHand, { seen, rowsExpected }: Progress) {
  const seconds = Math.max(0.001, (performance.now() - startedAt) / 1000);
  const percent = rowsExpected === null || rowsExpected === 0 ? null : Math.floor((100 * seen) / rowsExpected);
  return { seen, rowsPerSecond: Math.round(seen / seconds), percent };
}

/** The pages, until the signal: also where whoever sends them hears nothing of it. */
async function* endingWith<Page>(signal: AbortSignal, pages: AsyncIterable<Page>): AsyncIterable<Page> {
  const iterator = pages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await orAborted(signal, () => iterator.next());
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // Lets go of the vendor; not waited for, since it may hang where the page did.
    void iterator.return?.(undefined).catch(() => undefined);
  }
}

/** Throws the signal's reason where it comes first; work that would come after it is not begun. */
export async function orAborted<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  signal.throwIfAborted();
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
