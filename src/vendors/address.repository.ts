import { Injectable } from '@nestjs/common';
import { type Connection, row, rows, type Transaction } from '../database/sql';
import type { Vendor } from './vendor';

/** Where a vendor was before, and with which credential. */
export interface FormerAddress {
  kind: string;
  baseUrl: string;
  credentialEnv: string | null;
}

export interface FormerAddressRow {
  former_kind: string | null;
  former_base_url: string | null;
  former_credential_env: string | null;
  elsewhere: boolean | null;
}

/** Whether the books `epoch` are those that the vendor `v` has now. */
export const IS_HERE = (epoch: string, v = 'v'): string => `${epoch} = ANY (${v}.address_epochs)`;

/** Joins the former address `f` of the vendor `v` that has the books `epoch`, where it is not the present one. */
export const JOIN_FORMER_ADDRESS = (epoch: string, v = 'v'): string =>
  `LEFT JOIN vendor_former_addresses f ON f.vendor_id = ${v}.vendor_id AND NOT ${IS_HERE(epoch, v)}
     AND ${epoch} = ANY (f.epochs)`;

/** Columns of a select with that join. */
export const FORMER_ADDRESS = (epoch: string, v = 'v'): string =>
  `f.kind AS former_kind, f.base_url AS former_base_url, f.credential_env AS former_credential_env,
   NOT ${IS_HERE(epoch, v)} AS elsewhere`;

/** Undefined where the books are those of the present address. Throws where nobody remembers whose they are. */
export function formerAddressOf(found: FormerAddressRow): FormerAddress | undefined {
  if (!found.elsewhere) return undefined;
  if (found.former_kind === null || found.former_base_url === null)
    throw new Error('It was sent to an address of its vendor that is not remembered');
  const { former_kind: kind, former_base_url: baseUrl, former_credential_env: credentialEnv } = found;
  return { kind, baseUrl, credentialEnv };
}

/** The vendor as it was there. Its name says so wherever it is told. */
export function atFormerAddress(vendor: Vendor, former: FormerAddress | undefined): Vendor {
  return former
    ? { ...vendor, ...former, elsewhere: true, name: `${vendor.name} at its former address ${former.baseUrl}` }
    : vendor;
}

interface Known {
  kind: string;
  base_url: string;
  epochs: number[];
}

/**
 * A vendor's books have a number for each address, kind and base URL, that they were found at. What is sent and accepted is
 * marked with it, so that another address' answers, and listings, prove nothing of it.
 */
@Injectable()
export class AddressRepository {
  /**
   * Before the vendor is written: whoever registers the same waits. `moved`: the same books as before are at the address
   * now. Answers whether other books begin.
   */
  async change(tx: Transaction, vendor: Vendor, moved: boolean): Promise<boolean> {
    const { vendorId, kind, baseUrl } = vendor;
    await rows(tx, `SELECT pg_advisory_xact_lock(hashtextextended('address of ' || $1, 0))`, [vendorId]);
    const known = await row<Known>(
      tx,
      'SELECT kind, base_url, address_epochs AS epochs FROM vendors WHERE vendor_id = $1',
      [vendorId],
    );
    if (!known) return false;
    const stays = known.kind === kind && known.base_url === baseUrl;
    if (stays && !moved) return false;
    const there = await this.takeBack(tx, vendor, stays);
    // How calls went at one address says nothing of the other.
    if (!stays) await rows(tx, 'DELETE FROM vendor_breakers WHERE vendor_id = $1', [vendorId]);
    if (moved) {
      await this.setEpochs(tx, vendorId, [...known.epochs, ...there]);
      return false;
    }
    const next = there.length > 0 ? there : [await this.newEpoch(tx, vendorId, known.epochs)];
    await this.remember(tx, vendorId);
    await this.supersedeHeldRuns(tx, vendorId);
    await this.setEpochs(tx, vendorId, next);
    return true;
  }

  /** The books known by the address, which is a former one no longer; where it stays, those of the address before. */
  private async takeBack(tx: Transaction, { vendorId, kind, baseUrl }: Vendor, stays: boolean): Promise<number[]> {
    const found = await row<{ epochs: number[] }>(
      tx,
      `DELETE FROM vendor_former_addresses WHERE (vendor_id, kind, base_url) IN (
         SELECT vendor_id, kind, base_url FROM vendor_former_addresses
         WHERE vendor_id = $1 AND ($4 OR (kind = $2 AND base_url = $3)) ORDER BY left_at DESC LIMIT 1)
       RETURNING epochs`,
      [vendorId, kind, baseUrl, stays],
    );
    return found?.epochs ?? [];
  }

  private async newEpoch(on: Connection, vendorId: string, epochs: number[]): Promise<number> {
    const former = await rows<{ epochs: number[] }>(
      on,
      'SELECT epochs FROM vendor_former_addresses WHERE vendor_id = $1',
      [vendorId],
    );
    return 1 + Math.max(...epochs, ...former.flatMap((address) => address.epochs));
  }

  private async remember(tx: Transaction, vendorId: string): Promise<void> {
    await rows(
      tx,
      `INSERT INTO vendor_former_addresses (vendor_id, kind, base_url, credential_env, epochs)
       SELECT vendor_id, kind, base_url, credential_env, address_epochs FROM vendors WHERE vendor_id = $1`,
      [vendorId],
    );
  }

  /** As all writers of both do, before the vendor's own row. */
  private async supersedeHeldRuns(tx: Transaction, vendorId: string): Promise<void> {
    await rows(
      tx,
      `UPDATE stock_sync_runs SET status = 'superseded', error = left('the vendor has another address now; '
         || COALESCE(error, ''), 1000) WHERE vendor_id = $1 AND status = 'held'`,
      [vendorId],
    );
  }

  private async setEpochs(tx: Transaction, vendorId: string, epochs: number[]): Promise<void> {
    await rows(tx, 'UPDATE vendors SET address_epochs = $2 WHERE vendor_id = $1', [vendorId, epochs]);
  }

  /** Neither the times nor the marks that were learnt before are of these books. A sync under way writes nothing more. */
  async begin(tx: Transaction, vendorId: string): Promise<void> {
    await rows(
      tx,
      `UPDATE vendors SET address_since = clock_timestamp(), sync_token = sync_token + 1, sync_leased_until = NULL,
         sync_failures = 0, synced_at = NULL, full_synced_at = NULL, stock_as_of = NULL, full_as_of = NULL,
         full_polled_at = NULL, clock_offset_ms = NULL, sync_marks_of = NULL, sync_position = NULL, sync_etag = NULL,
         sync_due_at = now()
       WHERE vendor_id = $1`,
      [vendorId],
    );
  }
}
