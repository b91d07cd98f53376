import { databaseFailure } from '../../../../src/database/database-errors';
import type { Message } from '../../../../src/messaging/message';
import { Cancellation } from '../../../../src/orders/fulfilment/cancellation';
import { Dispatch } from '../../../../src/orders/fulfilment/dispatch';
import type { Order } from '../../../../src/orders/order';
import type { PlacementContext } from '../../../../src/orders/placement/placement';
import type { Listing } from './books';
import { type Line, type Round, type Step, VENDORS, type VendorId } from './history';
import type { Mail } from './mail';
import { type PlayedSync, polls, turns } from './polls';
import { type Snapshot, takeSnapshot } from './snapshot';
import type { Stage } from './stage';

type RequestStep = Extract<Step, { kind: 'place' | 'checkOut' }>;

/** What a request to place was answered: orders, or the code and errors of its refusal. */
export interface PlacingAnswer {
  code: string;
  orders: Order[];
  replayed: boolean;
  errors: { field: string; productId?: string; requested?: number; available?: number }[];
}

export interface PlayedRequest {
  lines: Line[];
  /** With its route; null without a key. */
  keyId: string | null;
  answer: PlacingAnswer;
}

export interface PlayedCancel {
  orderId: string;
  /** `decided`, `asked`, or the code of its refusal. */
  answer: string;
}

export interface PlayedRound {
  before: Snapshot;
  after: Snapshot;
  requests: PlayedRequest[];
  cancels: PlayedCancel[];
  syncs: PlayedSync[];
  /** What vendors were polled for, by vendor. */
  served: ReadonlyMap<string, Listing[]>;
  /** References of the purchases that were sent. */
  sent: string[];
  /** This vendor could not be reached. */
  down: VendorId | null;
}

/** Plays the steps of a round at once; tells what everybody was answered, and what the database says afterwards. */
export async function playRound(stage: Stage, mail: Mail, round: Round, before: Snapshot): Promise<PlayedRound> {
  if (round.timePasses) await stage.letTimePass();
  for (const vendorId of VENDORS) stage.vendors[vendorId].tricks = structuredClone(round.tricks[vendorId]);
  for (const vendorId of round.ticks) stage.vendors[vendorId].books.tick();
  if (round.down) await stage.reach(round.down, false);
  mail.take(await stage.app.takeMessages());
  const starts = await polls(stage, round);
  const servedBefore = new Map(VENDORS.map((vendorId) => [vendorId, stage.vendors[vendorId].served.length]));
  const sentBefore = new Map(VENDORS.map((vendorId) => [vendorId, stage.vendors[vendorId].sent.length]));
  const orderIds = [...before.orders.keys()];
  const [requests, cancels, polled] = await allEnded([
    round.steps.filter((step) => step.kind === 'place' || step.kind === 'checkOut').map((step) => ask(stage, step)),
    round.steps.filter((step) => step.kind === 'cancel').map(({ order }) => cancel(stage, orderIds, order)),
    starts.map((start) => start()),
    round.steps.map((step, index) => act(stage, mail, step, index)),
  ] as const);
  if (round.down) await stage.reach(round.down, true);
  const after = await takeSnapshot(stage.app.dataSource);
  return {
    before,
    after,
    down: round.down,
    requests,
    cancels: cancels.filter((played) => played !== undefined),
    syncs: polled.filter((played) => played !== undefined),
    sent: [...sentBefore].flatMap(([vendorId, count]) => stage.vendors[vendorId].sent.slice(count)),
    served: new Map(
      [...servedBefore].map(([vendorId, count]) => [vendorId, stage.vendors[vendorId].served.slice(count)]),
    ),
  };
}

async function ask({ placements }: Stage, step: RequestStep): Promise<PlayedRequest> {
  const { key, process } = step;
  const context: PlacementContext = { client: 'shop', ...(key !== null && { idempotencyKey: key }) };
  const lines = step.kind === 'place' ? [step.line] : step.lines;
  const placement = placements[process];
  const placing =
    step.kind === 'place'
      ? placement.place(step.line, context).then(({ order, replayed }) => ({ orders: [order], replayed }))
      : placement.checkOut(lines, context);
  const answer = await placing.then(
    (placed): PlacingAnswer => ({ ...placed, code: 'CREATED', errors: [] }),
    (refusal: unknown) => refused(refusal),
  );
  return { lines, keyId: key === null ? null : `${step.kind} ${key}`, answer };
}

function refused(error: unknown): PlacingAnswer {
  const { code, errors, headers } = error as Partial<PlacingAnswer> & { headers?: Record<string, string> };
  if (code === undefined || !/^[A-Z_]+$/.test(code)) throw error;
  return { code, orders: [], errors: errors ?? [], replayed: headers?.['idempotency-replayed'] === 'true' };
}

async function cancel({ app }: Stage, orderIds: string[], index: number): Promise<PlayedCancel | undefined> {
  const orderId = orderIds[index % Math.max(1, orderIds.length)];
  if (orderId === undefined) return undefined;
  const answer = await app.context
    .get(Cancellation)
    .cancel(orderId)
    .then(
      ({ decided }) => (decided ? 'decided' : 'asked'),
      (refusal: unknown) => (databaseFailure(refusal) ? 'DATABASE_UNAVAILABLE' : refused(refusal).code),
    );
  return { orderId, answer };
}

/** Steps of the broker and of vendors; a vendor's come in the midst of the others. */
async function act(stage: Stage, mail: Mail, step: Step, index: number): Promise<void> {
  switch (step.kind) {
    case 'dispatch':
    case 'redeliver': {
      const message = step.kind === 'dispatch' ? mail.next(step.message) : mail.again(step.message);
      if (message) await deliver(stage, mail, message);
      return;
    }
    case 'sellOutside':
      await turns(stage, index);
      return stage.vendors[step.vendorId].books.sellOutside(step.quantity);
    case 'restock': {
      await turns(stage, index);
      const [vendorId, sku] = step.productId.split(':') as [VendorId, string];
      return stage.vendors[vendorId].books.restock(sku, step.quantity);
    }
    case 'list': {
      await turns(stage, index);
      const [vendorId, sku] = step.productId.split(':') as [VendorId, string];
      return stage.vendors[vendorId].books.list(sku, step.listed);
    }
    case 'publish':
      await turns(stage, index);
      return stage.vendors[step.vendorId].books.publish();
    case 'tick':
      await turns(stage, index);
      return stage.vendors[step.vendorId].books.tick();
    case 'place':
    case 'checkOut':
    case 'cancel':
    case 'sync':
      return;
  }
}

/** What the database did not let be done is delivered again. */
async function deliver({ app }: Stage, mail: Mail, message: Message): Promise<void> {
  try {
    await app.context.get(Dispatch).dispatch(message);
  } catch (error) {
    if (!databaseFailure(error)) throw error;
    mail.take([message]);
  }
}

/** Everything ends before the first failure is reported: nothing of a round runs on into the next. */
async function allEnded<Groups extends readonly (readonly Promise<unknown>[])[]>(
  groups: Groups,
): Promise<{ -readonly [Index in keyof Groups]: Awaited<Groups[Index][number]>[] }> {
  await Promise.allSettled(groups.flat());
  return Promise.all(groups.map((group) => Promise.all(group))) as never;
}
