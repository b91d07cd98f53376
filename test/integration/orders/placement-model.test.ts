import fc from 'fast-check';
import { playHistory } from './model/model';
import { histories } from './model/random-histories';
import { Stage } from './model/stage';

/** Enough for every build; `MODEL_RUNS` for a night. */
const RUNS = Number(process.env['MODEL_RUNS'] ?? 40);
/** Repeats a failure's history; how its steps interleave is up to the machine. */
const SEED = process.env['MODEL_SEED'] === undefined ? undefined : Number(process.env['MODEL_SEED']);
/** Looks for a smaller history that fails; with steps that race, that may take long. */
const SHRINK = process.env['MODEL_SHRINK'] === '1';
/** Of a history, on a slow machine. */
const RUN_MS_MAX = 3000;

describe('placement, cancellation, dispatch and sync, all at once', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.build();
  });

  afterAll(() => stage.takeDown());

  it(
    'do what a small sequential model does, whatever the order of things',
    async () => {
      const property = fc.asyncProperty(histories, (history) => playHistory(stage, history));
      await fc.assert(property, { numRuns: RUNS, endOnFailure: !SHRINK, ...(SEED !== undefined && { seed: SEED }) });
    },
    60_000 + RUNS * RUN_MS_MAX,
  );
});
