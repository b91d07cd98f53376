import type { Desk } from './desk';

/** One thing that an integration is held to. */
export interface Check {
  name: string;
  /** A sentence: what a vendor has to do. */
  expects: string;
  /** What goes wrong at Holdfast where it does not. */
  why: string;
  /** It orders, and is tried only when that was allowed. */
  buys?: true;
  run(desk: Desk): Promise<Finding>;
}

export type Finding =
  { result: 'passed' } | { result: 'failed'; asked: string; came: string } | { result: 'not tried'; because: string };

export type Verdict = Finding & Pick<Check, 'name' | 'expects' | 'why'>;

export const passed: Finding = { result: 'passed' };

export function failed({ asked, came }: { asked: string; came: string }, remark?: string): Finding {
  return { result: 'failed', asked, came: remark === undefined ? came : `${remark} (${came})` };
}

export function notTried(because: string): Finding {
  return { result: 'not tried', because };
}
