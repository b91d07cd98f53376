/** What a command's end says to the script that called it. */
export const ExitCode = {
  done: 0,
  /** Refused by the API, or what was asked for did not succeed. */
  failed: 1,
  /** A wrong call or configuration: nothing was asked. */
  usage: 2,
  /** Nobody answered, or only that it failed, or the key was not taken. */
  notAsked: 3,
  /** Done, and there is something that waits for an operator. */
  found: 4,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A wrong call that only its whole shows. */
export class WrongCall extends Error {}

/** What was asked for did not come about; the message says why. */
export class CommandFailed extends Error {}

export const EXIT_CODES = `Exit codes
  0  done
  1  refused, or what was asked for did not succeed
  2  a wrong call or configuration
  3  the API did not answer, failed (5xx), or did not take the key
  4  done, and something waits for an operator: a violation, a difference, a held sync, letters that stay open`;
