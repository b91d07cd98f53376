import { answerJobs } from '../helper';
import { type ClosedLoop, runClosedLoop } from './closed-loop';
import { type OpenLoop, runOpenLoop } from './open-loop';
import type { LoadOutcome } from './outcome';

/** The load generator's process. */
export type Load = ClosedLoop | OpenLoop;

if (process.send)
  answerJobs<Load, LoadOutcome>((job) => (job.kind === 'closed' ? runClosedLoop(job) : runOpenLoop(job)));
