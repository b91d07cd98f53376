import { Logger } from '@nestjs/common';
import { Config } from '../../../src/config/config';
import { beginSpan, traceparentBelow } from '../../../src/observability/spans';
import { startTracing, type Tracing } from '../../../src/observability/tracing';

/** What the process is to do. */
export type Wish =
  { start: Record<string, string> } | { tell: string; parent: string | null; times: number } | { stop: number };

export interface Done {
  /** Everything it has logged so far. */
  said: string[];
  tookMs: number;
  /** Where the trace goes on below the last span. */
  below: string | null;
}

const said: string[] = [];
const say = (message: string): void => void said.push(message);
Logger.overrideLogger({ log: say, warn: say, error: say });

let tracing: Tracing | undefined;

async function grant(wish: Wish): Promise<string | null> {
  if ('start' in wish) tracing = await startTracing(Config.read(wish.start), { mode: 'all', version: '1.2.3' });
  if ('stop' in wish) await tracing!.stop(wish.stop);
  if (!('tell' in wish)) return null;
  let below: string | null = null;
  for (let time = 0; time < wish.times; time++) {
    const span = beginSpan(wish.tell, wish.parent);
    below = traceparentBelow(span, wish.parent);
    span.end();
  }
  return below;
}

process.on('disconnect', () => process.exit(0));
process.on('message', (wish: Wish) => {
  const began = performance.now();
  void grant(wish).then((below) => process.send!({ said, tookMs: performance.now() - began, below } satisfies Done));
});
