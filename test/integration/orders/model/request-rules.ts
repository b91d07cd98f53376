import { isDeepStrictEqual } from 'node:util';
import { summed } from './events';
import { PRODUCTS } from './history';
import type { PlacingAnswer, PlayedRequest, PlayedRound } from './play';
import { isRemembered, type RememberedKey, type World } from './world';

/** What is wrong with the answers a round gave to requests to place: each for itself, and those of one key together. */
export function requestProblems({ requests }: PlayedRound, { keys, keysBefore }: World): string[] {
  const problems = requests.flatMap((request) => answerProblems(request).map((problem) => said(problem, request)));
  for (const keyId of new Set(requests.map((request) => request.keyId))) {
    const same = requests.filter((request) => request.keyId === keyId);
    if (keyId === null)
      problems.push(...same.filter(isReplay).map((request) => said('replayed without a key', request)));
    else problems.push(...keyProblems(same, keysBefore.get(keyId), keys.get(keyId)));
  }
  return problems;
}

export function bodyOf({ lines }: PlayedRequest): string {
  return JSON.stringify(lines);
}

function answerProblems({ lines, keyId, answer }: PlayedRequest): string[] {
  const { code, orders, errors } = answer;
  const asked = summed(lines);
  const unknown = [...asked.keys()].filter((productId) => !PRODUCTS.includes(productId));
  const named = new Set(errors.map(({ productId }) => productId));
  switch (code) {
    case 'CREATED': {
      const placed = orders.map(({ productId, quantity }): [string, number] => [productId, quantity]);
      const oneCheckout = new Set(orders.map(({ checkoutId }) => checkoutId)).size === 1;
      return isDeepStrictEqual(placed, [...asked]) && oneCheckout ? [] : ['other orders than were asked for'];
    }
    case 'PRODUCT_NOT_FOUND':
      return unknown.length > 0 &&
        unknown.every((productId) => named.has(productId)) &&
        errors.every((error) => unknown.includes(error.productId!) || isShort(error, asked))
        ? []
        : ['names other products'];
    case 'INSUFFICIENT_STOCK':
      return unknown.length === 0 && errors.length > 0 && errors.every((error) => isShort(error, asked))
        ? []
        : ['no reason'];
    case 'IDEMPOTENCY_IN_PROGRESS':
    case 'IDEMPOTENCY_KEY_REUSED':
      return keyId === null ? ['without a key'] : [];
    default:
      return ['not an answer to expect'];
  }
}

function isShort(
  { productId, requested, available }: PlacingAnswer['errors'][number],
  asked: Map<string, number>,
): boolean {
  return requested === asked.get(productId!) && requested! > available! && available! >= 0;
}

/** `before`: what the key was answered before the round; `now`: after it. */
function keyProblems(
  same: PlayedRequest[],
  before: RememberedKey | undefined,
  now: RememberedKey | undefined,
): string[] {
  const firsts = same.filter((request) => isRemembered(request.answer) && !isReplay(request));
  if (firsts.length > (before ? 0 : 1)) return [`one key, several answers: ${JSON.stringify(same)}`];
  const waited = same.filter(({ answer }) => answer.code === 'IDEMPOTENCY_IN_PROGRESS');
  if (waited.length === same.length) return [`everybody waits for somebody else: ${JSON.stringify(same)}`];
  return same
    .filter((request) => !firsts.includes(request) && !waited.includes(request))
    .filter((request) => !deserves(request, before, now))
    .map((request) => said('not what its key deserves', request));
}

function deserves(request: PlayedRequest, before: RememberedKey | undefined, now: RememberedKey | undefined): boolean {
  const { code } = request.answer;
  // Another request leaves the key free; so it may have come before the one that is remembered.
  if (code === 'PRODUCT_NOT_FOUND') return before === undefined && now?.body !== bodyOf(request);
  if (now === undefined) return false;
  if (now.body !== bodyOf(request)) return code === 'IDEMPOTENCY_KEY_REUSED';
  return isReplay(request) && isDeepStrictEqual(repeatable(request.answer), repeatable(now.answer));
}

function repeatable({ code, orders, errors }: PlacingAnswer): unknown {
  return JSON.parse(JSON.stringify({ code, orders, errors }));
}

function isReplay({ answer }: PlayedRequest): boolean {
  return answer.replayed;
}

function said(problem: string, request: PlayedRequest): string {
  return `${problem}: ${JSON.stringify(request)}`;
}
