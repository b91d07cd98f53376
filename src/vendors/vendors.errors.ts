import { Refusal } from '../http/refusal';

export class VendorNotFound extends Refusal {
  readonly code = 'VENDOR_NOT_FOUND';

  constructor(vendorId: string) {
    super(`There is no vendor ${vendorId}.`);
  }
}

export class VendorDisabled extends Refusal {
  readonly code = 'VENDOR_DISABLED';

  constructor(vendorId: string) {
    super(`The vendor ${vendorId} is disabled and takes no new orders.`);
  }
}
