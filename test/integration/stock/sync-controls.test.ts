import {
  cancel,
  comeBack,
  dispatch,
  historyOf,
  later,
  leave,
  place,
  publish,
  restock,
  sync,
} from '../orders/model/by-hand';
import { type Control, describeWhatIsNoticed, type Found } from '../orders/model/noticing';
import * as syncing from '../orders/model/sync-plants';

const complete = sync({ complete: true });
const delayed = sync({ feed: 'delayed' });

const controls: Control[] = [
  [
    'a sync sets the reservations to nothing',
    syncing.resettingReservations,
    'counters are the open holds',
    historyOf({ 'north:A': 5 }, [place(2)], [restock(1)], later(sync())),
  ],
  [
    'a sync subtracts the reservations from the listing',
    syncing.subtractingReservationsFromTheListing,
    'some order of events explains every answer',
    historyOf({ 'north:A': 5 }, [place(2)], [restock(1)], later(sync())),
  ],
  [
    'a listing brings a settled hold back',
    syncing.unsettlingHolds,
    'states only move forward',
    historyOf({ 'north:A': 5 }, [place(1)], [dispatch], later(sync()), [restock(1)], later(sync())),
  ],
  [
    'a listing older than the stored one is believed',
    syncing.believingOldListings,
    'syncs end as their listings deserve',
    historyOf({ 'north:A': 5 }, [publish()], later(sync()), [delayed]),
  ],
  [
    'a listing older than the stored one is believed, and what was sold comes back',
    syncing.believingOldListings,
    'nothing is oversold',
    historyOf({ 'north:A': 5 }, [publish()], [place(3)], later(dispatch), later(sync()), [
      sync({ feed: 'delayed', complete: true }),
    ]),
  ],
  [
    'a feed that a cache gives out is taken for what there is now',
    syncing.takingCachedFeedsForNew,
    'nothing is oversold',
    historyOf({ 'north:A': 5 }, [place(3)], [restock(1)], [publish()], later(dispatch), later(delayed)),
  ],
  [
    'what a delta omits is taken off sale',
    syncing.takingDeltasForAll,
    'some order of events explains every answer',
    historyOf({ 'north:A': 5, 'north:B': 5 }, [restock(1)], later(sync())),
  ],
  [
    'what leaves the listing takes along what was promised of it',
    syncing.forgettingPromisesOfWhatLeft,
    'counters are the open holds',
    historyOf({ 'north:A': 5 }, [place(2)], [leave()], later(complete)),
  ],
  [
    'what comes back to the listing stays off sale',
    syncing.leavingReturnedProductsUnlisted,
    'what is listed is what the vendor lists',
    historyOf({ 'north:A': 5 }, [leave()], later(complete), [comeBack()], later(sync())),
  ],
  [
    'a sync counts what is promised in the statement that waits for the product',
    syncing.countingBeforeTheLock,
    'counters are the open holds',
    historyOf({ 'north:A': 5 }, [restock(1)], later(place(2), sync())),
  ],
  [
    'a sync locks orders before their products',
    syncing.lockingOrdersBeforeProducts,
    'nothing deadlocks',
    historyOf({ 'north:A': 5 }, [place(1)], [dispatch], later(sync(), cancel)),
  ],
];

const found: Found[] = [
  [
    'a sync subtracts the reservations from the listing',
    syncing.subtractingReservationsFromTheListing,
    'some order of events explains every answer',
  ],
];

describeWhatIsNoticed(controls, found);
