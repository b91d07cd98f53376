import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, RequiresScope, SentBy } from '../../auth/access';
import { ApiProblems } from '../../http/api-problems';
import { decodeCursor, isTimestampText, page } from '../../http/cursor';
import { TakesNoBody } from '../../http/json-body';
import { UUID } from '../../http/rules';
import { Decision } from './decision';
import { SyncRunQueries } from './sync-run-queries';
import { DecideSyncDto, SyncRequestedDto, SyncRunDto, SyncRunPageDto, SyncsQuery } from './syncs.dto';

const ApiDeciding = ApiProblems(
  'MALFORMED_JSON',
  'VALIDATION_FAILED',
  'VENDOR_NOT_FOUND',
  'SYNC_RUN_NOT_FOUND',
  'SYNC_NOT_HELD',
  'SYNC_SUPERSEDED',
  'BODY_TOO_LARGE',
  'URI_TOO_LONG',
  'UNSUPPORTED_MEDIA_TYPE',
);

/** A vendor's stock syncs. */
@ApiTags('vendors')
@Controller('v1/vendors/:vendorId')
export class SyncsController {
  constructor(
    private readonly runs: SyncRunQueries,
    private readonly decision: Decision,
  ) {}

  @Post('sync')
  @TakesNoBody()
  @RequiresScope('ops')
  @HttpCode(202)
  @ApiProblems('VALIDATION_FAILED', 'VENDOR_NOT_FOUND', 'VENDOR_DISABLED', 'URI_TOO_LONG')
  @ApiAcceptedResponse({ type: SyncRequestedDto, description: 'A worker takes it as soon as it can' })
  @ApiOperation({
    operationId: 'requestSync',
    summary: "Poll a vendor's stock now",
    description:
      'Asks for the complete listing. While one asked for like this waits for a worker, asking again answers the same run.',
  })
  async request(@Param('vendorId') vendorId: string): Promise<SyncRequestedDto> {
    return { syncRunId: await this.runs.request(vendorId) };
  }

  @Get('syncs')
  @RequiresScope('ops')
  @ApiProblems('VALIDATION_FAILED', 'INVALID_CURSOR', 'VENDOR_NOT_FOUND', 'URI_TOO_LONG')
  @ApiOperation({ operationId: 'listSyncs', summary: "A vendor's stock syncs, newest first; kept for a week" })
  async list(
    @Param('vendorId') vendorId: string,
    @Query() { limit, cursor, status }: SyncsQuery,
  ): Promise<SyncRunPageDto> {
    const checks = [(id: string) => id === vendorId, isTimestampText, (id: string) => UUID.test(id)];
    const after = cursor === undefined ? undefined : decodeCursor(cursor, checks).slice(1);
    const found = await this.runs.list(vendorId, {
      status,
      after: after as [string, string] | undefined,
      limit: limit + 1,
    });
    return page(
      found,
      limit,
      ({ run }) => run,
      ({ sortKey }) => [vendorId, ...sortKey],
    );
  }

  @Post('syncs/:syncRunId/accept')
  @RequiresScope('ops')
  @HttpCode(200)
  @ApiDeciding
  @ApiOkResponse({ type: SyncRunDto, description: 'It is applied' })
  @ApiOperation({
    operationId: 'acceptSync',
    summary: 'Apply a held stock sync',
    description:
      'Takes the SKUs that its listing lacks off sale, gives the prices and adds the SKUs that were withheld; a listing that was held for its time (`CLOCK`) is applied whole, ' +
      'and open orders stay counted until a later poll contains them. Answers when it is done.',
  })
  accept(
    @Param('vendorId') vendorId: string,
    @Param('syncRunId') syncRunId: string,
    @Body() { note }: DecideSyncDto,
    @SentBy() { client: by }: Caller,
  ): Promise<SyncRunDto> {
    return this.decision.accept(vendorId, syncRunId, { note, by });
  }

  @Post('syncs/:syncRunId/reject')
  @RequiresScope('ops')
  @HttpCode(200)
  @ApiDeciding
  @ApiOkResponse({ type: SyncRunDto, description: 'Nothing of what was held is applied' })
  @ApiOperation({
    operationId: 'rejectSync',
    summary: 'Dismiss a held stock sync',
    description: 'The products stay as they are. A later listing that lacks as much is held again.',
  })
  reject(
    @Param('vendorId') vendorId: string,
    @Param('syncRunId') syncRunId: string,
    @Body() { note }: DecideSyncDto,
    @SentBy() { client: by }: Caller,
  ): Promise<SyncRunDto> {
    return this.decision.reject(vendorId, syncRunId, { note, by });
  }
}
