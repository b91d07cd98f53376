/**
 * One request to a vendor and its answer, and what the active faults make of it. Every dialect runs its operations in
 * here, so none of them knows a fault that is not about its own listing or its own refusal.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { SimulatedVendor } from '../catalogue';
import type { Operation } from '../fault-kinds';
import type { Faults, Strikes } from '../faults';
import type { Settings } from '../settings';
import type { Shop } from '../shop';
import type { Stockroom } from '../stockroom';
import type { Waits } from '../waits';
import { dripOut } from './drip';
import { brokenOff, LongText } from './long-text';

/** A vendor that is open for business. */
export interface OpenVendor {
  readonly profile: SimulatedVendor;
  readonly shop: Shop;
  readonly stockroom: Stockroom;
  readonly settings: Settings;
  readonly faults: Faults;
  readonly waits: Waits;
  readonly notice: (sentence: string) => void;
}

export interface Answer {
  readonly status: number;
  readonly body?: object;
  /** Instead of a body: one that is too long to be held. Its headers name its type. */
  readonly text?: LongText;
  readonly headers?: Readonly<Record<string, string>>;
  /** The answer says that the vendor has taken the order; only then can it get lost after acceptance. */
  readonly accepted?: boolean;
}

/** What differs between dialects whatever is asked. */
export interface Manners {
  /** The token a request carries, if it carries one. */
  readonly tokenIn: (request: FastifyRequest) => string | undefined;
  /** What to say to who carries none. */
  readonly asksForToken: { message: string; headers: Readonly<Record<string, string>> };
  readonly error: (status: number, code: string, message: string) => Answer;
}

type Work<Request extends FastifyRequest> = (request: Request, strikes: Strikes) => Promise<Answer>;

/** Nobody waits for these any more, so nothing else would bound them. */
const LATE_ACCEPTANCES_MAX = 10_000;
const RUBBISH = '<!doctype html><title>Welcome</title><p>It works!';

export function exchange<Request extends FastifyRequest>(
  vendor: OpenVendor,
  manners: Manners,
  operation: Operation,
  work: Work<Request>,
): (request: Request, reply: FastifyReply) => Promise<FastifyReply> {
  const strikes: Strikes = (name) => vendor.faults.strikes(name, operation);
  return async (request, reply) => {
    if (strikes('outage')) return dropConnection(reply);
    const latency = strikes('latency');
    if (latency && !(await vendor.waits.pass(latency.ms))) return dropConnection(reply);
    const turnedAway = turnAway(vendor, manners, request, strikes);
    if (turnedAway) return send(reply, turnedAway);
    const late = strikes('delayedAcceptance');
    if (late) {
      void workLater(vendor, late.ms, () => work(request, strikes));
      return dropConnection(reply);
    }
    const answer = await work(request, strikes);
    if (answer.accepted && strikes('acceptThenDrop')) return dropConnection(reply);
    if (answer.accepted && strikes('acceptThen500')) {
      return send(reply, manners.error(500, 'INTERNAL', 'Something went wrong.'));
    }
    return mangle(vendor, reply, answer, strikes);
  };
}

/** What is answered without any work being done. Faults come first: a server that is down asks for no token. */
function turnAway(
  { profile }: OpenVendor,
  { tokenIn, asksForToken, error }: Manners,
  request: FastifyRequest,
  strikes: Strikes,
): Answer | undefined {
  const busy = strikes('tooManyRequests');
  if (busy) {
    return { ...error(429, 'TOO_MANY_REQUESTS', 'Slow down.'), headers: retryAfter(busy.retryAfterSeconds) };
  }
  const failure = strikes('error5xx');
  if (failure) {
    const headers = failure.retryAfterSeconds === undefined ? {} : retryAfter(failure.retryAfterSeconds);
    return { ...error(failure.status, 'FAULT', 'The vendor has a problem, on purpose.'), headers };
  }
  if (strikes('redirect')) {
    // To a place that answers 200, so that a client which follows can be caught believing it.
    return { status: 302, headers: { location: `/${profile.vendorId}/_ledger` } };
  }
  if (profile.token !== undefined && !isSame(tokenIn(request) ?? '', profile.token)) {
    return { ...error(401, 'UNAUTHORIZED', asksForToken.message), headers: asksForToken.headers };
  }
  return undefined;
}

async function workLater(vendor: OpenVendor, ms: number, work: () => Promise<Answer>): Promise<void> {
  const { waits, profile, notice } = vendor;
  if (waits.underWay >= LATE_ACCEPTANCES_MAX) {
    notice(
      `${profile.vendorId}: lost an order that was to be accepted late; ${LATE_ACCEPTANCES_MAX} are waiting already.`,
    );
    return;
  }
  // A refusal or a bad body has nobody to be told to; the ledger has what there is to know.
  if (await waits.pass(ms)) await work().catch(() => undefined);
}

/** The work is done and the answer is right, but not what arrives. */
async function mangle(
  vendor: OpenVendor,
  reply: FastifyReply,
  answer: Answer,
  strikes: Strikes,
): Promise<FastifyReply> {
  const rubbish = strikes('unreadableBody');
  const broken = (answer.body || answer.text) && strikes('brokenOff');
  const drip = strikes('slowDrip');
  if (!rubbish && !broken && !drip) return send(reply, answer);
  const whole = rubbish ? LongText.of(RUBBISH) : textOf(answer);
  const text = broken ? brokenOff(whole, broken.keepShare) : whole;
  const status = rubbish ? 200 : answer.status;
  const headers = { 'content-type': 'application/json; charset=utf-8', ...answer.headers };
  if (!drip) return send(reply, { status, text, headers });
  reply.hijack();
  await dripOut(reply.raw, { status, headers, text }, drip.bytesPerSecond, vendor.waits);
  return reply;
}

function textOf({ body, text }: Answer): LongText {
  return text ?? LongText.of(body ? JSON.stringify(body) : '');
}

function send(reply: FastifyReply, { status, headers = {}, body, text }: Answer): FastifyReply {
  reply.code(status).headers(headers);
  if (!text) return reply.send(body);
  if (text.parts === 1) return reply.send(text.part(0));
  return reply.send(Readable.from(text.all(), { objectMode: false }));
}

function dropConnection(reply: FastifyReply): FastifyReply {
  reply.hijack();
  reply.raw.destroy();
  return reply;
}

/** The token of `Authorization: Bearer …`. */
export function bearerToken({ headers }: FastifyRequest): string | undefined {
  const [scheme, given] = (headers.authorization ?? '').split(' ');
  return scheme?.toLowerCase() === 'bearer' ? given : undefined;
}

export const ASKS_FOR_BEARER = {
  message: 'This vendor asks for its bearer token.',
  headers: { 'www-authenticate': 'Bearer' },
};

function isSame(given: string, token: string): boolean {
  return timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function retryAfter(seconds: number): Record<string, string> {
  return { 'retry-after': String(seconds) };
}
