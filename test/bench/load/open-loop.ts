import { setTimeout as pause } from 'node:timers/promises';
import { Pool } from 'undici';
import { type LoadOutcome, Tally } from './outcome';

/** Requests at a constant rate, whether earlier ones have been answered or not. */
export interface OpenLoop {
  kind: 'open';
  url: string;
  path: string;
  apiKey: string;
  ratePerSecond: number;
  /** Fewer where it is concluded before. */
  seconds: number;
  /** JSON texts, in turn. */
  bodies: string[];
}

/** Far more than are ever in use below capacity; beyond them a request waits here, and its clock runs. */
const CONNECTIONS_MAX = 256;
const TICK_MS = 1;

/**
 * Not autocannon: with `overallRate` a connection still waits for its answer before it sends again and skips what it
 * missed, and the correction then invents latencies for the skipped requests from a formula. Here each request has
 * the moment it is due, is sent whatever became of the others, and its latency counts from that moment on: a stall
 * delays everybody who came during it. A timer's tick adds up to about a millisecond, which is left in.
 */
export async function runOpenLoop(job: OpenLoop, concluded: AbortSignal): Promise<LoadOutcome> {
  const pool = new Pool(job.url, { connections: CONNECTIONS_MAX, pipelining: 1 });
  const tally = new Tally();
  const underWay: Promise<void>[] = [];
  const total = Math.round(job.ratePerSecond * job.seconds);
  const startedAt = performance.now();
  const dueAt = (request: number): number => startedAt + (request * 1000) / job.ratePerSecond;
  try {
    for (let request = 0; request < total && !concluded.aborted;) {
      for (; request < total && dueAt(request) <= performance.now(); request++) {
        underWay.push(send(pool, job, job.bodies[request % job.bodies.length]!, dueAt(request), tally));
      }
      await pause(TICK_MS);
    }
    await Promise.all(underWay);
    return tally.outcome((performance.now() - startedAt) / 1000);
  } finally {
    await pool.close();
  }
}

async function send(pool: Pool, job: OpenLoop, body: string, dueAtMs: number, tally: Tally): Promise<void> {
  try {
    const { statusCode, body: answer } = await pool.request({
      method: 'POST',
      path: job.path,
      headers: { authorization: `Bearer ${job.apiKey}`, 'content-type': 'application/json' },
      body,
    });
    await answer.dump();
    tally.answered(statusCode, performance.now() - dueAtMs);
  } catch (error) {
    tally.failed((error as Error).message);
  }
}
