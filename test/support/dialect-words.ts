import type { ScriptedAnswer } from './scripted-vendor';

export interface ListedWords {
  sku: string;
  name?: string;
  quantity?: unknown;
  price?: unknown;
}

/** How a dialect says the same, for a scripted vendor. */
export interface DialectWords {
  listing(rows: ListedWords[]): ScriptedAnswer;
  referenceIn(body: unknown): string;
  accepted(reference: string, vendorOrderId: string): object;
  /** Answer to a purchase, with 409. */
  refused(code: string, message: string): object;
  /** Answer to a look-up. */
  rejected(reference: string, code: string, message: string): object;
}

const AS_OF = '2030-01-31T12:00:00Z';

export const DIALECTS: Record<string, DialectWords> = {
  rest: {
    listing: (rows) => {
      const items = rows.map(({ sku, name = 'x', quantity = 1000, price = '1.00' }) => ({
        sku,
        name,
        quantity,
        price,
      }));
      return { status: 200, body: { asOf: AS_OF, items, nextCursor: null } };
    },
    referenceIn: (body) => (body as { reference: string }).reference,
    accepted: (_, vendorOrderId) => ({ vendorOrderId, acceptedAt: AS_OF }),
    refused: (code, message) => ({ code, message }),
    rejected: (_, code, message) => ({ status: 'refused', code, message }),
  },
  wholesale: {
    listing: (rows) => {
      const items = rows.map(({ sku, name = 'x', quantity = 1000, price = 100 }) => ({
        item_number: sku,
        description: name,
        on_hand: quantity,
        price_cents: price,
      }));
      const head = { as_of: AS_OF, sequence: 1, page: 1, total_pages: 1, total_items: items.length };
      return { status: 200, body: { ...head, items } };
    },
    referenceIn: (body) => (body as { po_number: string }).po_number,
    accepted: (reference, vendorOrderId) => ({
      po_number: reference,
      state: 'confirmed',
      confirmation_number: vendorOrderId,
      confirmed_at: AS_OF,
    }),
    refused: (code, message) => ({ error: code, message }),
    rejected: (reference, code, message) => ({ po_number: reference, state: 'rejected', error: code, message }),
  },
  feed: {
    listing: (rows) => {
      const lines = rows.map(({ sku, name = 'x', quantity = 1000, price = '1.00' }) => ({
        id: sku,
        title: name,
        available: quantity,
        price,
      }));
      const all = [{ asOf: AS_OF }, ...lines, { end: true, count: lines.length }];
      return { status: 200, body: all.map((line) => `${JSON.stringify(line)}\n`).join('') };
    },
    referenceIn: (body) => (body as { orderRef: string }).orderRef,
    accepted: (reference, orderNumber) => ({ orderRef: reference, state: 'accepted', orderNumber, acceptedAt: AS_OF }),
    refused: (code, message) => ({ state: 'rejected', reason: code, message }),
    rejected: (reference, code, message) => ({ orderRef: reference, state: 'rejected', reason: code, message }),
  },
};
