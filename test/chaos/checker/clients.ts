import { createdIds, mayHaveUnnamed, type Purchase } from '../history';
import type { Evidence, Violation } from './evidence';

/** What clients were told, against the database: nothing that was answered is missing, and nothing was made twice. */
export function checkClients(evidence: Evidence): Violation[] {
  return [...answeredExist(evidence), ...keysGiveOne(evidence), ...unnamedAreFew(evidence), ...answersFit(evidence)];
}

function answeredExist({ history, orders }: Evidence): Violation[] {
  const stored = new Set(orders.map(({ orderId }) => orderId));
  return [...new Set(history.flatMap(createdIds))]
    .filter((orderId) => !stored.has(orderId))
    .map((orderId) => ({
      check: 'an order that was answered 201 exists',
      harm: 'lost',
      orderId,
      detail: 'it is not in the database',
    }));
}

/** Every answer to one key names the same orders, and the key is remembered with them. */
function keysGiveOne({ history, keys }: Evidence): Violation[] {
  const remembered = new Map(keys.map((stored) => [stored.key, stored]));
  return history.flatMap((purchase): Violation[] => {
    if (purchase.key === undefined) return [];
    const named = new Set(
      purchase.results.flatMap((result) => (result.kind === 'created' ? [result.orderIds.join()] : [])),
    );
    const stored = remembered.get(purchase.key);
    if (stored?.status === 201) named.add(stored.orderIds.join());
    const check = 'a key gives one order';
    if (named.size > 1)
      return [{ check, harm: 'boughtTwice', detail: `${purchase.key} gave ${[...named].join(' and ')}` }];
    if (createdIds(purchase).length > 0 && !stored)
      return [{ check, harm: 'other', detail: `${purchase.key} was answered 201 and is not remembered` }];
    return [];
  });
}

/** Orders that no answer has named are those of which nothing was heard: each purchase's once, or not at all. */
function unnamedAreFew({ history, orders }: Evidence): Violation[] {
  const named = new Set(history.flatMap(createdIds));
  const allowed = new Map<string, number>();
  // Who has no key does not repeat, and a key makes all tries one.
  for (const { lines } of history.filter(mayHaveUnnamed)) {
    for (const line of lines) allowed.set(kindOf(line), (allowed.get(kindOf(line)) ?? 0) + 1);
  }
  return orders
    .filter(({ orderId }) => !named.has(orderId))
    .filter((order) => {
      const left = allowed.get(kindOf(order)) ?? 0;
      allowed.set(kindOf(order), left - 1);
      return left <= 0;
    })
    .map(({ orderId, productId, quantity }) => ({
      check: 'an order that no answer names was asked for by somebody who heard nothing',
      harm: 'boughtTwice',
      orderId,
      detail: kindOf({ productId, quantity }),
    }));
}

function kindOf({ productId, quantity }: Purchase['lines'][number]): string {
  return `${quantity} of ${productId}`;
}

/** The only refusal that buyers of existing products may hear is that there is not enough. */
function answersFit({ history }: Evidence): Violation[] {
  return history.flatMap(({ lines, results }) =>
    results.flatMap((result) =>
      result.kind === 'refused' && result.code !== 'INSUFFICIENT_STOCK'
        ? [
            {
              check: 'a good order is refused only for want of stock',
              harm: 'other' as const,
              detail: `${result.status} ${result.code} for ${lines.map(kindOf).join(', ')}`,
            },
          ]
        : [],
    ),
  );
}
