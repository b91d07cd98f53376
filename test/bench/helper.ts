import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/**
 * A program of the bench in a process of its own, as the API is one: what makes load must not share its event loop with
 * what counts it. It stays for the whole bench, so that its code is warm when time counts.
 */
export interface Helper<Job, Answer> {
  run(job: Job): Promise<Measured<Answer>>;
  /** Lets the job under way come to its end at once; it answers as usual. */
  conclude(): void;
  stop(): Promise<void>;
}

export interface Measured<Answer> {
  answer: Answer;
  /** Of the helper, while it was at the job. */
  cpuSeconds: number;
}

/** Sent instead of a job. */
const CONCLUDE = 'conclude';

type Reply<Answer> = Measured<Answer> | { failure: string };

const RUN_TYPESCRIPT = join(__dirname, '..', 'support', 'run-typescript.cjs');

/** Starts `test/bench/<program>`, which has to call `answerJobs`. One job at a time. */
export function startHelper<Job, Answer>(program: string): Helper<Job, Answer> {
  const child = fork(RUN_TYPESCRIPT, [join(__dirname, program)]);
  return {
    run: (job) => ask<Job, Answer>(child, program, job),
    // Where it is gone, whoever waits for its answer hears of that.
    conclude: () => void child.send(CONCLUDE, () => undefined),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
    },
  };
}

/**
 * The helper's own side: answers jobs until the bench is gone, whichever way it went. The signal says that the job is to
 * be concluded; work that does not know how need not listen.
 */
export function answerJobs<Job, Answer>(work: (job: Job, concluded: AbortSignal) => Promise<Answer>): void {
  let concluding = new AbortController();
  process.on('disconnect', () => process.exit(0));
  process.on('message', (job: Job | typeof CONCLUDE) => {
    if (job === CONCLUDE) return concluding.abort();
    concluding = new AbortController();
    const before = process.cpuUsage();
    const reply = (sent: Reply<Answer>): unknown => process.send!(sent);
    work(job, concluding.signal).then(
      (answer) => {
        const { user, system } = process.cpuUsage(before);
        reply({ answer, cpuSeconds: (user + system) / 1e6 });
      },
      (error: unknown) => reply({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
}

function ask<Job, Answer>(child: ChildProcess, program: string, job: Job): Promise<Measured<Answer>> {
  return new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error(`${program} ended in the middle of its work`));
    child.once('exit', onExit);
    child.once('message', (reply: Reply<Answer>) => {
      child.off('exit', onExit);
      if ('failure' in reply) reject(new Error(`${program}: ${reply.failure}`));
      else resolve(reply);
    });
    child.send(job as object, (error) => error && onExit());
  });
}
