import { type Span, SpanKind } from '@opentelemetry/api';
import { beginSpan, failed, inSpan, traceparentBelow } from '../observability/spans';
import type { Outcome } from './delivery';
import type { Message } from './message';

/** What carries messages, in the words of OpenTelemetry's conventions. */
type System = 'rabbitmq' | 'holdfast';

/** A message on its way to the broker: below what has caused it, as everything that comes of it is. */
export function publishing(message: Message, destination: string): Span {
  return beginSpan(`publish ${destination}`, message.traceparent, {
    kind: SpanKind.PRODUCER,
    attributes: attributesOf(message, 'rabbitmq', 'send', destination),
  });
}

/**
 * Deals with a message in a span of its own, from its delivery until it is settled or let go, however often it is tried. A
 * message that is in no trace yet begins one, and takes it along.
 */
export function processing(
  message: Message,
  { system, destination }: { system: System; destination: string },
  deal: (message: Message) => Promise<Outcome>,
): Promise<Outcome> {
  const options = {
    parent: message.traceparent,
    kind: SpanKind.CONSUMER,
    attributes: attributesOf(message, system, 'process', destination),
  };
  return inSpan(`process ${destination}`, options, async (span) => {
    const outcome = await deal({ ...message, traceparent: message.traceparent ?? traceparentBelow(span, null) });
    span.setAttribute('holdfast.message.outcome', outcome.kind);
    if (outcome.kind === 'dead') failed(span, new Error(outcome.cause));
    return outcome;
  });
}

function attributesOf(
  { messageId, type, vendorId, subject, attempt }: Message,
  system: System,
  operation: 'send' | 'process',
  destination: string,
) {
  return {
    'messaging.system': system,
    'messaging.operation.type': operation,
    'messaging.operation.name': operation === 'send' ? 'publish' : 'process',
    'messaging.destination.name': destination,
    'messaging.message.id': messageId,
    'holdfast.message.type': type,
    'holdfast.message.attempt': attempt,
    'holdfast.vendor.id': vendorId,
    'holdfast.order.id': subject,
  };
}
