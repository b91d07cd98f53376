import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, RequiresScope, SentBy } from '../../auth/access';
import { ApiProblems } from '../../http/api-problems';
import { decodeCursor, isTimestampText, page } from '../../http/cursor';
import { PageQuery } from '../../http/page.dto';
import { UUID } from '../../http/rules';
import {
  ReconciliationRequestedDto,
  ReconciliationRunDto,
  ReconciliationRunPageDto,
  StartReconciliationDto,
} from './runs.dto';
import { RunQueries } from './run-queries';

/** First part of the list's cursors: those of other lists look the same otherwise. */
const LIST = 'reconciliation-runs';
const CURSOR_PARTS = [(part: string) => part === LIST, isTimestampText, (part: string) => UUID.test(part)];

/** Comparisons of our books with the vendors'. */
@ApiTags('reconciliation')
@Controller('v1/reconciliation/runs')
export class RunsController {
  constructor(private readonly runs: RunQueries) {}

  @Post()
  @RequiresScope('ops')
  @HttpCode(202)
  @ApiProblems('MALFORMED_JSON', 'VALIDATION_FAILED', 'VENDOR_NOT_FOUND', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE')
  @ApiAcceptedResponse({ type: ReconciliationRequestedDto, description: 'A worker takes it as soon as it can' })
  @ApiOperation({
    operationId: 'startReconciliation',
    summary: 'Compare our books with the vendors’ now',
    description:
      'Looks up the orders that something points to and the newest of the last seven days, within what the vendor allows, and ' +
      'compares our counters, holds, messages and held syncs. Each difference opens a case; what is no longer so closes its. A ' +
      'dry run only tells of them. While a run that asks the same waits for a worker, asking again answers that one.',
  })
  async start(
    @Body() { vendorId, dryRun = false }: StartReconciliationDto,
    @SentBy() { client }: Caller,
  ): Promise<ReconciliationRequestedDto> {
    return { reconciliationRunId: await this.runs.request(vendorId, dryRun, client) };
  }

  @Get()
  @RequiresScope('ops')
  @ApiProblems('VALIDATION_FAILED', 'INVALID_CURSOR')
  @ApiOperation({
    operationId: 'listReconciliations',
    summary: 'Reconciliation runs, newest first; kept for thirty days',
  })
  async list(@Query() { limit, cursor }: PageQuery): Promise<ReconciliationRunPageDto> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, CURSOR_PARTS).slice(1);
    const found = await this.runs.list({ after: after as [string, string] | undefined, limit: limit + 1 });
    return page(
      found,
      limit,
      ({ run }) => run,
      ({ sortKey }) => [LIST, ...sortKey],
    );
  }

  @Get(':reconciliationRunId')
  @RequiresScope('ops')
  @ApiProblems('VALIDATION_FAILED', 'RECONCILIATION_RUN_NOT_FOUND', 'URI_TOO_LONG')
  @ApiOperation({ operationId: 'getReconciliation', summary: 'One reconciliation run, and how far it has come' })
  get(@Param('reconciliationRunId') reconciliationRunId: string): Promise<ReconciliationRunDto> {
    return this.runs.get(reconciliationRunId);
  }
}
