import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiProblems } from '../http/api-problems';
import { decodeCursor, page } from '../http/cursor';
import { TakesNoBody } from '../http/json-body';
import { PageQuery } from '../http/page.dto';
import { UUID } from '../http/rules';
import { RequiresScope } from './access';
import { ApiKeyPageDto, CreateApiKeyDto, CreatedApiKeyDto } from './api-keys.dto';
import { ApiKeys } from './api-keys.service';
import { ApiKeyNotFound } from './auth.errors';

@ApiTags('API keys')
@Controller('v1/api-keys')
export class ApiKeysController {
  constructor(private readonly apiKeys: ApiKeys) {}

  @Post()
  @RequiresScope('ops')
  @ApiProblems('MALFORMED_JSON', 'VALIDATION_FAILED', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE')
  @ApiOperation({ operationId: 'createApiKey', summary: 'Issue a key; its secret is shown this once' })
  create(@Body() body: CreateApiKeyDto): Promise<CreatedApiKeyDto> {
    return this.apiKeys.create(body);
  }

  @Get()
  @RequiresScope('ops')
  @ApiProblems('VALIDATION_FAILED', 'INVALID_CURSOR')
  @ApiOperation({ operationId: 'listApiKeys', summary: 'Keys in force, oldest first' })
  async list(@Query() { limit, cursor }: PageQuery): Promise<ApiKeyPageDto> {
    const [after] = cursor === undefined ? [] : decodeCursor(cursor, [(id) => UUID.test(id)]);
    return page(
      await this.apiKeys.list(limit + 1, after),
      limit,
      (key) => key,
      ({ apiKeyId }) => [apiKeyId],
    );
  }

  @Delete(':apiKeyId')
  @TakesNoBody()
  @HttpCode(204)
  @RequiresScope('ops')
  @ApiProblems('VALIDATION_FAILED', 'API_KEY_NOT_FOUND', 'URI_TOO_LONG')
  @ApiOperation({ operationId: 'revokeApiKey', summary: 'Revoke a key for good' })
  async revoke(@Param('apiKeyId') apiKeyId: string): Promise<void> {
    if (!UUID.test(apiKeyId)) throw new ApiKeyNotFound(apiKeyId);
    await this.apiKeys.revoke(apiKeyId);
  }
}
