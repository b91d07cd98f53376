import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { newId } from '../database/new-id';
import { Config } from '../config/config';
import { ValidationFailed } from '../http/refusal';
import { type Caller, type Scope, SCOPES } from './access';
import { type ApiKey, hashOf, newSecret } from './api-key';
import { ApiKeyRepository } from './api-key.repository';
import { ApiKeyNotFound } from './auth.errors';
import { VerifiedKeys } from './verified-keys';

export interface NewApiKey {
  name: string;
  scopes: Scope[];
  client?: string;
  /** ISO 8601; absent: never. */
  expiresAt?: string;
}

/** Issues, lists, revokes and verifies API keys. A secret is shown once and stored hashed. */
@Injectable()
export class ApiKeys {
  private readonly adminHash: Buffer | undefined;
  private readonly verified: VerifiedKeys;

  constructor(
    private readonly repository: ApiKeyRepository,
    { adminApiKey }: Config,
  ) {
    this.adminHash = adminApiKey === undefined ? undefined : hashOf(adminApiKey);
    this.verified = new VerifiedKeys((hash) => this.repository.findValid(hash));
  }

  /** Throws `ValidationFailed` where the key would have expired already. */
  async create({ name, scopes, client, expiresAt }: NewApiKey): Promise<ApiKey & { key: string }> {
    if (expiresAt && Date.parse(expiresAt) <= Date.now()) {
      throw new ValidationFailed([{ field: 'expiresAt', message: 'must be in the future' }]);
    }
    const key = newSecret();
    const created = await this.repository.insert(
      { apiKeyId: newId(), name, client: client ?? name, scopes: [...new Set(scopes)], expiresAt: expiresAt ?? null },
      hashOf(key),
    );
    return { ...created, key };
  }

  list(limit: number, after?: string): Promise<ApiKey[]> {
    return this.repository.list(limit, after);
  }

  /** Throws `ApiKeyNotFound`. */
  async revoke(apiKeyId: string): Promise<void> {
    const revoked = await this.repository.revoke(apiKeyId);
    this.verified.forget();
    if (!revoked) throw new ApiKeyNotFound(apiKeyId);
  }

  /**
   * Who the secret belongs to, or undefined where it is unknown, expired or revoked (elsewhere: seconds ago). While the
   * database is away, who it belonged to at most a minute ago.
   */
  async verify(secret: string): Promise<Caller | undefined> {
    const hash = hashOf(secret);
    if (this.adminHash && timingSafeEqual(hash, this.adminHash)) {
      return { apiKeyId: 'admin', client: 'admin', scopes: SCOPES };
    }
    return this.verified.find(hash);
  }

  /** Whether anybody at all can get in. */
  async anyExists(): Promise<boolean> {
    return this.adminHash !== undefined || (await this.repository.anyValid());
  }
}
