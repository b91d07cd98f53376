import type { Evidence, Violation } from './evidence';

/** What nobody can read is kept for an operator, unless its queue was deleted with it. */
export function checkPoison({ poisoned, poisonKept, queuesDeleted }: Evidence): Violation[] {
  if (queuesDeleted) return [];
  const kept = new Set(poisonKept);
  return poisoned
    .filter((mark) => !kept.has(mark))
    .map((mark) => ({
      check: 'a message that nobody can read is kept',
      harm: 'lost',
      detail: `the one marked ${mark}`,
    }));
}
