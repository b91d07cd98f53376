import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, RequiresScope, SentBy } from '../../auth/access';
import { ApiProblems } from '../../http/api-problems';
import { decodeCursor, isTimestampText, page } from '../../http/cursor';
import { UUID } from '../../http/rules';
import { CaseQueries } from './case-queries';
import { CaseResolution } from './case-resolution';
import { CaseDto, CasePageDto, CaseQuery, ResolveCaseDto } from './cases.dto';

/** First part of the list's cursors: those of other lists look the same otherwise. */
const LIST = 'cases';
const CURSOR_PARTS = [(part: string) => part === LIST, isTimestampText, (part: string) => UUID.test(part)];

/** Differences that were found, and what is decided about them. */
@ApiTags('reconciliation')
@Controller('v1/reconciliation/cases')
export class CasesController {
  constructor(
    private readonly queries: CaseQueries,
    private readonly resolution: CaseResolution,
  ) {}

  @Get()
  @RequiresScope('ops')
  @ApiProblems('VALIDATION_FAILED', 'INVALID_CURSOR')
  @ApiOperation({ operationId: 'listCases', summary: 'Cases, newest first' })
  async list(@Query() { limit, cursor, ...filter }: CaseQuery): Promise<CasePageDto> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, CURSOR_PARTS).slice(1);
    const listed = await this.queries.list({
      ...filter,
      after: after as [string, string] | undefined,
      limit: limit + 1,
    });
    return page(
      listed,
      limit,
      ({ found }) => found,
      ({ sortKey }) => [LIST, ...sortKey],
    );
  }

  @Get(':caseId')
  @RequiresScope('ops')
  @ApiProblems('VALIDATION_FAILED', 'CASE_NOT_FOUND', 'URI_TOO_LONG')
  @ApiOperation({ operationId: 'getCase', summary: 'One case' })
  get(@Param('caseId') caseId: string): Promise<CaseDto> {
    return this.queries.get(caseId);
  }

  @Post(':caseId/resolve')
  @RequiresScope('ops')
  @HttpCode(200)
  @ApiProblems(
    'MALFORMED_JSON',
    'VALIDATION_FAILED',
    'CASE_NOT_FOUND',
    'CASE_NOT_OPEN',
    'CASE_OUTDATED',
    'SYNC_NOT_HELD',
    'SYNC_SUPERSEDED',
    'BODY_TOO_LARGE',
    'URI_TOO_LONG',
    'UNSUPPORTED_MEDIA_TYPE',
  )
  @ApiOkResponse({ type: CaseDto, description: 'It is resolved, and the fix is made' })
  @ApiOperation({
    operationId: 'resolveCase',
    summary: 'Decide about a case',
    description:
      'Makes the fix and records who decided what, and why, in one transaction. What needs the vendor (`cancelAtVendor`, ' +
      '`resend`) becomes a message that a worker takes; nothing is bought or released twice. Each case names the resolutions ' +
      'that fit it; another is refused (`400`). A case whose order has moved on meanwhile is refused as `CASE_OUTDATED`.',
  })
  resolve(
    @Param('caseId') caseId: string,
    @Body() { resolution, note }: ResolveCaseDto,
    @SentBy() { client, apiKeyId }: Caller,
  ): Promise<CaseDto> {
    return this.resolution.resolve(caseId, resolution, { by: { client, apiKeyId }, note });
  }
}
