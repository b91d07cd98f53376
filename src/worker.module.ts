import { Module } from '@nestjs/common';
import { MetricsWorkerModule } from './observability/metrics/metrics.module';
import { OperationsWorkerModule } from './operations/operations.module';
import { OrdersWorkerModule } from './orders/orders.module';
import { StockWorkerModule } from './stock/stock.module';

/** What the worker process runs. Agents start in this order, and stop all at once. */
@Module({ imports: [StockWorkerModule, OrdersWorkerModule, OperationsWorkerModule, MetricsWorkerModule] })
export class WorkerModule {}
