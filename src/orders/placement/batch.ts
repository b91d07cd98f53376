import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Config } from '../../config/config';
import type { Transaction } from '../../database/sql';
import type { FieldError } from '../../http/problem-types';
import type { OutgoingMessage } from '../../messaging/message';
import { Outbox } from '../../messaging/outbox';
import { parseProductId } from '../../stock/product';
import { StockRepository } from '../../stock/stock.repository';
import type { Order } from '../order';
import { orderPlaced } from '../order.messages';
import { type NewOrder, OrderRepository } from '../order.repository';
import { InsufficientStock } from '../orders.errors';
import { IdempotencyRepository, type StoredAnswer } from './idempotency.repository';
import type { Settled } from './lane';
import { type Asked, isRemembered, type Verdict, verdictsOn } from './verdict';

const CREATED = 201;
const CONFLICT = 409;

/** One order for each line. `replayed`: this is the first answer to the same key again. */
export interface Placed {
  orders: Order[];
  replayed: boolean;
}

/** An InsufficientStock as it is kept. */
interface RememberedRefusal {
  detail: string;
  errors: FieldError[];
}

/** Orders decided and written together, in one transaction: keys, then stock, then orders with all that follows them. */
@Injectable()
export class Batch {
  constructor(
    private readonly dataSource: DataSource,
    private readonly stock: StockRepository,
    private readonly orders: OrderRepository,
    private readonly idempotency: IdempotencyRepository,
    private readonly outbox: Outbox,
    private readonly config: Config,
  ) {}

  /** Answers each in its place, after the commit. Throws what the database throws: then none is written. */
  commit(batch: Asked[]): Promise<Settled<Placed>[]> {
    return this.dataSource.transaction(async (tx) => {
      const keys = batch.flatMap(({ key }) => key ?? []);
      const claims = keys.length === 0 ? new Map() : await this.idempotency.claim(tx, keys);
      const products = await this.stock.lockForPlacement(tx, batch.flatMap(productKeys));
      const verdicts = verdictsOn(batch, products, claims);
      const placed = await this.write(tx, batch, verdicts);
      const settled = batch.map((asked, index) => settle(asked, verdicts[index]!, placed));
      await this.remember(tx, batch, verdicts, settled);
      return settled.map((own, index) => repeat(verdicts[index]!, settled) ?? own);
    });
  }

  private async write(tx: Transaction, batch: Asked[], verdicts: Verdict[]): Promise<Map<string, Order>> {
    const granted: NewOrder[] = [];
    const messages: OutgoingMessage[] = [];
    for (const [index, { lines, client, checkoutId, traceparent }] of batch.entries()) {
      const verdict = verdicts[index]!;
      if (verdict.kind !== 'granted') continue;
      for (const [line, { orderId, productId, quantity }] of lines.entries()) {
        const grant = verdict.grants[line]!;
        granted.push({ orderId, productId, quantity, client, checkoutId, currency: this.config.currency, ...grant });
        messages.push(orderPlaced(orderId, grant.vendorId, traceparent));
      }
    }
    if (granted.length === 0) return new Map();
    await this.stock.reserve(tx, granted);
    const placed = await this.orders.insert(tx, granted);
    await this.outbox.enqueue(tx, messages);
    return new Map(placed.map((order) => [order.orderId, order]));
  }

  private async remember(
    tx: Transaction,
    batch: Asked[],
    verdicts: Verdict[],
    settled: Settled<Placed>[],
  ): Promise<void> {
    const answers = batch.flatMap(({ key }, index) =>
      key && isRemembered(verdicts[index]!) ? [{ ...key, ...answerOf(settled[index]!) }] : [],
    );
    if (answers.length > 0) await this.idempotency.store(tx, answers, this.config.idempotencyTtlHours);
  }
}

function productKeys({ lines }: Asked): { vendorId: string; productId: string }[] {
  return lines.flatMap(({ productId }) => {
    const parsed = parseProductId(productId);
    return parsed ? [{ vendorId: parsed.vendorId, productId }] : [];
  });
}

function settle({ lines }: Asked, verdict: Verdict, placed: ReadonlyMap<string, Order>): Settled<Placed> {
  switch (verdict.kind) {
    case 'granted':
      return { result: { orders: lines.map(({ orderId }) => placed.get(orderId)!), replayed: false } };
    case 'refused':
      return { error: verdict.refusal };
    case 'remembered':
      return replay(verdict.claim.remembered);
    case 'repeats':
      return { error: undefined };
  }
}

/** The answer of the earlier one with the same key in the same batch. */
function repeat(verdict: Verdict, settled: Settled<Placed>[]): Settled<Placed> | undefined {
  return verdict.kind === 'repeats' ? replay(answerOf(settled[verdict.earlier]!)) : undefined;
}

function answerOf(settled: Settled<Placed>): StoredAnswer {
  if ('result' in settled) return { status: CREATED, answer: settled.result.orders };
  const { message: detail, errors } = settled.error as InsufficientStock;
  return { status: CONFLICT, answer: { detail, errors } satisfies RememberedRefusal };
}

function replay({ status, answer }: StoredAnswer): Settled<Placed> {
  if (status === CREATED) return { result: { orders: answer as Order[], replayed: true } };
  const { detail, errors } = answer as RememberedRefusal;
  const refusal = new InsufficientStock(detail, errors);
  refusal.headers['idempotency-replayed'] = 'true';
  return { error: refusal };
}
