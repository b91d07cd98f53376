import { Injectable } from '@nestjs/common';
import type { Connection, Transaction } from '../../database/sql';
import {
  DeadLetterRepository,
  type Decider,
  type OpenDeadLetter,
} from '../../messaging/dead-letters/dead-letter.repository';
import { ReplayPaceRepository } from '../../messaging/dead-letters/replay-pace.repository';
import { Outbox } from '../../messaging/outbox';
import { Revival } from '../../orders/fulfilment/revival';
import type { OrderStanding } from '../../orders/order.repository';
import { type Fate, fateOf } from './fate';

/** What becomes of each letter. */
export type Fates = ReadonlyMap<OpenDeadLetter, Fate>;

/**
 * Decides about some dead letters in one transaction. Each is decided once, under its order's lock and then its own: two
 * operators at once, or one twice, send an order once.
 */
@Injectable()
export class Decision {
  constructor(
    private readonly letters: DeadLetterRepository,
    private readonly revival: Revival,
    private readonly pace: ReplayPaceRepository,
    private readonly outbox: Outbox,
  ) {}

  /** What `take` would do, without doing it. */
  async foretell(on: Connection, letters: OpenDeadLetter[]): Promise<Fates> {
    return fatesOf(letters, await this.revival.look(on, orderIdsOf(letters)));
  }

  /** Answers the fates of those that were still open. `paced`: their messages are spread over time. */
  async take(
    tx: Transaction,
    named: Pick<OpenDeadLetter, 'deadLetterId' | 'orderId'>[],
    by: Decider,
    { paced }: { paced: boolean },
  ): Promise<Fates> {
    const orders = await this.revival.lock(tx, orderIdsOf(named));
    const fates = fatesOf(await this.letters.lockOpen(tx, idsOf(named)), orders);
    const resent = lettersOf(fates, 'resend');
    const messages = await this.revival.revive(tx, namedBy(resent, orders), by.client);
    await this.outbox.enqueue(tx, paced ? await this.pace.spread(tx, messages) : messages);
    await this.letters.decide(tx, idsOf(resent), 'replayed', by);
    await this.letters.decide(tx, idsOf(lettersOf(fates, 'dismiss')), 'dismissed', by);
    return fates;
  }
}

export function lettersOf(fates: Fates, kind: Fate['kind']): OpenDeadLetter[] {
  return [...fates].filter(([, fate]) => fate.kind === kind).map(([letter]) => letter);
}

function fatesOf(letters: OpenDeadLetter[], orders: OrderStanding[]): Fates {
  const byId = new Map(orders.map((order) => [order.orderId, order]));
  return new Map(letters.map((letter) => [letter, fateOf(letter, byId.get(letter.orderId ?? ''))]));
}

/** The letters' orders, each once, in the letters' order. */
function namedBy(letters: OpenDeadLetter[], orders: OrderStanding[]): OrderStanding[] {
  const byId = new Map(orders.map((order) => [order.orderId, order]));
  return orderIdsOf(letters).map((orderId) => byId.get(orderId)!);
}

function orderIdsOf(letters: Pick<OpenDeadLetter, 'orderId'>[]): string[] {
  return [...new Set(letters.map(({ orderId }) => orderId).filter((orderId) => orderId !== null))];
}

function idsOf(letters: Pick<OpenDeadLetter, 'deadLetterId'>[]): string[] {
  return letters.map(({ deadLetterId }) => deadLetterId);
}
