import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, RequiresScope, SentBy } from '../../auth/access';
import { ApiProblems } from '../../http/api-problems';
import { decodeCursor, isTimestampText, page } from '../../http/cursor';
import { TakesNoBody } from '../../http/json-body';
import { UUID } from '../../http/rules';
import { DeadLetterQueries } from './dead-letter-queries';
import {
  DeadLetterDto,
  DeadLetterPageDto,
  DeadLetterQuery,
  DismissedDto,
  ReplayedDto,
  WhichLettersDto,
} from './dead-letters.dto';
import { Dismissal, DISMISSED_MAX } from './dismissal';
import { LETTERS_MAX, Replay } from './replay';

/** First part of the list's cursors: those of orders look the same otherwise. */
const LIST = 'dead-letters';
const CURSOR_PARTS = [(part: string) => part === LIST, isTimestampText, (part: string) => UUID.test(part)];

/** What was given up, another try at it, and its end. */
@ApiTags('operations')
@Controller('v1/dead-letters')
export class DeadLettersController {
  constructor(
    private readonly queries: DeadLetterQueries,
    private readonly replay: Replay,
    private readonly dismissal: Dismissal,
  ) {}

  @Get()
  @RequiresScope('ops')
  @ApiProblems('VALIDATION_FAILED', 'INVALID_CURSOR')
  @ApiOperation({ operationId: 'listDeadLetters', summary: 'Dead letters, newest first' })
  async list(@Query() { limit, cursor, ...filter }: DeadLetterQuery): Promise<DeadLetterPageDto> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, CURSOR_PARTS).slice(1);
    const found = await this.queries.list({
      ...filter,
      after: after as [string, string] | undefined,
      limit: limit + 1,
    });
    return page(
      found,
      limit,
      ({ letter }) => letter,
      ({ sortKey }) => [LIST, ...sortKey],
    );
  }

  @Get(':deadLetterId')
  @RequiresScope('ops')
  @ApiProblems('VALIDATION_FAILED', 'DEAD_LETTER_NOT_FOUND', 'URI_TOO_LONG')
  @ApiOperation({ operationId: 'getDeadLetter', summary: 'One dead letter' })
  get(@Param('deadLetterId') deadLetterId: string): Promise<DeadLetterDto> {
    return this.queries.get(deadLetterId);
  }

  @Post('replay')
  @RequiresScope('ops')
  @HttpCode(202)
  @ApiProblems('MALFORMED_JSON', 'VALIDATION_FAILED', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE')
  @ApiAcceptedResponse({ type: ReplayedDto, description: 'Their orders are on their way again' })
  @ApiOperation({
    operationId: 'replayDeadLetters',
    summary: 'Try what was given up again',
    description:
      `Puts the orders of open dead letters back on their way, the oldest first and at most ${LETTERS_MAX} a request, 20 a ` +
      'second for each vendor. Letters about decided orders are dismissed, and those that cannot be mended by sending ' +
      'stay open; neither counts as `replayed`. A dry run changes nothing and counts the same.',
  })
  replayAll(@Body() { dryRun = false, ...which }: WhichLettersDto, @SentBy() caller: Caller): Promise<ReplayedDto> {
    return this.replay.many(which, dryRun, caller);
  }

  @Post(':deadLetterId/replay')
  @TakesNoBody()
  @RequiresScope('ops')
  @HttpCode(202)
  @ApiProblems('VALIDATION_FAILED', 'DEAD_LETTER_NOT_FOUND', 'DEAD_LETTER_NOT_REPLAYABLE', 'URI_TOO_LONG')
  @ApiAcceptedResponse({ type: ReplayedDto, description: 'Its order is on its way again, unless it is decided' })
  @ApiOperation({
    operationId: 'replayDeadLetter',
    summary: 'Try one again',
    description:
      'Its order is tried anew at once: attempts and age count from now, and what an earlier attempt left open is looked up ' +
      'first, so nothing is bought twice. A letter about a decided order is dismissed; one that was replayed or dismissed ' +
      'before is left as it is (`matched` 0).',
  })
  replayOne(@Param('deadLetterId') deadLetterId: string, @SentBy() caller: Caller): Promise<ReplayedDto> {
    return this.replay.one(deadLetterId, caller);
  }

  @Post('dismiss')
  @RequiresScope('ops')
  @HttpCode(200)
  @ApiProblems('MALFORMED_JSON', 'VALIDATION_FAILED', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE')
  @ApiOkResponse({ type: DismissedDto })
  @ApiOperation({
    operationId: 'dismissDeadLetters',
    summary: 'Close what is about no order',
    description:
      `Dismisses open dead letters that name no order of ours, such as messages that nobody can read, the oldest first and at ` +
      `most ${DISMISSED_MAX} a request. Letters about an order stay open: replay them, or decide about the order's case. A dry ` +
      'run changes nothing and counts the same.',
  })
  dismissAll(@Body() { dryRun = false, ...which }: WhichLettersDto, @SentBy() caller: Caller): Promise<DismissedDto> {
    return this.dismissal.many(which, dryRun, caller);
  }

  @Post(':deadLetterId/dismiss')
  @TakesNoBody()
  @RequiresScope('ops')
  @HttpCode(200)
  @ApiProblems('VALIDATION_FAILED', 'DEAD_LETTER_NOT_FOUND', 'DEAD_LETTER_NOT_DISMISSABLE', 'URI_TOO_LONG')
  @ApiOkResponse({ type: DismissedDto })
  @ApiOperation({
    operationId: 'dismissDeadLetter',
    summary: 'Close one that is about no order',
    description: 'One that was replayed or dismissed before is left as it is (`matched` 0).',
  })
  dismissOne(@Param('deadLetterId') deadLetterId: string, @SentBy() caller: Caller): Promise<DismissedDto> {
    return this.dismissal.one(deadLetterId, caller);
  }
}
