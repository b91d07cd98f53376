import {
  type History,
  PRODUCTS,
  type PurchaseTrick,
  type Round,
  type Step,
  type Tricks,
  type VendorId,
} from './history';

type SyncStep = Extract<Step, { kind: 'sync' }>;

/** A history written by hand: rounds of nothing but steps, in which everybody answers, or with changes to that. */
export function historyOf(
  stock: Record<string, number>,
  ...rounds: (Step[] | ({ steps: Step[] } & Partial<Round>))[]
): History {
  const none = Object.fromEntries(PRODUCTS.map((productId) => [productId, 0]));
  const plain = (): Tricks => ({ purchase: [], lookUp: [], cancel: [] });
  return {
    stock: { ...none, ...stock },
    rounds: rounds.map((round) => ({
      tricks: { north: plain(), south: plain() },
      ticks: [],
      down: null,
      timePasses: false,
      ...(Array.isArray(round) ? { steps: round } : round),
    })),
  };
}

export const place = (
  quantity: number,
  process: 0 | 1 = 0,
  key: string | null = null,
  productId = 'north:A',
): Step => ({
  kind: 'place',
  line: { productId, quantity },
  key,
  process,
});

export const checkOut = (skus: string[], process: 0 | 1): Step => ({
  kind: 'checkOut',
  lines: skus.map((sku) => ({ productId: `north:${sku}`, quantity: 1 })),
  key: null,
  process,
});

export const dispatch: Step = { kind: 'dispatch', message: 0 };

export const cancel: Step = { kind: 'cancel', order: 0 };

export const publish = (vendorId: VendorId = 'north'): Step => ({ kind: 'publish', vendorId });

export const restock = (quantity: number, productId = 'north:A'): Step => ({ kind: 'restock', productId, quantity });

export const leave = (productId = 'north:A'): Step => ({ kind: 'list', productId, listed: false });

export const comeBack = (productId = 'north:A'): Step => ({ kind: 'list', productId, listed: true });

/** Fresh, and what changed will do, unless it says otherwise. */
export const sync = (asked: Partial<SyncStep> = {}): Step => ({
  kind: 'sync',
  vendorId: 'north',
  feed: 'fresh',
  complete: false,
  steals: false,
  ...asked,
});

/** A millisecond later, for all vendors. */
export const later = (...steps: Step[]) => ({ steps, ticks: ['north' as const, 'south' as const] });

export const playing = (trick: PurchaseTrick, ...steps: Step[]) => ({
  steps,
  tricks: { north: { purchase: [trick], lookUp: [], cancel: [] }, south: { purchase: [], lookUp: [], cancel: [] } },
});
