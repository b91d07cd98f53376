/**
 * Every wait that contains another wait, derived from the one number an operator sets. The rule, checked by a test:
 * a claim outlives the vendor call it covers by half, and a shutdown outlives the call under way.
 */
export interface TimeBudgets {
  /** Connecting to a vendor. */
  vendorConnectMs: number;
  /** Until a vendor's answer begins. */
  vendorHeadersMs: number;
  /** A whole vendor call, body included. */
  vendorTotalMs: number;
  /** How long a dispatch claim and its slot are held. */
  claimLeaseMs: number;
  /** How long a shutdown waits for what is under way. */
  shutdownGraceMs: number;
  /** How long requests are still taken after a stop has begun: longer than three probes, two seconds apart, take to fail. */
  drainMs: number;
  /** How long a stop then waits for the answers under way. */
  lastAnswersMs: number;
  /** How long it then waits for its last spans to be sent. */
  lastSpansMs: number;
  /** How long an incoming request may take to arrive whole. */
  httpRequestMs: number;
}

export function timeBudgets(vendorTimeoutMs: number): TimeBudgets {
  return {
    vendorConnectMs: Math.min(3000, Math.floor(vendorTimeoutMs / 2)),
    vendorHeadersMs: Math.floor(vendorTimeoutMs * 0.9),
    vendorTotalMs: vendorTimeoutMs,
    claimLeaseMs: vendorTimeoutMs * 1.5 + 1000,
    shutdownGraceMs: vendorTimeoutMs + 2000,
    drainMs: 8000,
    lastAnswersMs: 5000,
    lastSpansMs: 2000,
    httpRequestMs: vendorTimeoutMs + 20_000,
  };
}
