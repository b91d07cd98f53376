import type { Command } from 'commander';
import type { ConsistencyState } from '../consistency/consistency';
import type { Violation } from '../consistency/invariants';
import { ExitCode } from './exit-codes';
import type { Desk } from './session';
import { type Column, counted, listText } from './table';

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
      const count = await api.get<ConsistencyState>('/v1/consistency', { fresh });
      const { ok, checkedAt, violationCount, violations } = count;
      const sentence = ok
        ? `ok: everything adds up (${checkedAt}).`
        : `${counted(violationCount, 'violation')} (${checkedAt}):\n${listText(violations, COLUMNS)}`;
      screen.tell(sentence, count);
      return ok ? ExitCode.done : ExitCode.found;
    },
  );
}
