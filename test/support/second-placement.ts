import type { INestApplicationContext } from '@nestjs/common';
import { Outbox } from '../../src/messaging/outbox';
import { OrderQueries } from '../../src/orders/order-queries';
import { Batch } from '../../src/orders/placement/batch';
import { Committing } from '../../src/orders/placement/committing';
import { LockedProducts } from '../../src/orders/placement/locked-products';
import { Placement } from '../../src/orders/placement/placement';
import { PlacementMetrics } from '../../src/orders/placement/placement-metrics';

/** With lanes and a memory of its own, as in another process. */
export function secondPlacement(context: INestApplicationContext): Placement {
  const locked = new LockedProducts();
  const committing = new Committing(context.get(Batch), context.get(OrderQueries), context.get(Outbox), locked);
  return new Placement(committing, locked, context.get(PlacementMetrics));
}
