import { setTimeout as pause } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { type MessageHandler, UnreadableMessage } from './broker';
import { labelsOf, type Message } from './message';
import type { MessageMetrics } from './message-metrics';

/** Before the second try; doubled for each further one. */
const RETRY_DELAY_MS_MIN = 100;
const RETRY_DELAY_MS_MAX = 5_000;
/**
 * A handler that failed so often for reasons of its own will fail for ever and would hold its consumer that long.
 * Failures that pass by themselves (the database is away) do not count: then every message would be given up.
 */
const LASTING_FAILURES_MAX = 5;

/**
 * What became of a message in hand: `done` and `dead` are settled with the transport; `interrupted` is left unsettled,
 * so that the transport gives the message to somebody again.
 */
export type Outcome = { kind: 'done' } | { kind: 'dead'; cause: string } | { kind: 'interrupted' };

export interface Patience {
  /** Whether trying again later may succeed without anything being changed. */
  isTransient(error: unknown): boolean;
  /** Ends the waiting between two tries; never the try itself. */
  signal: AbortSignal;
  /** Before the next try, by how many there were; exponential unless said. */
  retryDelayMs?: RetryDelayMs;
  /** Told how messages fare. */
  metrics?: MessageMetrics;
}

export type RetryDelayMs = (tries: number) => number;

const logger = new Logger('MessageDelivery');

/**
 * Lets the handler try until it succeeds, the message is given up, or the signal says to let go. The message stays in
 * this consumer's hand meanwhile: handing it back would bring it again at once, in another order. A process that dies
 * on a message forgets how often it has tried. `dueAtMs`: by the database's clock, where that is known.
 */
export async function deliver(
  message: Message,
  handler: MessageHandler,
  patience: Patience,
  dueAtMs?: number,
): Promise<Outcome> {
  const { metrics } = patience;
  const takenAt = performance.now();
  if (dueAtMs !== undefined) metrics?.taken(message.vendorId, dueAtMs);
  const outcome = await tryUntilSettled(message, handler, patience);
  metrics?.settled(message.vendorId, outcome.kind, performance.now() - takenAt);
  return outcome;
}

async function tryUntilSettled(message: Message, handler: MessageHandler, patience: Patience): Promise<Outcome> {
  let lastingFailures = 0;
  for (let tries = 1; ; tries += 1) {
    const error = await tryOnce(message, handler);
    if (error === undefined) return { kind: 'done' };
    if (error instanceof UnreadableMessage) return { kind: 'dead', cause: causeOfUnreadable(error) };
    if (!patience.isTransient(error)) lastingFailures += 1;
    logger.warn(
      labelsOf(message),
      `${message.type} ${message.messageId} for ${message.vendorId}: try ${tries} failed: ${describe(error)}`,
    );
    if (lastingFailures >= LASTING_FAILURES_MAX)
      return { kind: 'dead', cause: `Handling it failed ${lastingFailures} times: ${describe(error)}` };
    if (!(await waitedFor((patience.retryDelayMs ?? retryDelayMs)(tries), patience.signal)))
      return { kind: 'interrupted' };
  }
}

/** Answers the error, or undefined. */
async function tryOnce(message: Message, handler: MessageHandler): Promise<Error | undefined> {
  try {
    await handler(message);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Waits, between two tries at anything, and answers false if the signal came first. */
export async function waitedFor(delayMs: number, signal: AbortSignal): Promise<boolean> {
  return pause(delayMs, true, { signal }).catch(() => false);
}

export function retryDelayMs(tries: number): number {
  return Math.min(RETRY_DELAY_MS_MIN * 2 ** (tries - 1), RETRY_DELAY_MS_MAX);
}

export function causeOfUnreadable({ message }: UnreadableMessage): string {
  return `The message cannot be read: ${message}.`;
}

export function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
