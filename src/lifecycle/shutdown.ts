import { Injectable } from '@nestjs/common';
import { HealthRegistry } from '../health/health-registry';

/** Whether the process has begun to stop: from then on it is not ready, though it still answers. */
@Injectable()
export class Shutdown {
  begun = false;

  constructor(health: HealthRegistry) {
    health.register('shutdown', ['api', 'worker'], () =>
      Promise.resolve({ obstacle: this.begun ? 'the process is shutting down' : undefined }),
    );
  }
}
