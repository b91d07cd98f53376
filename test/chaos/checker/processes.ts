import type { Evidence, Violation } from './evidence';

/** How Node ends over an error that nobody met, and how it warns of one. */
const UNHANDLED = /unhandled ?(promise ?)?rejection|unhandled 'error' event|uncaught ?exception|MaxListenersExceeded/i;
const DEADLOCK = /deadlock detected/;

/** Nothing escaped in any process, and no two transactions waited for each other. */
export function checkProcesses({ outputs, databaseLog }: Evidence): Violation[] {
  return [
    ...outputs.flatMap(({ process, text }) =>
      linesWith(UNHANDLED, text).map((line): Violation => {
        return { check: 'no rejection is left unhandled', harm: 'other', detail: `${process}: ${line}` };
      }),
    ),
    ...linesWith(DEADLOCK, databaseLog).map((line): Violation => {
      return { check: 'no transactions deadlock', harm: 'other', detail: line };
    }),
  ];
}

function linesWith(pattern: RegExp, text: string): string[] {
  return text.split('\n').filter((line) => pattern.test(line));
}
