import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ApiKeyGuard } from './api-key.guard';
import { ApiKeyRepository } from './api-key.repository';
import { ApiKeysController } from './api-keys.controller';
import { ApiKeys } from './api-keys.service';
import { Authentication } from './authentication';

@Module({ providers: [ApiKeys, ApiKeyRepository], exports: [ApiKeys] })
export class AuthModule {}

/** Guards every route of the process, and manages the keys over HTTP. */
@Module({
  imports: [AuthModule],
  controllers: [ApiKeysController],
  providers: [Authentication, { provide: APP_GUARD, useClass: ApiKeyGuard }],
})
export class AuthApiModule {}
