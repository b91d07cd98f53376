import { startHelper } from '../helper';
import { figure, type Report } from '../report';
import type { StopSteps, Testbed } from '../testbed';
import { keyOf, type Pair, pairsWith, SHAPES } from './pairs';
import { caseOf, place, rateOf, type Round, type Surroundings, takeRound } from './round';
import type { SinkJob, Sunk } from './sink';
import { tablesOf } from './tables';

/** A process that has just started compiles its code first; nobody measures that. */
const WARM_UP_SECONDS = 4;

/**
 * What metrics, logs and traces cost of placing orders: for each an API process that does it and one that does not, in turns, so that
 * whatever disturbs the machine for longer than a run disturbs both.
 */
export async function benchOverhead(
  testbed: Testbed,
  stopSteps: StopSteps,
  { seconds, runs }: { seconds: number; runs: number },
): Promise<Report> {
  const sink = startHelper<SinkJob, Sunk>('overhead/sink.ts');
  stopSteps.push(() => sink.stop());
  const pairs = pairsWith((await sink.run('listen')).answer.url);
  const rounds = new Map<string, Round[]>();
  for (const pair of pairs) await measure(pair, runs, seconds, { testbed, sink }, rounds);
  return { tables: tablesOf(pairs, rounds), data: Object.fromEntries(rounds) };
}

async function measure(
  pair: Pair,
  runs: number,
  seconds: number,
  surroundings: Surroundings,
  rounds: Map<string, Round[]>,
): Promise<void> {
  const { testbed } = surroundings;
  const apis = { with: await testbed.startApi(pair.with), without: await testbed.startApi(pair.without) };
  for (const api of [apis.with, apis.without]) await place(api, caseOf('spread'), WARM_UP_SECONDS, testbed);
  for (let run = 0; run < runs; run++) {
    for (const shape of SHAPES) {
      const round = await takeRound(apis, run % 2 === 0 ? 'with' : 'without', shape, seconds, surroundings);
      const ratio = rateOf(round.with) / rateOf(round.without);
      console.log(`${pair.what}, ${shape}: ${figure(ratio, 3)} of the orders/s without`);
      rounds.set(keyOf(pair, shape), [...(rounds.get(keyOf(pair, shape)) ?? []), round]);
    }
  }
  await Promise.all([apis.with.stop(), apis.without.stop()]);
}
