import { demoVendors } from '../../../src/simulator/simulator';

/** An entry of a vendor's ledger: what it really did. */
export interface BookEntry {
  vendorId: string;
  reference: string;
  sku: string;
  quantity: number;
  status: 'accepted' | 'cancelled' | 'refused';
  code?: string;
}

type FaultSettings = Record<string, Record<string, number | string>>;

/** The simulated vendors from behind their counters, past all wires: the independent truth. */
export class Vendors {
  readonly ids = demoVendors.map(({ vendorId }) => vendorId);

  constructor(private readonly url: string) {}

  async books(): Promise<BookEntry[]> {
    const books = await Promise.all(
      this.ids.map(async (vendorId) => {
        const answer = await fetch(`${this.url}/${vendorId}/_ledger`);
        const { items } = (await answer.json()) as { items: Omit<BookEntry, 'vendorId'>[] };
        return items.map((entry) => ({ vendorId, ...entry }));
      }),
    );
    return books.flat();
  }

  /** Of every vendor; `{}` takes them away. Each share begins its dice with the seed. */
  async faults(faults: FaultSettings): Promise<void> {
    for (const vendorId of this.ids) await this.put(`${vendorId}/_faults`, faults);
  }

  /** How often the present faults have struck so far. */
  async struck(): Promise<number> {
    const counts = await Promise.all(
      this.ids.map(async (vendorId) => {
        const active = (await (await fetch(`${this.url}/${vendorId}/_faults`)).json()) as Record<
          string,
          { fired: number }
        >;
        return Object.values(active).map(({ fired }) => fired);
      }),
    );
    return counts.flat().reduce((sum, count) => sum + count, 0);
  }

  setStock(productId: string, quantity: number): Promise<void> {
    const [vendorId, sku] = productId.split(':') as [string, string];
    return this.put(`${vendorId}/_stock/${encodeURIComponent(sku)}`, { quantity });
  }

  private async put(path: string, body: object): Promise<void> {
    const response = await fetch(`${this.url}/${path}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`);
  }
}
