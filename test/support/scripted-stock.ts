import type { INestApplicationContext } from '@nestjs/common';
import { NO_MARKS } from '../../src/vendors/vendor-adapter';
import type { ListedRow, ListingKind, Poll, PollMarks, PollRequest } from '../../src/vendors/vendor-adapter';
import { VendorRegistry } from '../../src/vendors/vendor-registry';

interface Options {
  kind?: ListingKind;
  marks?: PollMarks;
  rowsExpected?: number | null;
  /** Awaited before the last page. */
  before?: () => Promise<unknown>;
}

/**
 * Stock as an adapter hands it over, whatever the vendor's dialect: deltas, validators, listings without a time. The
 * vendor's orders stay with its real adapter.
 */
export class ScriptedStock {
  readonly asked: PollRequest[] = [];
  private answer: () => Poll | Promise<Poll> = () => ({ outcome: 'unchanged' });

  /** `jest.restoreAllMocks()` takes it away again. */
  constructor(context: INestApplicationContext) {
    const registry = context.get(VendorRegistry);
    const adapterOf = registry.adapterOf.bind(registry);
    const poll = (_: unknown, request: PollRequest) => {
      this.asked.push(request);
      return Promise.resolve(this.answer());
    };
    jest
      .spyOn(registry, 'adapterOf')
      .mockImplementation((vendor) => Object.assign(Object.create(adapterOf(vendor)), { poll }));
  }

  get lastAsked(): { kind: ListingKind; marks: PollMarks } {
    const { kind, marks } = this.asked.at(-1)!;
    return { kind, marks };
  }

  unchanged(): void {
    this.answer = () => ({ outcome: 'unchanged' });
  }

  answers(answer: () => Poll | Promise<Poll>): void {
    this.answer = answer;
  }

  lists(asOf: string | null, quantities: Record<string, number>, options: Options = {}): void {
    this.listsPages(asOf, [Object.entries(quantities).map(([sku, quantity]) => rowOf(sku, quantity))], options);
  }

  listsPages(asOf: string | null, pages: ListedRow[][], options: Options = {}): void {
    const { kind = 'full', marks = NO_MARKS, rowsExpected = null, before } = options;
    this.answer = () => ({
      outcome: 'listing',
      kind,
      asOf: asOf === null ? null : new Date(asOf),
      rowsExpected,
      pages: (async function* () {
        for (const [index, page] of pages.entries()) {
          if (index === pages.length - 1) await before?.();
          yield page;
        }
      })(),
      marks: () => marks,
    });
  }
}

export function rowOf(sku: string, quantity: number): ListedRow {
  return { sku, name: `Article ${sku}`, quantity, price: '10.00' };
}
