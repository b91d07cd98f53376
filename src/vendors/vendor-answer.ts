import { storableText } from '../database/storable';
import {
  type Accepted,
  type CallHealth,
  type CancelAnswer,
  type NotSent,
  type RefusalReason,
  type Refused,
  type Unknown,
  VendorCallFailed,
} from './vendor-adapter';
import { type AnswerHead, CannotCall, NoAnswer, type VendorResponse } from './vendor-http';

/** Reading vendors' answers in the way all dialects share: what is not understood is not known, and never guessed. */

export const ORDER_ANSWER_BYTES_MAX = 64 * 1024;
const VENDOR_ORDER_ID_LENGTH_MAX = 200;
const DETAIL_LENGTH_MAX = 300;
const ETAG_LENGTH_MAX = 500;
/** An order's vendor that asks for longer than this is asked again all the same. */
const RETRY_AFTER_MS_MAX = 3_600_000;

export type Fields = Record<string, unknown>;

/** What an order's call came to. Where there was no whole answer, it is not known what the vendor did. */
export async function orderAnswer<Answer>(
  call: Promise<VendorResponse>,
  read: (response: VendorResponse) => Answer,
): Promise<Answer | Unknown> {
  try {
    return read(await call);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return { outcome: 'unknown', detail: plain(error.message), health: healthAfter(error) };
  }
}

/** The same for a purchase, where it matters whether it ever left us. */
export async function purchaseAnswer<Answer>(
  call: Promise<VendorResponse>,
  read: (response: VendorResponse) => Answer,
): Promise<Answer | Unknown | NotSent> {
  try {
    return read(await call);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    const detail = plain(error.message);
    return { outcome: error.notSent ? 'not_sent' : 'unknown', detail, health: healthAfter(error) };
  }
}

/** Every dialect deletes by the same statuses; `codeMember` is where it says why not. */
export function cancelAnswer(response: VendorResponse, codeMember: string): CancelAnswer {
  switch (response.status) {
    case 204:
      return { outcome: 'cancelled' };
    case 404:
      return notFound(response, codeMember);
    case 409:
      return { outcome: 'too_late' };
    // Whoever takes no cancellations at all is too late for each. An ingress may say the same to everything: what its books
    // are asked next tells the two apart, and so this says nothing of its health.
    case 405:
    case 501:
      return { outcome: 'too_late', health: 'unsaid' };
    default:
      return notKnown(response, codeMember);
  }
}

/** A `404` without the dialect's own code is no evidence: whatever stands before the vendor answers so, too. */
export function notFound(response: VendorResponse, codeMember: string): { outcome: 'not_found' } | Unknown {
  if (hasCode(response, codeMember)) return { outcome: 'not_found' };
  const unknown = notKnown(response, codeMember);
  return { ...unknown, detail: `${unknown.detail} without a ${codeMember}, which may not be its own word` };
}

/**
 * At the end of what it says: a vendor that keeps whole seconds may have accepted it in any millisecond of that one, and a
 * listing of half past it may not contain the order.
 */
export function acceptedAs(vendorOrderId: unknown, acceptedAt: unknown): Accepted | undefined {
  const at = endOf(acceptedAt);
  if (typeof vendorOrderId !== 'string' || vendorOrderId === '' || !at) return undefined;
  if (vendorOrderId.length > VENDOR_ORDER_ID_LENGTH_MAX) return undefined;
  // The same each time it is read, whatever is in it: its look-ups are compared with what was stored.
  return { outcome: 'accepted', vendorOrderId: plain(vendorOrderId), acceptedAt: at };
}

/** A refusal without a code is none: a proxy may have written it. */
export function refusedFor(
  code: unknown,
  message: unknown,
  reasons: ReadonlyMap<string, RefusalReason>,
): Refused | undefined {
  if (typeof code !== 'string' || code === '') return undefined;
  const detail = plain(typeof message === 'string' ? `${code}: ${message}` : code);
  return { outcome: 'refused', reason: reasons.get(code) ?? 'REFUSED', detail };
}

