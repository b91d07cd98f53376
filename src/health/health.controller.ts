import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  HealthCheck,
  HealthCheckService,
  HealthIndicatorService,
  type HealthCheckResult,
  type HealthIndicatorResult,
} from '@nestjs/terminus';
import { Public } from '../auth/access';
import { type Duty, HealthRegistry } from './health-registry';

/** A probe gets its answer within this, whatever hangs. */
const CHECK_TIMEOUT_MS = 3000;

export const LISTENER_DUTY = Symbol('the duty this listener is judged by');

@ApiTags('health')
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly registry: HealthRegistry,
    @Inject(LISTENER_DUTY) private readonly duty: Duty,
  ) {}

  /** Whether the process turns. Asks no dependency: a broken database must not restart every process. */
  @Get('live')
  @Public()
  @HealthCheck()
  @ApiOperation({ operationId: 'getLiveness', summary: 'Whether the process turns' })
  live(): Promise<HealthCheckResult> {
    return this.health.check([]);
  }

  /** Whether the process can do its work at this moment. */
  @Get('ready')
  @Public()
  @HealthCheck()
  @ApiOperation({ operationId: 'getReadiness', summary: 'Whether the process can do its work at this moment' })
  ready(): Promise<HealthCheckResult> {
    return this.health.check(this.registry.checks.map((entry) => () => this.indicate(entry)));
  }

  /** A check that is not this listener's duty is shown, but takes nothing out of service. */
  private async indicate({ name, duties, check }: HealthRegistry['checks'][number]): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check(name);
    const { obstacle, ...figures } = await withinTime(check);
    if (obstacle === undefined) return indicator.up(figures);
    return duties.includes(this.duty)
      ? indicator.down({ ...figures, message: obstacle })
      : indicator.up({ ...figures, degraded: obstacle });
  }
}

async function withinTime(check: HealthRegistry['checks'][number]['check']): ReturnType<typeof check> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<{ obstacle: string }>((resolve) => {
    timer = setTimeout(() => resolve({ obstacle: `no answer within ${CHECK_TIMEOUT_MS} ms` }), CHECK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([check().catch((error: Error) => ({ obstacle: error.message })), late]);
  } finally {
    clearTimeout(timer);
  }
}
