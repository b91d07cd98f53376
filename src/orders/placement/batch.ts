import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Config } from '../../config/config';
import type { FieldError } from '../../http/problem-types';
import { parseProductId } from '../../stock/product';
import { StockRepository } from '../../stock/stock.repository';
import { type Order, orderAsPlaced } from '../order';
import { InsufficientStock } from '../orders.errors';
import { IdempotencyRepository, type StoredAnswer } from './idempotency.repository';
import type { Settled } from './lane';
import { type GrantedOrder, PlacementRepository } from './placement.repository';
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
    private readonly idempotency: IdempotencyRepository,
    private readonly repository: PlacementRepository,
    private readonly config: Config,
  ) {}

  /** Answers each in its place, after the commit. Throws what the database throws: then none is written. */
  commit(batch: Asked[]): Promise<Settled<Placed>[]> {
    return this.dataSource.transaction(async (tx) => {
      const keys = batch.flatMap(({ key }) => key ?? []);
      const claims = keys.length === 0 ? new Map() : await this.idempotency.claim(tx, keys);
      const products = await this.stock.lockForPlacement(tx, batch.flatMap(productKeys));
      const verdicts = verdictsOn(batch, products, claims);
      const granted = batch.map((asked, index) => this.granted(asked, verdicts[index]!));
      const settled = verdicts.map((verdict, index) => settle(verdict, granted[index]!));
      const answers = batch.flatMap(({ key }, index) =>
        key && isRemembered(verdicts[index]!) ? [{ ...key, ...answerOf(settled[index]!) }] : [],
      );
      await this.repository.write(tx, granted.flat(), answers, this.config);
      return settled.map((own, index) => repeat(verdicts[index]!, settled) ?? own);
    });
  }

  private granted({ lines, client, checkoutId, traceparent }: Asked, verdict: Verdict): GrantedOrder[] {
    if (verdict.kind !== 'granted') return [];
    const { currency } = this.config;
    return lines.map(({ orderId, productId, quantity }, line) => {
      return { orderId, productId, quantity, client, checkoutId, traceparent, currency, ...verdict.grants[line]! };
    });
  }
}

function productKeys({ lines }: Asked): { vendorId: string; productId: string }[] {
  return lines.flatMap(({ productId }) => {
    const parsed = parseProductId(productId);
    return parsed ? [{ vendorId: parsed.vendorId, productId }] : [];
  });
}

function settle(verdict: Verdict, granted: GrantedOrder[]): Settled<Placed> {
  switch (verdict.kind) {
    case 'granted':
      return { result: { orders: granted.map(orderAsPlaced), replayed: false } };
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
