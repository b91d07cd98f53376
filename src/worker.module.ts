import { Module } from '@nestjs/common';
import { OrdersWorkerModule } from './orders/orders.module';
import { StockWorkerModule } from './stock/stock.module';

/** What the worker process runs. Agents stop in the reverse of this order. */
@Module({ imports: [StockWorkerModule, OrdersWorkerModule] })
export class WorkerModule {}
