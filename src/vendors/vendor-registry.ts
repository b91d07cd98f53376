import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Config } from '../config/config';
import { ValidationFailed } from '../http/refusal';
import { AddressRepository } from './address.repository';
import { isPrivateAddress } from './address-policy';
import { SlotRepository } from './slot.repository';
import { TracedAdapter } from './traced-adapter';
import { type Vendor, VENDOR_ID, type VendorNow } from './vendor';
import type { VendorAdapter } from './vendor-adapter';
import { VendorRepository } from './vendor.repository';
import { VendorNotFound } from './vendors.errors';

/** Injection token of the list of adapters this installation has. */
export const VENDOR_ADAPTERS = Symbol('vendor adapters');

/** Knows the vendors and who speaks their dialects. */
@Injectable()
export class VendorRegistry {
  constructor(
    private readonly dataSource: DataSource,
    private readonly vendors: VendorRepository,
    private readonly slots: SlotRepository,
    private readonly addresses: AddressRepository,
    private readonly config: Config,
    @Inject(VENDOR_ADAPTERS) private readonly adapters: readonly VendorAdapter[],
  ) {}

  /**
   * Registers or replaces. Another kind or base URL leads to other books, and proves nothing about what was sent to those
   * before; `moved`: it leads to the same ones. Throws `ValidationFailed`.
   */
  async put(vendor: Vendor, { moved = false } = {}): Promise<{ vendor: VendorNow; created: boolean }> {
    this.check(vendor);
    const created = await this.dataSource.transaction(async (tx) => {
      const otherBooks = await this.addresses.change(tx, vendor, moved);
      const isNew = await this.vendors.put(tx, vendor);
      if (otherBooks) await this.addresses.begin(tx, vendor.vendorId);
      await this.slots.provide(tx, vendor.vendorId, vendor.maxConcurrentOrders);
      return isNew;
    });
    return { vendor: await this.get(vendor.vendorId), created };
  }

  /** Throws `VendorNotFound`. */
  async get(vendorId: string): Promise<VendorNow> {
    const [found] = VENDOR_ID.test(vendorId) ? await this.page({ vendorId, limit: 1 }) : [];
    if (!found) throw new VendorNotFound(vendorId);
    return found;
  }

  page(query: { vendorId?: string; after?: string; limit: number }): Promise<VendorNow[]> {
    const intervalMsDefault = this.config.stockSyncIntervalMs;
    return this.vendors.listNow(this.dataSource.manager, { ...query, intervalMsDefault });
  }

  /** How many calls about orders each of the vendors may be given at once, at this moment: none while it is paused. */
  callsAllowed(vendorIds: string[]): Promise<{ vendorId: string; enabled: boolean; callsAllowed: number }[]> {
    return this.vendors.callsAllowed(this.dataSource.manager, vendorIds);
  }

  /** Of every vendor, enabled or not. */
  ids(): Promise<string[]> {
    return this.vendors.ids(this.dataSource.manager);
  }

  /** Stops dispatch to the vendor, or lets it go on; whether its breaker does is another matter. Throws `VendorNotFound`. */
  async setPaused(vendorId: string, paused: boolean): Promise<VendorNow> {
    const known = VENDOR_ID.test(vendorId) && (await this.vendors.setPaused(this.dataSource.manager, vendorId, paused));
    if (!known) throw new VendorNotFound(vendorId);
    return this.get(vendorId);
  }

  /** Throws where a vendor was registered by a release that knew its dialect and this one does not. */
  adapterOf({ vendorId, kind }: Vendor): VendorAdapter {
    const adapter = this.adapters.find((candidate) => candidate.kind === kind);
    if (!adapter) throw new Error(`Vendor ${vendorId} speaks ${kind}, for which there is no adapter`);
    return new TracedAdapter(adapter);
  }

  private check({ vendorId, kind, baseUrl }: Vendor): void {
    const kinds = this.adapters.map((adapter) => adapter.kind);
    const problems = [
      !VENDOR_ID.test(vendorId) && { field: 'vendorId', message: `must match ${VENDOR_ID.source}` },
      !kinds.includes(kind) && { field: 'kind', message: `must be one of ${kinds.join(', ')}` },
      !this.config.vendorAllowPrivate &&
        isPrivateAddress(new URL(baseUrl).hostname) && {
          field: 'baseUrl',
          message: 'must not be a loopback or private address (VENDOR_ALLOW_PRIVATE is false)',
        },
    ].filter((problem) => problem !== false);
    if (problems.length > 0) throw new ValidationFailed(problems);
  }
}
