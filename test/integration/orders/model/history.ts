import fc from 'fast-check';

/** `north` closes references it has never seen, `south` cannot. Only what is named B is ever sold outside. */
export const VENDORS = ['north', 'south'] as const;
export type VendorId = (typeof VENDORS)[number];
export const SKUS = ['A', 'B'] as const;
export const PRODUCTS = VENDORS.flatMap((vendorId) => SKUS.map((sku) => `${vendorId}:${sku}`));
const UNKNOWN_PRODUCTS = ['north:none', 'nobody:A'];

/** What a vendor does with a purchase; without a plan it answers as its books say. */
export type PurchaseTrick =
  'answer' | 'refuse' | 'acceptThenDrop' | 'acceptThen500' | 'refuseThenDrop' | 'late' | 'fail';
export type LookUpTrick = 'answer' | 'fail';
export type CancelTrick = 'answer' | 'tooLate' | 'fail' | 'cancelThenDrop';

/** `delayed`: the books as they were when last published. `lowerBound`: the books now, with that time. */
export type Feed = 'fresh' | 'delayed' | 'lowerBound';

export interface Line {
  productId: string;
  quantity: number;
}

/** Indexes are taken modulo what there is when the round begins; with nothing there, nothing happens. */
export type Step =
  | { kind: 'place'; line: Line; key: string | null; process: 0 | 1 }
  | { kind: 'checkOut'; lines: Line[]; key: string | null; process: 0 | 1 }
  | { kind: 'cancel'; order: number }
  | { kind: 'dispatch'; message: number }
  | { kind: 'redeliver'; message: number }
  | { kind: 'sellOutside'; vendorId: VendorId; quantity: number }
  | { kind: 'restock'; productId: string; quantity: number }
  | { kind: 'publish'; vendorId: VendorId }
  | { kind: 'tick'; vendorId: VendorId }
  /** `steals`: takes the lease from a run that is under way, as if that one were dead; else it is not started. */
  | { kind: 'sync'; vendorId: VendorId; feed: Feed; steals: boolean };

export interface Tricks {
  purchase: PurchaseTrick[];
  lookUp: LookUpTrick[];
  cancel: CancelTrick[];
}

/** All steps of a round are under way at once. */
export interface Round {
  steps: Step[];
  tricks: Record<VendorId, Tricks>;
  /** Clocks that go on before it. */
  ticks: VendorId[];
  /** This vendor cannot be reached. */
  down: VendorId | null;
  /** Before it, deadlines pass, claims of the dead run out and what was late arrives. */
  timePasses: boolean;
}

export interface History {
  /** By product. */
  stock: Record<string, number>;
  rounds: Round[];
}

const STOCK_MAX = 9;
const STEPS_MAX = 14;
const ROUNDS_MAX = 9;

/** Asked for again and again with one key. */
const REPEATED_LINE: Line = { productId: PRODUCTS[0]!, quantity: 1 };

const index = fc.nat(50);
const vendor = fc.constantFrom(...VENDORS);
const process = fc.constantFrom<(0 | 1)[]>(0, 1);
const key = fc.option(fc.constantFrom('k1', 'k2', 'k3'), { freq: 2 });
const product = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...PRODUCTS) },
  { weight: 1, arbitrary: fc.constantFrom(...UNKNOWN_PRODUCTS) },
);
const line = fc.record({ productId: product, quantity: fc.integer({ min: 1, max: 3 }) });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('place'), line, key, process }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('place'),
      line: fc.constant(REPEATED_LINE),
      key: fc.constant('k1'),
      process,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('checkOut'),
      lines: fc.array(line, { minLength: 1, maxLength: 4, size: 'max' }),
      key,
      process,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('cancel'), order: index }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('dispatch'), message: index }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('redeliver'), message: index }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('sellOutside'),
      vendorId: vendor,
      quantity: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('restock'),
      productId: fc.constantFrom(...PRODUCTS),
      quantity: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('publish'), vendorId: vendor }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('tick'), vendorId: vendor }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('sync'),
      vendorId: vendor,
      feed: fc.constantFrom<Feed[]>('fresh', 'fresh', 'delayed', 'lowerBound'),
      steals: fc.constantFrom(false, false, true),
    }),
  },
);

const tricks: fc.Arbitrary<Tricks> = fc.record({
  purchase: fc.array(
    fc.constantFrom<PurchaseTrick[]>(
      'answer',
      'answer',
      'answer',
      'refuse',
      'acceptThenDrop',
      'acceptThen500',
      'refuseThenDrop',
      'late',
      'fail',
    ),
    { maxLength: 6, size: 'max' },
  ),
  lookUp: fc.array(fc.constantFrom<LookUpTrick[]>('answer', 'answer', 'fail'), { maxLength: 4, size: 'max' }),
  cancel: fc.array(fc.constantFrom<CancelTrick[]>('answer', 'answer', 'tooLate', 'fail', 'cancelThenDrop'), {
    maxLength: 3,
    size: 'max',
  }),
});

const round: fc.Arbitrary<Round> = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: STEPS_MAX, size: 'max' }),
  tricks: fc.record({ north: tricks, south: tricks }),
  ticks: fc.subarray([...VENDORS]),
  down: fc.oneof({ weight: 7, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: vendor }),
  timePasses: fc.boolean(),
});

/** Small stocks, so that the edges are hit. */
export const histories: fc.Arbitrary<History> = fc.record({
  stock: fc.record(Object.fromEntries(PRODUCTS.map((productId) => [productId, fc.nat(STOCK_MAX)]))),
  rounds: fc.array(round, { minLength: 1, maxLength: ROUNDS_MAX, size: 'max' }),
});

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
