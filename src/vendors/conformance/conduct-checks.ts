import { fieldsIn, retryAfterMs } from '../vendor-answer';
import { type Check, failed, type Finding, notTried, passed } from './check';
import type { Desk } from './desk';
import type { Exchange } from './recorded-http';

/** What a body consists of that tells of an error and of nothing else. */
const WORDS_OF_ERRORS = new Set(['error', 'errors', 'fault', 'code', 'message', 'title', 'detail', 'success']);

/** How the vendor behaved in all the calls before. */
export const conductChecks: Check[] = [
  {
    name: 'credential-asked-for',
    expects: 'A call without the credential is turned away with 401 or 403.',
    why: 'Whoever knows the address could otherwise order in your customers’ name.',
    run: credentialAskedFor,
  },
  {
    name: 'answers-in-time',
    expects: 'Every call is answered whole within the time-out.',
    why: 'A call that takes longer is broken off; an order is then not known and looked up.',
    run: (desk) => each(desk, ({ answer }) => answer === null),
  },
  {
    name: 'no-redirects',
    expects: 'No call is redirected.',
    why: 'Redirects are not followed: a POST would become a GET, and a credential go elsewhere.',
    run: (desk) => each(desk, ({ answer }) => isBetween(answer?.status, 300, 399) && answer!.status !== 304),
  },
  {
    name: 'errors-have-status',
    expects: 'An error is told by its status, not in the body of a 200.',
    why: 'A 2xx is taken for success; what cannot be read in it is not known, and an order stays open.',
    run: (desk) => each(desk, isErrorInDisguise),
  },
  {
    name: 'retry-after',
    expects: 'A 429 says in Retry-After how long to wait.',
    why: 'Without it we guess, and come back too early or too late.',
    run: retryAfter,
  },
];

async function credentialAskedFor(desk: Desk): Promise<Finding> {
  if (!desk.hasCredential) return notTried('no credential was given');
  await desk.withoutCredential().catch(() => undefined);
  return [401, 403].includes(desk.last.answer?.status ?? 0) ? passed : failed(desk.last, 'without a credential');
}

async function retryAfter(desk: Desk): Promise<Finding> {
  const limited = desk.http.exchanges.filter(({ answer }) => answer?.status === 429);
  if (limited.length === 0) return notTried('the vendor never answered 429');
  const silent = limited.find(({ answer }) => retryAfterMs(answer!) === undefined);
  return silent ? failed(silent, 'without Retry-After') : passed;
}

async function each(desk: Desk, isWrong: (exchange: Exchange) => boolean): Promise<Finding> {
  const wrong = desk.http.exchanges.find(isWrong);
  return wrong ? failed(wrong) : passed;
}

function isErrorInDisguise({ answer }: Exchange): boolean {
  if (!isBetween(answer?.status, 200, 299)) return false;
  const words = Object.keys(fieldsIn(answer!.text) ?? {});
  return words.length > 0 && words.every((word) => WORDS_OF_ERRORS.has(word));
}

function isBetween(status: number | undefined, min: number, max: number): boolean {
  return status !== undefined && status >= min && status <= max;
}
