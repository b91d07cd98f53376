import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../../auth/access';
import { Exposition } from './exposition';

const EXAMPLE = `# HELP holdfast_orders_placed_total Orders asked for, by what became of the request; each line of a checkout is one
# TYPE holdfast_orders_placed_total counter
holdfast_orders_placed_total{vendor="alpine-outdoor",result="created"} 1`;

@ApiTags('health')
@Controller('metrics')
export class MetricsController {
  constructor(private readonly exposition: Exposition) {}

  /** What this process has counted, and a worker also what all share. Answers in under a second, whatever is away. */
  @Get()
  @Public()
  @ApiProduces('text/plain')
  @ApiOkResponse({
    description: "Prometheus' text format",
    content: { 'text/plain': { schema: { type: 'string' }, example: EXAMPLE } },
  })
  @ApiOperation({ operationId: 'getMetrics', summary: 'Figures for Prometheus' })
  async get(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    void reply.type(this.exposition.contentType);
    return this.exposition.text();
  }
}
