import { type DynamicModule, Global, Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { DatabaseConnector } from '../database/database-connector';
import { HealthController, LISTENER_DUTY } from './health.controller';
import { type Duty, HealthRegistry } from './health-registry';

@Global()
@Module({ providers: [HealthRegistry], exports: [HealthRegistry] })
class HealthRegistryModule {
  constructor(registry: HealthRegistry, database: DatabaseConnector) {
    registry.register('database', ['api', 'worker'], async () => ({ obstacle: await database.obstacle() }));
  }
}

@Module({})
export class HealthModule {
  /** `/health/live` and `/health/ready` of a listener that is judged by the given duty. */
  static of(duty: Duty): DynamicModule {
    return {
      module: HealthModule,
      imports: [HealthRegistryModule, TerminusModule.forRoot({ errorLogStyle: 'json', logger: false })],
      controllers: [HealthController],
      providers: [{ provide: LISTENER_DUTY, useValue: duty }],
    };
  }
}
