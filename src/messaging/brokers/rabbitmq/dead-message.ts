import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { ConsumeMessage } from 'amqplib';
import { UUID } from '../../../http/rules';
import type { DeadLetter } from '../../dead-letters/dead-letter.repository';

/** Of a body that is kept; ours are a hundred bytes, and a message may have 128 MiB. */
const BODY_BYTES_MAX = 16 * 1024;
/** Of any other text. */
const TEXT_LENGTH_MAX = 200;
const HEADERS_MAX = 32;
/** Nested deeper, a body is kept as text. */
const DEPTH_MAX = 16;
const VENDOR_ID = /^[a-z][a-z0-9-]{1,31}$/;

/** What is kept of a message that nobody could make sense of: whatever it holds, it can be stored, and is of bounded size. */
export function deadLetterOf(delivery: ConsumeMessage, vendorId: string | undefined, cause: string): DeadLetter {
  const { messageId, type } = delivery.properties as { messageId: unknown; type: unknown };
  const headers = ownHeaders(delivery);
  const body = bodyOf(delivery.content);
  const inBody = 'payload' in body ? body.payload['orderId'] : undefined;
  return {
    vendorId: vendorId ?? [headers['vendorId'], delivery.fields.routingKey].find(isVendorId) ?? null,
    orderId: [headers['subject'], inBody].find(isOrderId) ?? null,
    cause,
    payload: { ...headers, ...scalars({ messageId, type }), ...body },
    sourceKey: sourceKeyOf(delivery, headers),
  };
}

/**
 * The same whenever the same message is delivered, and by whichever queue: made of what its sender said, not of what the
 * broker writes on it on its way (`x-…`). Messages without an id that say the same are one.
 */
function sourceKeyOf({ content, fields, properties }: ConsumeMessage, headers: Record<string, unknown>): string {
  const { messageId, type, correlationId, appId, timestamp } = properties as unknown as Record<string, unknown>;
  const said = [
    fields.routingKey,
    scalars({ messageId, type, correlationId, appId, timestamp }),
    headers,
    content.length,
  ];
  return createHash('sha256').update(JSON.stringify(said)).update(content.subarray(0, BODY_BYTES_MAX)).digest('hex');
}

type Body = { payload: Record<string, unknown> } | { body: string; encoding: 'utf8' | 'base64'; bytes: number };

function bodyOf(content: Buffer): Body {
  const payload = content.length <= BODY_BYTES_MAX ? objectIn(content) : undefined;
  if (payload !== undefined) return { payload };
  const encoding = isUtf8(content) ? 'utf8' : 'base64';
  return { body: content.subarray(0, BODY_BYTES_MAX).toString(encoding), encoding, bytes: content.length };
}

function objectIn(content: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(content.toString('utf8'));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject && isWithin(DEPTH_MAX, value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isWithin(depth: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isWithin(depth - 1, inner));
}

function ownHeaders({ properties }: ConsumeMessage): Record<string, string | number | boolean> {
  const headers = (properties.headers ?? {}) as Record<string, unknown>;
  return scalars(Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('x-'))));
}

/** Those that are text, cut, or a number or a truth value; in one order. */
function scalars(values: Record<string, unknown>): Record<string, string | number | boolean> {
  const kept: Record<string, string | number | boolean> = {};
  for (const name of Object.keys(values).toSorted().slice(0, HEADERS_MAX)) {
    const value = values[name];
    if (typeof value === 'string') kept[name.slice(0, TEXT_LENGTH_MAX)] = value.slice(0, TEXT_LENGTH_MAX);
    if (typeof value === 'number' || typeof value === 'boolean') kept[name.slice(0, TEXT_LENGTH_MAX)] = value;
  }
  return kept;
}

const isVendorId = (value: unknown): value is string => typeof value === 'string' && VENDOR_ID.test(value);
const isOrderId = (value: unknown): value is string => typeof value === 'string' && UUID.test(value);
