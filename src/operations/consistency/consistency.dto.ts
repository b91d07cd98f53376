import { IsOptional } from 'class-validator';
import { IsFlag } from '../../http/rules';
import type { ConsistencyState } from './consistency';
import type { Violation } from './invariants';

export class ConsistencyQuery {
  /** Count everything now, which may take seconds */
  @IsOptional()
  @IsFlag()
  fresh?: boolean;
}

export class ViolationDto implements Violation {
  /**
   * What should always be true; new names may come
   * @example "reservedIsSumOfOpenHolds"
   */
  invariant!: string;
  /**
   * Where it is about a product
   * @example "alpine-outdoor:TENT-2P-GREEN"
   */
  productId?: string;
  /**
   * Where it is about an order
   * @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d"
   */
  orderId?: string;
  /** @example "3" */
  expected!: string;
  /** @example "5" */
  found!: string;
}

export class ConsistencyDto implements ConsistencyState {
  /** Nothing is violated */
  ok!: boolean;
  /**
   * When the count began, by our clock
   * @example "2030-01-31T12:00:00.000Z"
   */
  checkedAt!: string;
  /**
   * How many there are
   * @example 1
   */
  violationCount!: number;
  /** The first hundred of them */
  violations!: ViolationDto[];
}
