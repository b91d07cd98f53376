/** What a client asked for and everything it was told, in order. */
export interface Purchase {
  /** Undefined where the client does not repeat what it hears nothing of. */
  key: string | undefined;
  lines: { productId: string; quantity: number }[];
  results: Result[];
  /** The client asked to cancel what it had bought. */
  cancelled: boolean;
}

/**
 * `created` and `refused` are definite; `again` says to ask again and that nothing was done; of an `unknown` (a time-out,
 * a reset) nothing is known: the orders exist once or not at all.
 */
export type Result =
  | { kind: 'created'; orderIds: string[]; replayed: boolean }
  | { kind: 'refused'; status: number; code: string }
  | { kind: 'again'; status: number; code: string }
  | { kind: 'unknown'; why: string };

/**
 * Answers that ask to be asked again, and say that nothing was done. `DATABASE_UNAVAILABLE` is none: the database may
 * have gone away between doing it and saying so.
 */
const AGAIN = new Set(['IDEMPOTENCY_IN_PROGRESS', 'OVERLOADED', 'RATE_LIMITED']);

export function resultOf(answer: { status: number; code?: string; orderIds: string[]; replayed: boolean }): Result {
  const { status, code = 'none', orderIds, replayed } = answer;
  if (status === 201) return { kind: 'created', orderIds, replayed };
  // Of what failed inside us it is not known how far it came.
  if (status >= 500 && !AGAIN.has(code)) return { kind: 'unknown', why: `${status} ${code}` };
  return { kind: AGAIN.has(code) ? 'again' : 'refused', status, code };
}

export function createdIds({ results }: Purchase): string[] {
  return results.flatMap((result) => (result.kind === 'created' ? result.orderIds : []));
}

/** Whether orders may stand in the database that no answer has named. */
export function mayHaveUnnamed(purchase: Purchase): boolean {
  return createdIds(purchase).length === 0 && purchase.results.some(({ kind }) => kind === 'unknown');
}
