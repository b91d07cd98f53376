import { Module } from '@nestjs/common';
import { RestAdapter } from './adapters/rest/rest-adapter';
import { SlotRepository } from './slot.repository';
import type { VendorAdapter } from './vendor-adapter';
import { VendorHttp } from './vendor-http';
import { VENDOR_ADAPTERS, VendorRegistry } from './vendor-registry';
import { VendorRepository } from './vendor.repository';
import { VendorsController } from './vendors.controller';

@Module({
  providers: [
    VendorHttp,
    RestAdapter,
    { provide: VENDOR_ADAPTERS, inject: [RestAdapter], useFactory: (...adapters: VendorAdapter[]) => adapters },
    VendorRegistry,
    VendorRepository,
    SlotRepository,
  ],
  exports: [VendorRegistry, VendorRepository, SlotRepository],
})
export class VendorsModule {}

@Module({ imports: [VendorsModule], controllers: [VendorsController] })
export class VendorsApiModule {}
