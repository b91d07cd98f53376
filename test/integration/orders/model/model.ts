import { closingProblems, drain } from './closing';
import type { History } from './history';
import { Mail } from './mail';
import { playRound } from './play';
import { type RuleName, rules } from './rules';
import { takeSnapshot } from './snapshot';
import type { Stage } from './stage';
import { World } from './world';

const CLOSING = 'everything ends as the model adds it up';

/** What can be watched: what holds after every round, and how a history ends. */
export const watchable = [...(Object.keys(rules) as RuleName[]), CLOSING] as const;
export type Watchable = (typeof watchable)[number];

/** A history in which a rule was broken. */
export class Violation extends Error {
  constructor(
    readonly rule: Watchable,
    problems: string[],
  ) {
    super([`${rule}:`, ...problems].join('\n  '));
  }
}

/** Plays a history from its first stock to its last message, and checks after every round. Throws `Violation`. */
export async function playHistory(
  stage: Stage,
  history: History,
  watched: readonly Watchable[] = watchable,
): Promise<void> {
  await stage.set(history);
  const world = new World(stage.vendors);
  const mail = new Mail();
  let before = await takeSnapshot(stage.app.dataSource);
  for (const round of history.rounds) {
    const played = await playRound(stage, mail, round, before);
    world.learn(played);
    for (const name of Object.keys(rules) as RuleName[]) {
      const problems = watched.includes(name) ? rules[name](played, world) : [];
      if (problems.length > 0) throw new Violation(name, problems);
    }
    before = played.after;
  }
  await drain(stage, mail);
  const problems = watched.includes(CLOSING) ? await closingProblems(stage) : [];
  if (problems.length > 0) throw new Violation(CLOSING, problems);
}
