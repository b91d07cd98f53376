import type { ConsumeMessage, Options } from 'amqplib';
import { UnreadableMessage } from '../../broker';
import { readTraceparent } from '../../../observability/spans';
import type { Message } from '../../message';

/** What a message is on the wire: the payload as JSON, everything about it in properties and headers. */
export function toWire(message: Message & { dueAtMs?: number }): { body: Buffer; options: Options.Publish } {
  const { messageId, type, vendorId, subject, attempt, traceparent, payload, dueAtMs } = message;
  return {
    body: Buffer.from(JSON.stringify(payload)),
    options: {
      persistent: true,
      mandatory: true,
      messageId,
      type,
      contentType: 'application/json',
      headers: {
        vendorId,
        subject,
        attempt,
        ...(traceparent !== null && { traceparent }),
        ...(dueAtMs !== undefined && { dueAtMs: Math.round(dueAtMs) }),
      },
    },
  };
}

/** Throws `UnreadableMessage` for anything that we did not write. */
export function fromWire({ content, properties }: ConsumeMessage, vendorId: string): Message {
  const { messageId, type } = properties as { messageId: unknown; type: unknown };
  const { subject, attempt, traceparent } = (properties.headers ?? {}) as Record<string, unknown>;
  if (!isText(type)) throw new UnreadableMessage('it has no type');
  if (!isText(messageId)) throw new UnreadableMessage('it has no messageId');
  if (!isText(subject)) throw new UnreadableMessage('it has no subject');
  return {
    messageId,
    type,
    vendorId,
    subject,
    payload: parse(content),
    traceparent: readTraceparent(traceparent),
    attempt: typeof attempt === 'number' && attempt >= 1 ? attempt : 1,
  };
}

/** Since 1970, by the database's clock; undefined where somebody else, or an earlier release, has published it. */
export function dueAtMsOf({ properties }: ConsumeMessage): number | undefined {
  const { dueAtMs } = (properties.headers ?? {}) as Record<string, unknown>;
  return typeof dueAtMs === 'number' ? dueAtMs : undefined;
}

function parse(content: Buffer): Record<string, unknown> {
  let payload: unknown;
  try {
    payload = JSON.parse(content.toString('utf8'));
  } catch (cause) {
    throw new UnreadableMessage('its body is not JSON', { cause });
  }
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    throw new UnreadableMessage('its body is not a JSON object');
  }
  return payload as Record<string, unknown>;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
