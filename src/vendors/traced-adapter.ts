import { type Span, SpanKind } from '@opentelemetry/api';
import { failed, inSpan } from '../observability/spans';
import type { Vendor } from './vendor';
import type {
  CancelAnswer,
  ChangedOrdersAnswer,
  ChangedOrdersRequest,
  LookUpAnswer,
  Poll,
  PollRequest,
  Purchase,
  PurchaseAnswer,
  VendorAdapter,
} from './vendor-adapter';

type Answer = PurchaseAnswer | LookUpAnswer | CancelAnswer | ChangedOrdersAnswer;

/**
 * An adapter whose calls about orders are told in spans, one an operation. A poll is part of its run's: a span for each of a
 * thousand pages would drown it.
 */
export class TracedAdapter implements VendorAdapter {
  constructor(private readonly adapter: VendorAdapter) {}

  get kind(): string {
    return this.adapter.kind;
  }

  poll(vendor: Vendor, request: PollRequest): Promise<Poll> {
    return this.adapter.poll(vendor, request);
  }

  purchase(vendor: Vendor, purchase: Purchase): Promise<PurchaseAnswer> {
    return told('purchase', vendor, () => this.adapter.purchase(vendor, purchase));
  }

  lookUp(vendor: Vendor, reference: string): Promise<LookUpAnswer> {
    return told('lookUp', vendor, () => this.adapter.lookUp(vendor, reference));
  }

  cancel(vendor: Vendor, reference: string): Promise<CancelAnswer> {
    return told('cancel', vendor, () => this.adapter.cancel(vendor, reference));
  }

  async changedOrders(vendor: Vendor, request: ChangedOrdersRequest): Promise<ChangedOrdersAnswer> {
    const { adapter } = this;
    if (!adapter.changedOrders) return { outcome: 'not_offered' };
    return told('changedOrders', vendor, () => adapter.changedOrders!(vendor, request));
  }
}

function told<Given extends Answer>(operation: string, vendor: Vendor, call: () => Promise<Given>): Promise<Given> {
  return inSpan(`${operation} ${vendor.vendorId}`, { kind: SpanKind.CLIENT }, async (span) => {
    const answer = await call();
    if (span.isRecording()) tell(span, operation, vendor, answer);
    return answer;
  });
}

function tell(span: Span, operation: string, { vendorId, baseUrl }: Vendor, answer: Answer): void {
  const { hostname, port, protocol } = new URL(baseUrl);
  span.setAttributes({
    'server.address': hostname,
    'server.port': Number(port) || (protocol === 'https:' ? 443 : 80),
    'holdfast.vendor.id': vendorId,
    'holdfast.vendor.operation': operation,
    'holdfast.vendor.outcome': answer.outcome,
  });
  if (answer.outcome === 'unknown' || answer.outcome === 'not_sent') failed(span, new Error(answer.detail));
}
