import type { ChangedOrder } from '../vendor-adapter';
import { type Check, failed, type Finding, notTried, passed } from './check';
import type { Desk } from './desk';

/** Pages of one row each, of a list that others' orders make long. */
const PAGES_MAX = 50;
const PAGE_ROWS = 1000;
const NOTHING_BOUGHT = 'nothing was bought';
const NOT_OFFERED = 'the vendor lists no orders';
const DAY_MS = 86_400_000;
const LOOK_AGAIN_MS = 200;

/** The optional list of changed orders, about the order that the checks of ordering have placed; before it is cancelled. */
export const orderListChecks: Check[] = [
  {
    name: 'list-shows-order',
    expects:
      'The list of changed orders shows an accepted order under its number, once the consistency lag has passed.',
    why: 'An order that it lacks is looked up, so that a list with gaps saves nothing.',
    buys: true,
    run: listShowsOrder,
  },
  {
    name: 'list-pages',
    expects: 'Every page of one list has the same time, and shows no order twice.',
    why: 'A list that is another on each page is not read to its end, and every order is looked up.',
    buys: true,
    run: listPages,
  },
  {
    name: 'list-keeps-to-time',
    expects: 'What changed before the time that is asked for is not on the list.',
    why: 'Otherwise the whole history is read every hour.',
    buys: true,
    run: listKeepsToTime,
  },
];

export const cancelledListCheck: Check = {
  name: 'list-shows-cancelled',
  expects: 'The list of changed orders shows an order as cancelled once it is, dated by its cancellation.',
  why: 'An order that the vendor has cancelled would pass for bought.',
  buys: true,
  run: listShowsCancelled,
};

type ReadList = { orders: ChangedOrder[]; asOf: Date } | { finding: Finding };

async function listShowsOrder(desk: Desk): Promise<Finding> {
  const { bought } = desk;
  if (!bought) return notTried(NOTHING_BOUGHT);
  const { reference, answer } = bought;
  return shown(
    desk,
    'accepted',
    (row) => row.status === 'accepted' && row.vendorOrderId === answer.vendorOrderId,
    reference,
  );
}

async function listShowsCancelled(desk: Desk): Promise<Finding> {
  const { bought } = desk;
  if (!bought || !desk.cancelled) return notTried('nothing was cancelled');
  return shown(desk, 'cancelled', ({ status }) => status === 'cancelled', bought.reference);
}

/** The lag is waited for. */
async function shown(
  desk: Desk,
  status: ChangedOrder['status'],
  isSo: (row: ChangedOrder) => boolean,
  reference: string,
): Promise<Finding> {
  const until = performance.now() + desk.lagMs;
  const since = new Date(desk.bought!.answer.acceptedAt.getTime() - 1000);
  for (;;) {
    const list = await read(desk, since, PAGE_ROWS);
    if ('finding' in list) return list.finding;
    const row = list.orders.find((order) => order.reference === reference);
    if (row && isSo(row)) return passed;
    if (performance.now() > until) {
      const found = row ? `shown as ${row.status} under ${row.vendorOrderId}` : 'not on it';
      return failed(desk.last, `${reference} is ${status}, and ${found}`);
    }
    await desk.wait(LOOK_AGAIN_MS);
  }
}

async function listPages(desk: Desk): Promise<Finding> {
  if (!desk.bought) return notTried(NOTHING_BOUGHT);
  const list = await read(desk, new Date(desk.bought.answer.acceptedAt.getTime() - DAY_MS), 1);
  if ('finding' in list) return list.finding;
  const references = list.orders.map(({ reference }) => reference);
  const twice = references.find((reference, index) => references.indexOf(reference) !== index);
  return twice === undefined ? passed : failed(desk.last, `${twice} is on it twice`);
}

async function listKeepsToTime(desk: Desk): Promise<Finding> {
  const { bought } = desk;
  if (!bought) return notTried(NOTHING_BOUGHT);
  const list = await read(desk, new Date(bought.answer.acceptedAt.getTime() + DAY_MS), PAGE_ROWS);
  if ('finding' in list) return list.finding;
  const isThere = list.orders.some(({ reference }) => reference === bought.reference);
  return isThere ? failed(desk.last, `${bought.reference} changed a day before that time`) : passed;
}

async function read(desk: Desk, since: Date, limit: number): Promise<ReadList> {
  const orders: ChangedOrder[] = [];
  let place: string | null = null;
  let asOf: Date | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const page = await desk.changedOrders({ since, limit, place });
    if (page.outcome === 'not_offered' && !asOf) return { finding: notTried(NOT_OFFERED) };
    if (page.outcome !== 'page') return { finding: failed(desk.last) };
    asOf ??= page.asOf;
    if (page.asOf.getTime() !== asOf.getTime()) {
      return {
        finding: failed(
          desk.last,
          `the first page is of ${asOf.toISOString()}, this one of ${page.asOf.toISOString()}`,
        ),
      };
    }
    orders.push(...page.orders);
    place = page.next;
    if (place === null) break;
  }
  return { orders, asOf: asOf! };
}
