import { checkBooks } from './books';
import { checkCalls } from './calls';
import { checkCalm } from './calm';
import { checkClients } from './clients';
import type { Evidence, Violation } from './evidence';
import { checkPoison } from './poison';
import { checkProcesses } from './processes';
import { checkStates } from './states';
import { checkStock } from './stock';

const CHECKS = [checkClients, checkBooks, checkCalls, checkStock, checkStates, checkCalm, checkPoison, checkProcesses];

/** Every breach of what is always true; each check is proved by a planted one in checker.test.ts. */
export function check(evidence: Evidence): Violation[] {
  return CHECKS.flatMap((each) => each(evidence));
}
