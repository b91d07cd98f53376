import fc from 'fast-check';
import { type History, historyOf, histories, type Step } from './model/history';
import { playHistory, Violation, type Watchable } from './model/model';
import * as plants from './model/plants';
import * as syncPlants from './model/sync-plants';
import { Stage } from './model/stage';

const SEED = 20_260_101;
/** More than enough for each to be found. */
const RUNS = 100;

const place = (quantity: number, process: 0 | 1 = 0, key: string | null = null): Step => ({
  kind: 'place',
  line: { productId: 'north:A', quantity },
  key,
  process,
});
const checkOut = (skus: string[], process: 0 | 1): Step => ({
  kind: 'checkOut',
  lines: skus.map((sku) => ({ productId: `north:${sku}`, quantity: 1 })),
  key: null,
  process,
});
const dispatch: Step = { kind: 'dispatch', message: 0 };
const cancel: Step = { kind: 'cancel', order: 0 };
const publish: Step = { kind: 'publish', vendorId: 'north' };
const restock: Step = { kind: 'restock', productId: 'north:A', quantity: 1 };
const sync = (feed: 'fresh' | 'delayed' = 'fresh'): Step => ({ kind: 'sync', vendorId: 'north', feed, steals: false });
const later = (...steps: Step[]) => ({ steps, ticks: ['north' as const] });
const playing = (trick: 'acceptThenDrop' | 'fail', ...steps: Step[]) => ({
  steps,
  tricks: { north: { purchase: [trick], lookUp: [], cancel: [] }, south: { purchase: [], lookUp: [], cancel: [] } },
});

/** The listing has what was there before an order was accepted in the same millisecond. */
const sameMillisecond = historyOf({ 'north:A': 5 }, [place(3)], [publish], [dispatch], [sync('delayed')]);

const controls: [bug: string, plants.Plant, caughtBy: Watchable, History][] = [
  [
    'the guard sells one more than is left',
    plants.sellingOneMoreThanIsLeft,
    'nothing is oversold',
    historyOf({ 'north:A': 1 }, [place(1)], [place(1)]),
  ],
  [
    'stock is read without its lock',
    plants.readingStockWithoutLock,
    'nothing is oversold',
    historyOf({ 'north:A': 3 }, [place(2, 0), place(2, 1)]),
  ],
  [
    'stock is read without its lock, though there is enough',
    plants.readingStockWithoutLock,
    'some order of events explains every answer',
    historyOf({ 'north:A': 4 }, [place(2, 0), place(2, 1)]),
  ],
  [
    'products are locked as they are asked for',
    plants.lockingInRequestOrder,
    'nothing deadlocks',
    historyOf({ 'north:A': 5, 'north:B': 5 }, [checkOut(['A', 'B'], 0), checkOut(['B', 'A'], 1)]),
  ],
  [
    'an outcome locks its order before the product',
    plants.lockingOrderBeforeProduct,
    'nothing deadlocks',
    historyOf({ 'north:A': 5 }, [place(1)], [dispatch, cancel]),
  ],
  [
    'keys are claimed in a transaction of their own',
    plants.claimingKeysInAnotherTransaction,
    'a request gets the answer it deserves',
    historyOf({ 'north:A': 5 }, [place(1, 0, 'k1'), place(1, 1, 'k1')]),
  ],
  [
    'a sync sets the reservations to nothing',
    syncPlants.resettingReservations,
    'counters are the open holds',
    historyOf({ 'north:A': 5 }, [place(2)], [restock], later(sync())),
  ],
  [
    'a sync subtracts the reservations from the listing',
    syncPlants.subtractingReservationsFromTheListing,
    'some order of events explains every answer',
    historyOf({ 'north:A': 5 }, [place(2)], [restock], later(sync())),
  ],
  [
    'what was accepted in the listing’s own millisecond is settled',
    syncPlants.settlingWithoutStrictness,
    'a hold settles only by a later listing',
    sameMillisecond,
  ],
  [
    'what was accepted in the listing’s own millisecond is settled, and sold again',
    syncPlants.settlingWithoutStrictness,
    'nothing is oversold',
    sameMillisecond,
  ],
  [
    'a listing brings a settled hold back',
    syncPlants.unsettlingHolds,
    'states only move forward',
    historyOf({ 'north:A': 5 }, [place(1)], [dispatch], later(sync()), [restock], later(sync())),
  ],
  [
    'a listing older than the stored one is believed',
    syncPlants.believingOldListings,
    'syncs end as their listings deserve',
    historyOf({ 'north:A': 5 }, [publish], later(sync()), [sync('delayed')]),
  ],
  [
    'a listing older than the stored one is believed, and what was sold comes back',
    syncPlants.believingOldListings,
    'nothing is oversold',
    historyOf({ 'north:A': 5 }, [publish], [place(3)], later(dispatch), later(sync()), [sync('delayed')]),
  ],
  [
    'silence is taken for a refusal',
    plants.takingSilenceForRefusal,
    'the books agree with what is decided',
    historyOf({ 'north:A': 5 }, [place(1)], playing('acceptThenDrop', dispatch)),
  ],
  [
    'an order is answered before its commit',
    plants.answeringBeforeTheCommit,
    'what was answered is there, and nothing else',
    historyOf({ 'north:A': 5 }, [place(1)]),
  ],
  [
    'the wish to cancel is not written down',
    plants.forgettingTheWishToCancel,
    'a cancellation gets the answer it deserves',
    historyOf({ 'north:A': 5 }, [place(1)], playing('fail', dispatch), [cancel]),
  ],
  [
    'an order is sent again that its client wants cancelled',
    plants.ignoringTheWishToCancel,
    'nothing is sent once its cancellation was asked for',
    historyOf({ 'north:A': 5 }, [place(1)], playing('fail', dispatch), [cancel], {
      steps: [dispatch],
      timePasses: true,
    }),
  ],
  [
    'a slot is never given back',
    plants.keepingSlots,
    'no slot stays taken',
    historyOf({ 'north:A': 5 }, [place(1)], [dispatch]),
  ],
  [
    'a message does not come back after a failure',
    plants.forgettingToComeBack,
    'everything ends as the model adds it up',
    historyOf({ 'north:A': 5 }, [place(1)], playing('fail', dispatch)),
  ],
];

/** Each looks at one rule only, so that it is this rule that catches the bug. */
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

  const found: [bug: string, plants.Plant, caughtBy: Watchable][] = [
    ['the guard sells one more than is left', plants.sellingOneMoreThanIsLeft, 'nothing is oversold'],
    [
      'a sync subtracts the reservations from the listing',
      syncPlants.subtractingReservationsFromTheListing,
      'some order of events explains every answer',
    ],
    [
      'what was accepted in the listing’s own millisecond is settled',
      syncPlants.settlingWithoutStrictness,
      'a hold settles only by a later listing',
    ],
    ['silence is taken for a refusal', plants.takingSilenceForRefusal, 'the books agree with what is decided'],
  ];

  it.each(found)('by random histories, that %s', async (_, plant, rule) => {
    plant(stage);
    const property = fc.asyncProperty(histories, (history) => playHistory(stage, history, [rule]));
    const { failed, errorInstance } = await fc.check(property, { seed: SEED, numRuns: RUNS, endOnFailure: true });
    expect(failed).toBe(true);
    expect(errorInstance).toBeInstanceOf(Violation);
    expect(errorInstance).toMatchObject({ rule });
  });
});
