import { grouped } from './grouped';
import type { Evidence, HoldState, OrderStatus, Sighting, StoredOrder, Violation } from './evidence';

const STATUSES_AFTER: Record<OrderStatus, OrderStatus[]> = {
  pending: ['completed', 'failed'],
  completed: [],
  failed: [],
};
const HOLDS_AFTER: Record<HoldState, HoldState[]> = {
  held: ['acknowledged', 'settled', 'released'],
  acknowledged: ['settled', 'released'],
  settled: ['released'],
  released: [],
};
/** Which events end an order, and how. */
const ENDS: Record<string, OrderStatus> = { completed: 'completed', failed: 'failed', cancelled: 'failed' };

/** States only move forward, as they were seen and as the events tell. */
export function checkStates({ orders, sightings }: Evidence): Violation[] {
  return [
    ...[...grouped(sightings, ({ orderId }) => orderId).values()].flatMap(checkSteps),
    ...orders.flatMap(checkStory),
  ];
}

function checkSteps(seen: Sighting[]): Violation[] {
  return seen.slice(1).flatMap((now, index) => {
    const before = seen[index]!;
    const forward = now.status === before.status || STATUSES_AFTER[before.status].includes(now.status);
    const holdForward = now.hold === before.hold || HOLDS_AFTER[before.hold].includes(now.hold);
    if (forward && holdForward) return [];
    const detail = `${before.status}/${before.hold} became ${now.status}/${now.hold}`;
    return [{ check: 'states never go back', harm: 'other' as const, orderId: now.orderId, detail }];
  });
}

function checkStory({ orderId, status, story }: StoredOrder): Violation[] {
  const tell = (check: string): Violation[] => [{ check, harm: 'other', orderId, detail: story.join(', ') }];
  const ends = story.flatMap((type, index) => (ENDS[type] ? [{ index, status: ENDS[type] }] : []));
  if (ends.length > 1) return tell('an order ends once');
  if (status !== 'pending' && ends[0]?.status !== status) return tell('an order’s events tell its end');
  if (status === 'pending' && ends.length > 0) return tell('states never go back');
  if (ends[0] && story.slice(ends[0].index).includes('sent')) return tell('nothing is sent after an order’s end');
  return [];
}
