/** One thing that happened to a product within a round; all of a round's may have come in any order. */
export type Event =
  /** So many were granted, and so many could be sold before. */
  | { kind: 'granted'; quantity: number; available: number }
  /** More was asked for than the so many that could be sold. */
  | { kind: 'refused'; available: number }
  /** So many fitted, in a checkout that was refused for another product. */
  | { kind: 'fitted'; quantity: number }
  /** A counted hold was freed. */
  | { kind: 'released'; quantity: number }
  /** An acceptance was recorded that a listing contained already, or contained by the time the round was over. */
  | ({ kind: 'settled' } & Acknowledged)
  /** A listing was applied, together with the holds it settled; `optional`: it may have been lost to another. */
  | { kind: 'listed'; vendorQuantity: number; asOfMs: number; settles: Acknowledged[]; optional: boolean };

export interface Acknowledged {
  quantity: number;
  /** Milliseconds, vendor's clock, its margin added: a later listing contains it. */
  countedUntilMs: number;
}

/** What is counted of a product at one moment. */
export interface Counted {
  vendorQuantity: number;
  reserved: number;
}

interface State extends Counted {
  /** The latest listing that speaks for the product. */
  knownUntilMs: number;
  /** Events that happened, as bits. */
  done: number;
  /** Acknowledged holds that a listing has settled, as bits of the first `listed` event's list. */
  settled: number;
}

/**
 * Whether some order of the events leads from the one state to the other, each event true when it comes: a search for a
 * linearisation (Wing and Gong, "Testing and Verifying Concurrent Objects", 1993), product by product. So a checkout's
 * lines may come apart here; that it is all or nothing is another rule's business.
 */
export function isExplained(
  before: Counted & { knownUntilMs: number },
  events: readonly Event[],
  after: Counted,
): boolean {
  const required = events.reduce((bits, event, index) => bits | (isOptional(event) ? 0 : 1 << index), 0);
  const seen = new Set<string>();
  const open: State[] = [{ ...before, done: 0, settled: 0 }];
  for (let state = open.pop(); state; state = open.pop()) {
    const { vendorQuantity, reserved, done } = state;
    const ended = (done & required) === required;
    if (ended && vendorQuantity === after.vendorQuantity && reserved === after.reserved) return true;
    for (const [index, event] of events.entries()) {
      const next = (done & (1 << index)) === 0 ? step(state, event) : undefined;
      if (!next) continue;
      next.done |= 1 << index;
      const name = Object.values(next).join();
      if (!seen.has(name)) open.push(next);
      seen.add(name);
    }
  }
  return false;
}

function step(state: State, event: Event): State | undefined {
  const sellable = Math.max(0, state.vendorQuantity - state.reserved);
  switch (event.kind) {
    case 'granted':
      if (event.available !== sellable || event.quantity > sellable) return undefined;
      return { ...state, reserved: state.reserved + event.quantity };
    case 'refused':
      return event.available === sellable ? { ...state } : undefined;
    case 'fitted':
      return event.quantity <= sellable ? { ...state } : undefined;
    case 'released':
      return { ...state, reserved: state.reserved - event.quantity };
    case 'settled':
      if (state.knownUntilMs <= event.countedUntilMs) return undefined;
      return { ...state, reserved: state.reserved - event.quantity };
    case 'listed':
      return list(state, event);
  }
}

function list(state: State, { vendorQuantity, asOfMs, settles }: Extract<Event, { kind: 'listed' }>): State {
  const next = { ...state, vendorQuantity, knownUntilMs: Math.max(state.knownUntilMs, asOfMs) };
  for (const [index, { quantity, countedUntilMs }] of settles.entries()) {
    if (next.settled & (1 << index) || countedUntilMs >= asOfMs) continue;
    next.settled |= 1 << index;
    next.reserved -= quantity;
  }
  return next;
}

function isOptional(event: Event): boolean {
  return event.kind === 'listed' && event.optional;
}
