import { cancel, checkOut, dispatch, historyOf, place, playing } from './model/by-hand';
import { type Control, describeWhatIsNoticed, type Found } from './model/noticing';
import * as plants from './model/plants';

const controls: Control[] = [
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

const found: Found[] = [
  ['the guard sells one more than is left', plants.sellingOneMoreThanIsLeft, 'nothing is oversold'],
  ['silence is taken for a refusal', plants.takingSilenceForRefusal, 'the books agree with what is decided'],
];

describeWhatIsNoticed(controls, found);