export function unreadable({ status, shown }: VendorResponse): Unknown {
  const detail = `answered ${status} with a body we cannot read: ${plain(shown)}`;
  return { outcome: 'unknown', detail, health: healthBy(status) };
}

export function notKnown(response: VendorResponse, codeMember: string): Unknown {
  const { status } = response;
  const asked = retryAfterMs(response);
  return {
    outcome: 'unknown',
    detail: `answered ${status}`,
    ...(asked !== undefined && { retryAfterMs: Math.min(asked, RETRY_AFTER_MS_MAX) }),
    ...(status === 429 && { rateLimited: true }),
    health: isOwnWord(response, codeMember) ? 'well' : healthBy(status),
  };
}

/** Of us, and not of this order, whoever says it. */
const ABOUT_US = [401, 403, 407];

/** The vendor's own program finds fault with this order, and so is well. */
function isOwnWord(response: VendorResponse, codeMember: string): boolean {
  const { status } = response;
  return status >= 400 && status < 500 && !ABOUT_US.includes(status) && status !== 429 && hasCode(response, codeMember);
}

function hasCode({ text }: VendorResponse, codeMember: string): boolean {
  const code = fieldsIn(text)?.[codeMember];
  return typeof code === 'string' && code.trim() !== '';
}

/** A poll was answered by a status it cannot go on with. */
export function pollRefused({ status }: AnswerHead): VendorCallFailed {
  return new VendorCallFailed(`stock: answered ${status}`, { health: healthBy(status) });
}

/**
 * What an answer that we cannot use says of the vendor's health. A 4xx may be about this one order; where nothing else is
 * answered, it is a door that is shut.
 */
export function healthBy(status: number): CallHealth {
  if (status === 429) return 'unsaid';
  return status >= 400 && status < 500 ? 'turnedAway' : 'failing';
}

export function healthAfter(error: NoAnswer): CallHealth {
  return error instanceof CannotCall ? 'unsaid' : 'failing';
}

/** `Retry-After` in seconds, or as a date, which is compared with the vendor's own `Date` and not with our clock. */
export function retryAfterMs({ headers }: AnswerHead): number | undefined {
  const text = String(headers['retry-after'] ?? '').trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.parse(String(headers['date'] ?? ''));
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}

/** A validator we can store and send back, or none. */
export function etagOf({ headers }: AnswerHead): string | null {
  const { etag } = headers;
  return typeof etag === 'string' && etag.length <= ETAG_LENGTH_MAX && /^[\x20-\x7e]+$/.test(etag) ? etag : null;
}

/** The JSON object in a text, if it is one. */
export function fieldsIn(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

/** With its offset, for without it a time means another moment in every time zone. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/** Cut to milliseconds, as JavaScript does by itself. */
export function timeOf(value: unknown): Date | undefined {
  if (typeof value !== 'string' || !TIME.test(value)) return undefined;
  const time = new Date(value);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** The last millisecond that the time, as finely as it was written, may mean. */
function endOf(value: unknown): Date | undefined {
  const time = timeOf(value);
  const [, seconds, fraction = ''] = TIME.exec(String(value)) ?? [];
  const grainMs = seconds === undefined ? 60_000 : 1000 / 10 ** Math.min(3, Math.max(0, fraction.length - 1));
  return time && new Date(time.getTime() + grainMs - 1);
}

/** Rows of one page at most, whatever was asked for: a vendor that does not page gives all it has at once. */
const PAGE_ROWS_MAX = 100_000;

/** The rows of a page of stock. Throws `VendorCallFailed`. */
export function itemsIn({ items }: Fields): unknown[] {
  if (!Array.isArray(items)) throw new VendorCallFailed('stock: items is not a list');
  if (items.length > PAGE_ROWS_MAX) throw new VendorCallFailed(`stock: more than ${PAGE_ROWS_MAX} items on a page`);
  return items;
}

/** What a vendor wrote, safe to store, to log and to show. */
export function plain(text: string): string {
  return storableText(text, DETAIL_LENGTH_MAX);
}
