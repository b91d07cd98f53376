import { grouped } from './grouped';
import type { Evidence, Violation } from './evidence';

/** After a minute without faults everything is decided, or waits for an operator because nobody else can decide it. */
export function checkCalm({ orders, books }: Evidence): Violation[] {
  const inBooks = grouped(books, ({ reference }) => reference);
  return orders.flatMap((order): Violation[] => {
    const { orderId, status, attentionReason, hasMessage } = order;
    if (status === 'pending' && attentionReason === null) {
      const detail = hasMessage ? 'still pending, its message waits' : 'pending, and nobody has a message about it';
      return [{ check: 'every order is decided once it is calm', harm: 'stuck', orderId, detail }];
    }
    const answer = inBooks.get(orderId)?.at(-1);
    if (attentionReason !== null && answer) {
      const detail = `${attentionReason} Yet the vendor’s books say: ${answer.status}`;
      return [{ check: 'nobody is asked what the vendor’s books answer', harm: 'stuck', orderId, detail }];
    }
    return [];
  });
}
