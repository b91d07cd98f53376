import { dispatch, historyOf, later, leave, place, playing, publish, restock, sync } from '../orders/model/by-hand';
import type { Watchable } from '../orders/model/model';
import { type Control, describeWhatIsNoticed, type Found } from '../orders/model/noticing';
import * as settling from '../orders/model/settling-plants';

const AT_ONCE: Watchable = 'a hold settles as soon as a listing contains it';
const LATER_ONLY: Watchable = 'a hold settles only by a later listing';

/** Of the vendor whose clocks disagree. */
const A = 'south:A';
const south = { vendorId: 'south' as const };
const complete = sync({ complete: true });

/** The listing has what was there before an order was accepted in the same millisecond. */
const sameMillisecond = historyOf(
  { 'north:A': 5 },
  [place(3)],
  [restock(1)],
  later(publish()),
  [dispatch],
  [sync({ feed: 'delayed' })],
);

const controls: Control[] = [
  [
    'what was accepted in the listing’s own millisecond is settled',
    settling.settlingWithoutStrictness,
    LATER_ONLY,
    sameMillisecond,
  ],
  [
    'what was accepted in the listing’s own millisecond is settled, and sold again',
    settling.settlingWithoutStrictness,
    'nothing is oversold',
    sameMillisecond,
  ],
  [
    'what a listing contains is subtracted twice',
    settling.settlingNothing,
    AT_ONCE,
    historyOf({ 'north:A': 5 }, [place(3)], [dispatch], later(sync())),
  ],
  [
    'a sale and a delivery cancel out, and the hold stays for ever',
    settling.settlingOnlyWhatDiffers,
    AT_ONCE,
    historyOf({ 'north:A': 5 }, [place(3)], [dispatch], [restock(3)], later(sync())),
  ],
  [
    'an answer comes after the listing that contains it, and the hold stays',
    settling.settlingBySyncsOnly,
    AT_ONCE,
    historyOf({ 'north:A': 5 }, [place(3)], playing('acceptThenDrop', dispatch), later(complete), {
      steps: [dispatch],
      timePasses: true,
    }),
  ],
  [
    'what left the listing keeps a hold that a later one contains',
    settling.forgettingHoldsOfWhatLeft,
    AT_ONCE,
    historyOf(
      { 'north:A': 5 },
      [place(2)],
      [leave()],
      later(complete),
      later(dispatch, restock(1, 'north:B')),
      later(complete),
    ),
  ],
  [
    'an answer without rows settles',
    settling.settlingByAnswersWithoutRows,
    LATER_ONLY,
    historyOf({ 'north:A': 5 }, [place(3)], [dispatch], [restock(3)], later(complete)),
  ],
  [
    'the margin of a vendor’s clock is forgotten',
    settling.forgettingTheClockMargin,
    'nothing is oversold',
    historyOf({ [A]: 5 }, [place(3, 0, null, A)], [restock(1, A)], later(publish('south')), later(dispatch), [
      sync({ ...south, feed: 'delayed' }),
    ]),
  ],
];

const found: Found[] = [
  ['what was accepted in the listing’s own millisecond is settled', settling.settlingWithoutStrictness, LATER_ONLY],
];

describeWhatIsNoticed(controls, found);
