import { Module } from '@nestjs/common';
import { AddressRepository } from './address.repository';
import { FeedAdapter } from './adapters/feed/feed-adapter';
import { RestAdapter } from './adapters/rest/rest-adapter';
import { WholesaleAdapter } from './adapters/wholesale/wholesale-adapter';
import { Breaker } from './breaker/breaker';
import { BreakerMetrics } from './breaker/breaker-metrics';
import { BreakerRepository } from './breaker/breaker.repository';
import { MeasuredAdapter } from './measured-adapter';
import { SlotRepository } from './slot.repository';
import { SpareCalls } from './spare-calls';
import type { VendorAdapter } from './vendor-adapter';
import { VendorHttp } from './vendor-http';
import { VendorMetrics } from './vendor-metrics';
import { VENDOR_ADAPTERS, VendorRegistry } from './vendor-registry';
import { VendorRepository } from './vendor.repository';
import { VendorsController } from './vendors.controller';

/** The dialects this installation speaks: one line each. */
const ADAPTERS = [RestAdapter, WholesaleAdapter, FeedAdapter];

/** For those who run without the app. */
export function adaptersOver(http: VendorHttp): VendorAdapter[] {
  return ADAPTERS.map((Adapter) => new Adapter(http));
}

@Module({
  providers: [
    VendorHttp,
    ...ADAPTERS,
    VendorMetrics,
    {
      provide: VENDOR_ADAPTERS,
      inject: [VendorMetrics, ...ADAPTERS],
      useFactory: (metrics: VendorMetrics, ...adapters: VendorAdapter[]) =>
        adapters.map((adapter) => new MeasuredAdapter(adapter, metrics)),
    },
    VendorRegistry,
    VendorRepository,
    AddressRepository,
    SlotRepository,
    SpareCalls,
    Breaker,
    BreakerRepository,
    BreakerMetrics,
  ],
  exports: [VendorRegistry, VendorRepository, SlotRepository, SpareCalls, Breaker],
})
export class VendorsModule {}

@Module({ imports: [VendorsModule], controllers: [VendorsController] })
export class VendorsApiModule {}
