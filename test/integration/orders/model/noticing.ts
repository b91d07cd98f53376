import fc from 'fast-check';
import type { History } from './history';
import { playHistory, Violation, type Watchable } from './model';
import type { Plant } from './plants';
import { histories } from './random-histories';
import { Stage } from './stage';

const SEED = 20_260_101;
/** More than enough for each to be found. */
const RUNS = 100;

/** A bug, and a history in which nothing is wrong without it. */
export type Control = [bug: string, plant: Plant, caughtBy: Watchable, history: History];

/** A bug that random histories come upon. */
export type Found = [bug: string, plant: Plant, caughtBy: Watchable];

/** Tests that the model is not blind. Each looks at one rule only, so that it is this rule that catches the bug. */
export function describeWhatIsNoticed(controls: Control[], found: Found[]): void {
  describe('the model notices', () => {
    let stage: Stage;

    beforeAll(async () => {
      stage = await Stage.build();
    });

    afterEach(() => jest.restoreAllMocks());

    afterAll(() => stage.takeDown());

    it.each(controls)('that %s', async (_, plant, rule, history) => {
      await playHistory(stage, history);
      plant(stage);
      await expect(playHistory(stage, history, [rule])).rejects.toMatchObject({ rule });
    });

    it.each(found)('by random histories, that %s', async (_, plant, rule) => {
      plant(stage);
      const property = fc.asyncProperty(histories, (history) => playHistory(stage, history, [rule]));
      const { failed, errorInstance } = await fc.check(property, { seed: SEED, numRuns: RUNS, endOnFailure: true });
      expect(failed).toBe(true);
      expect(errorInstance).toBeInstanceOf(Violation);
      expect(errorInstance).toMatchObject({ rule });
    });
  });
}
