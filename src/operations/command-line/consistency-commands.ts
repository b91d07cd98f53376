import type { Command } from 'commander';
import { ExitCode } from './exit-codes';
import type { Desk } from './session';
import { type Column, listText } from './table';

interface Violation {
  invariant: string;
  productId?: string;
  orderId?: string;
  expected: unknown;
  found: unknown;
}

interface Count {
  ok: boolean;
  checkedAt: string;
  violations: Violation[];
}

const COLUMNS: Column<Violation>[] = [
  ['invariant', ({ invariant }) => invariant],
  ['product', ({ productId }) => productId],
  ['order', ({ orderId }) => orderId],
  ['expected', ({ expected }) => expected],
  ['found', ({ found }) => found],
];

export function consistencyCommands(program: Command, desk: Desk): void {
  desk.does<{ fresh?: boolean }>(
    program
      .command('consistency')
      .description('what must always be true, and whether it is')
      .option('--fresh', 'count everything now; may take seconds'),
    async ({ api, screen }, _, { fresh }) => {
      const count = await api.get<Count>('/v1/consistency', { fresh });
      const { ok, checkedAt, violations } = count;
      const sentence = ok
        ? `Everything adds up (${checkedAt}).`
        : `Violated (${checkedAt}):\n${listText(violations, COLUMNS)}`;
      screen.tell(sentence, count);
      return ok ? ExitCode.done : ExitCode.found;
    },
  );
}
