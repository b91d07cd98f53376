import type { DynamicModule } from '@nestjs/common';
import { ApiModule } from '../api.module';
import type { Config } from '../config/config';
import { ConfigModule } from '../config/config.module';
import { DatabaseModule } from '../database/database.module';
import { HealthModule } from '../health/health.module';
import { LifecycleModule } from '../lifecycle/lifecycle.module';
import { LoggingModule } from '../observability/logging.module';
import { MetricsModule } from '../observability/metrics/metrics.module';
import { WorkerModule } from '../worker.module';

class ProcessModule {}

const rooms = { api: [ApiModule], worker: [WorkerModule], all: [ApiModule, WorkerModule] };

/** The ground floor and the rooms of one process. With both in one, a broker outage must not take the API down. */
export function processModule(mode: keyof typeof rooms, config: Config): DynamicModule {
  return {
    module: ProcessModule,
    imports: [
      ConfigModule.of(config),
      LoggingModule,
      MetricsModule,
      DatabaseModule.of(mode),
      LifecycleModule,
      HealthModule.of(mode === 'worker' ? 'worker' : 'api'),
      ...rooms[mode],
    ],
  };
}
