/**
 * One request to a vendor and its answer, and what the active faults make of it. Every dialect runs its operations in
 * here, so none of them knows a fault that is not about its own listing or its own refusal.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { SimulatedVendor } from './catalogue';
import type { Operation } from './fault-kinds';
import type { Faults, Strikes } from './faults';
import type { Shop } from './shop';
import type { Waits } from './waits';

/** A vendor that is open for business. */
export interface OpenVendor {
  readonly profile: SimulatedVendor;
  readonly shop: Shop;
  readonly faults: Faults;
  readonly waits: Waits;
  readonly notice: (sentence: string) => void;
}

export interface Answer {
  readonly status: number;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  /** The answer says that an order stands in the books; only then can it get lost after acceptance. */
  readonly accepted?: boolean;
}

type Work<Request extends FastifyRequest> = (request: Request, strikes: Strikes) => Promise<Answer>;

/** Nobody waits for these any more, so nothing else would bound them. */
const LATE_ACCEPTANCES_MAX = 10_000;
/** Timers finer than this cost more than they tell; faster drips write more than one byte at a time. */
const DRIP_PAUSE_MS_MIN = 10;
const RUBBISH = '<!doctype html><title>Welcome</title><p>It works!';

export function exchange<Request extends FastifyRequest>(
  vendor: OpenVendor,
  operation: Operation,
  work: Work<Request>,
): (request: Request, reply: FastifyReply) => Promise<FastifyReply> {
  const strikes: Strikes = (name) => vendor.faults.strikes(name, operation);
  return async (request, reply) => {
    if (strikes('outage')) return dropConnection(reply);
    const latency = strikes('latency');
    if (latency && !(await vendor.waits.pass(latency.ms))) return dropConnection(reply);
    const turnedAway = turnAway(vendor, request, strikes);
    if (turnedAway) return send(reply, turnedAway);
    const late = strikes('delayedAcceptance');
    if (late) {
      void workLater(vendor, late.ms, () => work(request, strikes));
      return dropConnection(reply);
    }
    const answer = await work(request, strikes);
    if (answer.accepted && strikes('acceptThenDrop')) return dropConnection(reply);
    if (answer.accepted && strikes('acceptThen500'))
      return send(reply, error(500, 'INTERNAL', 'Something went wrong.'));
    return mangle(vendor, reply, answer, strikes);
  };
}

/** What is answered without any work being done. Faults come first: a server that is down asks for no token. */
function turnAway(vendor: OpenVendor, request: FastifyRequest, strikes: Strikes): Answer | undefined {
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
    return { status: 302, headers: { location: `/${vendor.profile.vendorId}/_ledger` } };
  }
  if (!isAuthorised(request, vendor.profile.token)) {
    const headers = { 'www-authenticate': 'Bearer' };
    return { ...error(401, 'UNAUTHORIZED', 'This vendor asks for its bearer token.'), headers };
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
  const drip = strikes('slowDrip');
  if (!rubbish && !drip) return send(reply, answer);
  const body = rubbish ? RUBBISH : answer.body ? JSON.stringify(answer.body) : '';
  const status = rubbish ? 200 : answer.status;
  const headers = { 'content-type': 'application/json; charset=utf-8', ...answer.headers };
  if (!drip) return reply.code(status).headers(headers).send(body);
  reply.hijack();
  await dripOut(reply, status, headers, Buffer.from(body), drip.bytesPerSecond, vendor.waits);
  return reply;
}

async function dripOut(
  reply: FastifyReply,
  status: number,
  headers: Record<string, string>,
  body: Buffer,
  bytesPerSecond: number,
  waits: Waits,
): Promise<void> {
  const response = reply.raw;
  const bytesAtATime = Math.max(1, Math.round((bytesPerSecond * DRIP_PAUSE_MS_MIN) / 1000));
  if (mayHaveBody(status)) headers['content-length'] = String(body.length);
  response.writeHead(status, headers).flushHeaders();
  for (let sent = 0; mayHaveBody(status) && sent < body.length && !response.destroyed; sent += bytesAtATime) {
    if (!(await waits.pass((bytesAtATime * 1000) / bytesPerSecond))) response.destroy();
    else response.write(body.subarray(sent, sent + bytesAtATime));
  }
  response.end();
}

function send(reply: FastifyReply, answer: Answer): FastifyReply {
  return reply
    .code(answer.status)
    .headers(answer.headers ?? {})
    .send(answer.body);
}

function dropConnection(reply: FastifyReply): FastifyReply {
  reply.hijack();
  reply.raw.destroy();
  return reply;
}

export function error(status: number, code: string, message: string): Answer {
  return { status, body: { code, message } };
}

function isAuthorised(request: FastifyRequest, token: string | undefined): boolean {
  if (token === undefined) return true;
  const [scheme, given] = (request.headers.authorization ?? '').split(' ');
  return scheme?.toLowerCase() === 'bearer' && timingSafeEqual(digest(given ?? ''), digest(token));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function retryAfter(seconds: number): Record<string, string> {
  return { 'retry-after': String(seconds) };
}

function mayHaveBody(status: number): boolean {
  return status !== 204 && status !== 304;
}
