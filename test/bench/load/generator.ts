import { answerJobs } from '../helper';
import { type ClosedLoop, runClosedLoop } from './closed-loop';
import { type OpenLoop, runOpenLoop } from './open-loop';
import type { LoadOutcome } from './outcome';
import { type ReadingLoop, runReadingLoop } from './reading-loop';

/** The load generator's process. */
export type Load = ClosedLoop | OpenLoop | ReadingLoop;

if (process.send) answerJobs<Load, LoadOutcome>(run);

function run(job: Load, concluded: AbortSignal): Promise<LoadOutcome> {
  switch (job.kind) {
    case 'closed':
      return runClosedLoop(job);
    case 'open':
      return runOpenLoop(job, concluded);
    case 'reading':
      return runReadingLoop(job);
  }
}
