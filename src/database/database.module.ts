import { type DynamicModule, Global, Module, type Provider, type Type } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { Config } from '../config/config';
import { dataSourceOptions, LIST_TIMEOUT_MS } from './data-source';
import { DatabaseConnector } from './database-connector';
import { LeaseRepository } from './lease.repository';
import { PoolMetrics } from './pool-metrics';
import {
  listOn,
  ListsDataSource,
  type Mode,
  OutcomesDataSource,
  PlacingDataSource,
  Pools,
  type Shares,
  sharesOf,
} from './pools';
import type { SessionSettings } from './session';
import { StatisticsRefresh } from './statistics-refresh';
import { StatisticsRepository } from './statistics.repository';

/**
 * The primary database, with a pool for each purpose that must not wait for the others; whoever asks for `DataSource` gets
 * the rest. `DatabaseConnector` opens them, so that a process starts while the database is away.
 */
@Global()
@Module({})
export class DatabaseModule {
  static of(mode: Mode): DynamicModule {
    return {
      module: DatabaseModule,
      imports: [
        TypeOrmModule.forRootAsync({
          inject: [Config],
          useFactory: (config: Config) => ({ ...optionsOf(config, mode, 'rest'), manualInitialization: true }),
        }),
      ],
      providers: [
        poolOf(PlacingDataSource, mode, 'placing'),
        poolOf(OutcomesDataSource, mode, 'outcomes'),
        poolOf(ListsDataSource, mode, 'lists', { statement_timeout: LIST_TIMEOUT_MS }),
        Pools,
        DatabaseConnector,
        LeaseRepository,
        PoolMetrics,
        StatisticsRefresh,
        StatisticsRepository,
      ],
      exports: [PlacingDataSource, OutcomesDataSource, ListsDataSource, DatabaseConnector, LeaseRepository],
    };
  }
}

/** Without a share, it takes from the rest. */
function poolOf(token: Type<DataSource>, mode: Mode, purpose: keyof Shares, settings: SessionSettings = {}): Provider {
  return {
    provide: token,
    inject: [DataSource, Config],
    useFactory: (rest: DataSource, config: Config) =>
      sharesOf(mode, config.databasePoolMax)[purpose] === 0
        ? asPool(token, rest)
        : new token(optionsOf(config, mode, purpose, settings)),
  };
}

/** The same connections, with what the token can do beside. */
function asPool(token: Type<DataSource>, rest: DataSource): DataSource {
  const read: ListsDataSource['read'] = (work) => listOn(rest.manager, work);
  return token === ListsDataSource ? Object.assign(rest, { read }) : rest;
}

function optionsOf(
  config: Config,
  mode: Mode,
  purpose: keyof Shares,
  settings: SessionSettings = {},
): DataSourceOptions {
  return dataSourceOptions(config.databaseUrl!, {
    connectionsMax: sharesOf(mode, config.databasePoolMax)[purpose],
    waitMs: config.databasePoolWaitMs,
    serves: true,
    unsafeAllowed: config.allowUnsafeDatabase,
    settings,
  });
}
