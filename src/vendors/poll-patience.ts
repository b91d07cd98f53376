import { setTimeout as pause } from 'node:timers/promises';
import { healthAfter, healthBy, pollRefused, retryAfterMs } from './vendor-answer';
import { VendorCallFailed } from './vendor-adapter';
import { type AnswerHead, CannotCall, NoAnswer } from './vendor-http';

/** A page that fails is asked for so many times; who fails longer is polled again when the vendor is next due. */
const TRIES_MAX = 4;
const BACKOFF_MS_BASE = 200;
/** A vendor that wants to be left alone for longer is left alone, and polled again when it is next due. */
const RETRY_AFTER_MS_MAX = 60_000;
/** All waits that a vendor asks for in one poll: a rate limit that would make a poll longer makes polling useless. */
const RETRY_AFTER_MS_TOTAL = 600_000;

/** How long one poll bears with failing pages and rate limits. Reading a page again does no harm, unlike an order. */
export class PollPatience {
  private askedForMs = 0;

  constructor(private readonly signal: AbortSignal) {}

  /** Answers whatever is neither a passing failure nor a rate limit. Throws `VendorCallFailed`. */
  async ask<Answer extends AnswerHead>(call: () => Promise<Answer>): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      const answer = await call().catch(noAnswer);
      if (this.signal.aborted) throw stopped();
      if (!(answer instanceof NoAnswer) && !isPassing(answer.status)) return answer;
      const askedMs = answer instanceof NoAnswer ? undefined : this.askedFor(answer);
      if (askedMs !== undefined) tries -= 1;
      else if (tries >= TRIES_MAX || answer instanceof CannotCall) throw givenUp(answer);
      await this.wait(askedMs ?? BACKOFF_MS_BASE * 2 ** (tries - 1) * Math.random());
    }
  }

  private askedFor(answer: AnswerHead): number | undefined {
    const askedMs = retryAfterMs(answer);
    if (askedMs === undefined) return undefined;
    this.askedForMs += askedMs;
    if (askedMs <= RETRY_AFTER_MS_MAX && this.askedForMs <= RETRY_AFTER_MS_TOTAL) return askedMs;
    throw new VendorCallFailed(
      `stock: answered ${answer.status} and asks us to wait ${askedMs / 1000} s, which is more than a poll can spare`,
      { health: healthBy(answer.status) },
    );
  }

  private async wait(ms: number): Promise<void> {
    try {
      await pause(ms, undefined, { signal: this.signal });
    } catch {
      throw stopped();
    }
  }
}

/** What is not implemented (501) will not be in a second either. */
function isPassing(status: number): boolean {
  return (status >= 500 && status !== 501) || status === 429 || status === 408 || status === 425;
}

function noAnswer(error: unknown): NoAnswer {
  if (error instanceof NoAnswer) return error;
  throw error;
}

function givenUp(answer: AnswerHead | NoAnswer): VendorCallFailed {
  if (!(answer instanceof NoAnswer)) return pollRefused(answer);
  return new VendorCallFailed(`stock: ${answer.message}`, { cause: answer, health: healthAfter(answer) });
}

function stopped(): VendorCallFailed {
  return new VendorCallFailed('stock: the poll was stopped', { health: 'unsaid' });
}
