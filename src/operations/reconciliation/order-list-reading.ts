import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { UUID } from '../../http/rules';
import type { ChangedOrder, ChangedOrdersPage } from '../../vendors/vendor-adapter';
import type { Vendor } from '../../vendors/vendor';
import { type Candidate, CandidateRepository, type Place } from './candidate.repository';
import { ForgottenOrders } from './forgotten-orders';
import { ListedRepository, type ListStanding } from './listed.repository';
import { OrderComparing, type Reading } from './order-comparing';

/** The dialects' own maximum. */
const PAGE_ROWS = 1000;
/** Ten million rows; who pages for ever is stopped here. */
const PAGES_MAX = 10_000;
/** Beside what the vendor's clocks may differ by and its books may lag: its list may be as fine as seconds. */
const OVERLAP_MS = 60_000;

/** Compares our books with a vendor's list of changed orders, where it has one: a thousand orders a call. */
@Injectable()
export class OrderListReading {
  constructor(
    private readonly dataSource: DataSource,
    private readonly candidates: CandidateRepository,
    private readonly listed: ListedRepository,
    private readonly comparing: OrderComparing,
    private readonly forgotten: ForgottenOrders,
  ) {}

  /**
   * What the list and our books say alike needs no look-up any more. Everything else is looked up: a row that differs at once,
   * what the list does not show when its turn comes, since a list proves nothing by what it lacks.
   */
  async read(reading: Reading): Promise<void> {
    const { books } = reading;
    const { part, vendor } = books;
    const standing = await this.listed.standing(this.dataSource.manager, vendor);
    if (books.closed || (standing.isAbsent && part.claim.trigger === 'schedule')) return;
    const mark = await this.candidates.mark(this.dataSource.manager, vendor.vendorId);
    const since = part.claim.trigger === 'schedule' ? sinceOf(vendor, standing) : standing.firstSince;
    let until = await this.readSince(reading, since, mark);
    if (until && standing.until && until < standing.until && part.claim.trigger === 'schedule') {
      // Its clock was set back: what changed since may be dated before the time that was asked for.
      const setBackMs = (standing.readAgoMs ?? 0) + overlapMsOf(vendor);
      until = await this.readSince(reading, new Date(until.getTime() - setBackMs), mark);
    }
    if (until && !part.claim.dryRun) await part.write((tx) => this.listed.readUntil(tx, vendor, until));
  }

  /** To its end. Answers the list's time by the vendor's clock; undefined where there is none, or it could not be read. */
  private async readSince(reading: Reading, since: Date, mark: Place): Promise<Date | undefined> {
    const { books } = reading;
    const { part, vendor } = books;
    let first: ChangedOrdersPage | undefined;
    let place: string | null = null;
    for (let pages = 0; pages < PAGES_MAX; pages++) {
      books.signal.throwIfAborted();
      const page = await books.changedOrders({ since, limit: PAGE_ROWS, place });
      if (page.outcome === 'not_offered' && !first) {
        if (!part.claim.dryRun) await part.write((tx) => this.listed.absent(tx, vendor));
        return undefined;
      }
      if (page.outcome !== 'page') {
        const why = page.outcome === 'not_offered' ? 'is offered no longer' : `could not be read: ${page.detail}`;
        part.fallShort(`The list of changed orders ${why}.`);
        return undefined;
      }
      first ??= page;
      if (page.asOf.getTime() !== first.asOf.getTime()) {
        part.fallShort('The list of changed orders was not read to its end: its time changed between two pages.');
        return undefined;
      }
      await this.comparePage(reading, page.orders, mark);
      if (page.next === null) return first.asOf;
      if (page.next === place) break;
      place = page.next;
    }
    part.fallShort('The list of changed orders was not read to its end: it never ends.');
    return undefined;
  }

  private async comparePage(reading: Reading, listed: ChangedOrder[], mark: Place): Promise<void> {
    const { part, vendor } = reading.books;
    const rows = new Map(listed.filter(({ reference }) => UUID.test(reference)).map((each) => [each.reference, each]));
    const on = this.dataSource.manager;
    const ours = await this.candidates.ofIds(on, vendor, [...rows.keys()]);
    const known = new Set(ours.map(({ orderId }) => orderId));
    const unknown = [...rows.values()].filter(({ reference }) => !known.has(reference));
    part.progress.listed += ours.length;
    part.progress.notOurs += listed.length - rows.size;

    const agreed = ours.filter((order) => agrees(order, rows.get(order.orderId)!)).map(({ orderId }) => orderId);
    const isAgreed = new Set(agreed);
    if (part.claim.trigger === 'schedule') {
      await part.write((tx) => this.listed.note(tx, vendor.vendorId, agreed, mark));
    } else {
      part.progress.compared += agreed.filter((orderId) => !reading.seen.has(orderId)).length;
      for (const orderId of agreed) reading.seen.add(orderId);
    }
    const differing = ours.filter(({ orderId }) => !isAgreed.has(orderId)).filter(isDecidedOrWaits);
    await this.comparing.compareAll(reading, differing);
    await this.forgotten.compare(reading.books, unknown);
  }
}

/** By the vendor's clock. */
function sinceOf(vendor: Vendor, { until, firstSince }: ListStanding): Date {
  return until ? new Date(until.getTime() - overlapMsOf(vendor)) : firstSince;
}

function overlapMsOf({ clockMarginMs, consistencyLagMs }: Vendor): number {
  return clockMarginMs + consistencyLagMs + OVERLAP_MS;
}

function agrees(
  { status, needsAttention, hasCase, hasFailed, vendorOrderId }: Candidate,
  listed: ChangedOrder,
): boolean {
  if (needsAttention || hasCase || hasFailed) return false;
  if (status === 'completed') return listed.status === 'accepted' && listed.vendorOrderId === vendorOrderId;
  return status === 'failed' && (listed.status === 'refused' || listed.status === 'cancelled');
}

/** Of an order that is on its way nobody need ask: dispatch does. */
function isDecidedOrWaits({ status, needsAttention }: Candidate): boolean {
  return status !== 'pending' || needsAttention;
}
