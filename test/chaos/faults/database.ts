import type { World } from '../world/world';
import { every, type Fault, meanwhile } from './fault';

const TERMINATE_EVERY_MS = 100;
/** One at a time: where many are new at once, they are slow, and the more are caught the next time. */
const TERMINATE_ONE_EVERY_MS = 500;
const CUT_EVERY_MS = 1_500;
/** The lease of a sync that was cut lasts for seconds, however quickly the rules judge. */
const CUT_WATCHED_EVERY_MS = 4_000;
const BLACK_HOLE_MS = 4_000;
const SLOW_MS = 40;

export const databaseFaults: Fault[] = [
  {
    name: 'backends-terminated',
    what: 'database backends terminated, most of them in a statement, ten times a second',
    part: 'database',
    make: ({ database }, { durationMs, watched }) =>
      every(watched ? TERMINATE_ONE_EVERY_MS : TERMINATE_EVERY_MS, durationMs, () =>
        database.rows(
          `SELECT pg_terminate_backend(pid) FROM (
             SELECT pid FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND application_name = 'holdfast'
               AND (state <> 'idle' OR random() < 0.1)
             ORDER BY state = 'idle', random() LIMIT $1
           ) AS chosen`,
          [watched ? 1 : null],
        ),
      ),
  },
  {
    name: 'database-restarted',
    what: 'the database stopped, and started later',
    part: 'database',
    alerts: ['HoldfastErrorBudgetBurnsFast', 'HoldfastErrorBudgetBurnsSlowly', 'HoldfastSharedMetricsMissing'],
    make: ({ database }, { durationMs }) =>
      meanwhile(
        () => database.stop(),
        durationMs / 2,
        () => database.start(),
      ),
  },
  {
    name: 'database-cut',
    what: 'connections to the database cut every other second',
    part: 'database',
    perhaps: ['HoldfastPlacementSlow'],
    make: (world, { durationMs, watched }) =>
      every(watched ? CUT_WATCHED_EVERY_MS : CUT_EVERY_MS, durationMs, () =>
        wires(world).forEach((wire) => wire.cut()),
      ),
  },
  {
    name: 'database-black-hole',
    what: 'a black hole between every process and the database',
    part: 'database',
    make: (world) =>
      meanwhile(
        () => wires(world).forEach((wire) => wire.stall()),
        BLACK_HOLE_MS,
        () => wires(world).forEach((wire) => wire.resume()),
      ),
  },
  {
    name: 'network-slow',
    what: `${SLOW_MS} ms added each way to database and broker`,
    part: 'network',
    alerts: ['HoldfastPlacementSlow'],
    make: (world, { durationMs }) =>
      meanwhile(
        () => everyWire(world).forEach((wire) => wire.delay(SLOW_MS)),
        durationMs,
        () => everyWire(world).forEach((wire) => wire.delay(0)),
      ),
  },
];

function wires({ apis, workers }: World) {
  return [...apis, ...workers].map((each) => each.wires.database!);
}

function everyWire(world: World) {
  return [...wires(world), ...world.workers.map((worker) => worker.wires.broker!)];
}
