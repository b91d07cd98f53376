import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequiresScope } from '../../auth/access';
import { ApiProblems } from '../../http/api-problems';
import { Consistency } from './consistency';
import { ConsistencyDto, ConsistencyQuery } from './consistency.dto';
import { INVARIANTS } from './invariants';

@ApiTags('operations')
@Controller('v1/consistency')
export class ConsistencyController {
  constructor(private readonly consistency: Consistency) {}

  @Get()
  @RequiresScope('ops')
  @ApiProblems('VALIDATION_FAILED')
  @ApiOperation({
    operationId: 'getConsistency',
    summary: 'Whether our books add up',
    description:
      `The invariants are ${INVARIANTS.map((name) => `\`${name}\``).join(', ')}. A worker counts what has open holds or ` +
      'was placed lately twice a minute, and everything every hour; this answers what it found last. Where that is older than a ' +
      'minute, as without a worker, and with `fresh=true` everything is counted now, which may take seconds: after 30 s it is ' +
      'given up (`503 OVERLOADED`).',
  })
  get(@Query() { fresh = false }: ConsistencyQuery): Promise<ConsistencyDto> {
    return fresh ? this.consistency.fresh() : this.consistency.last();
  }
}
