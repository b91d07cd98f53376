import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequiresScope } from '../../auth/access';
import { QueueQueries } from './queue-queries';
import { QueuesDto } from './queues.dto';

@ApiTags('operations')
@Controller('v1/queues')
export class QueuesController {
  constructor(private readonly queues: QueueQueries) {}

  @Get()
  @RequiresScope('ops')
  @ApiOperation({
    operationId: 'getQueues',
    summary: 'What waits where',
    description: 'Counted at the moment of asking, from the orders and the outbox: the same on both transports.',
  })
  get(): Promise<QueuesDto> {
    return this.queues.get();
  }
}
