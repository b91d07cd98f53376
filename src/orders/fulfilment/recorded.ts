import { isTransientDatabaseError } from '../../database/database-errors';
import { patiently } from '../../database/patiently';
import { inSpan } from '../../observability/spans';

/** 3 s in all: what is not recorded then is looked up at the vendor when the claim has ended, many seconds later. */
const WAITS_MS = [100, 200, 400, 800, 1600];

/**
 * Writes down what a vendor has answered, again where the database fails for a reason that passes: the answer is in hand
 * now. `record` must bear being run once more after a commit whose answer was lost.
 */
export function recorded<Result>(record: () => Promise<Result>): Promise<Result> {
  return inSpan('record outcome', {}, () => patiently(record, WAITS_MS, isTransientDatabaseError));
}
