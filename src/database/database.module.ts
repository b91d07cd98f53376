import { Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Config } from '../config/config';
import { dataSourceOptions } from './data-source';
import { DatabaseConnector } from './database-connector';
import { LeaseRepository } from './lease.repository';
import { PoolMetrics } from './pool-metrics';

/** The primary database. `DatabaseConnector` opens it, so that a process starts while the database is away. */
@Global()
@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      inject: [Config],
      useFactory: ({ databaseUrl, databasePoolMax, databasePoolWaitMs, allowUnsafeDatabase }: Config) => ({
        ...dataSourceOptions(databaseUrl!, {
          connectionsMax: databasePoolMax,
          waitMs: databasePoolWaitMs,
          serves: true,
          unsafeAllowed: allowUnsafeDatabase,
        }),
        manualInitialization: true,
      }),
    }),
  ],
  providers: [DatabaseConnector, LeaseRepository, PoolMetrics],
  exports: [DatabaseConnector, LeaseRepository],
})
export class DatabaseModule {}
