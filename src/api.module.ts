import { Module } from '@nestjs/common';
import { AuthApiModule } from './auth/auth.module';
import { OperationsApiModule } from './operations/operations.module';
import { OrdersApiModule } from './orders/orders.module';
import { StockApiModule } from './stock/stock.module';
import { VendorsApiModule } from './vendors/vendors.module';

/** What the API process listens to. */
@Module({ imports: [AuthApiModule, OrdersApiModule, StockApiModule, VendorsApiModule, OperationsApiModule] })
export class ApiModule {}
